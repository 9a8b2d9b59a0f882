/** The relay's side of one peer's streams (spec forwarding 2.3 to 2.6). */
import type { Socket } from 'node:net';
import { type Stream, TurnoverSet } from '@underpass/protocol';
import { monotonicMs, systemTimers, type Timers } from '@underpass/runtime';
import type { AllowRule } from './allow-rules.js';
import { FamilyMemory } from './dial-order.js';
import { DialQueue } from './dial-queue.js';
import { DialService, type DialServiceOptions, type Route, type SharedByDials } from './dial-service.js';
import type { SharedByFlows } from './flow-service.js';
import { MAX_CONNECTIONS } from './forward-constants.js';
import { ANY_UDP_TARGET, type Target, type UdpTarget } from './forward-spec.js';
import { IncomingRequest, type IncomingRequestOptions, type RequestService } from './incoming-request.js';
import type { ProbeReport } from './probe/probe-report.js';
import { ProbeService, type SharedByProbes } from './probe/probe-service.js';
import type { PumpSummary } from './pump.js';
import type { RateLimit } from './rate-limit.js';
import type { RequestStatus, StreamRequest, UdpRequest } from './request.js';
import { resetSockets } from './reset-socket.js';
import type { RelayPlace } from './reverse/listen-rules.js';
import type { ListenRequest } from './reverse/reverse-requests.js';
import { type SharedByRoutes, TcpRoute, type TcpRouteOptions } from './tcp-route.js';
import { type ConnectUdp, UdpService } from './udp-service.js';
import { type BindUdp, UdpSocketService } from './udp-socket-service.js';
import { UnixRoute, type UnixRouteOptions } from './unix-route.js';

export interface AcceptorObserver {
  /** @param address  the address that the relay connected to */
  onOpened(id: number, target: Target, address: string): void;
  /** @param target  undefined when the request could not be read
   *  @param advice  what happened, and what would change it */
  onRefused(id: number, target: Target | undefined, status: RequestStatus, advice: string): void;
  /** A message of the target was larger than the path to the peer carries. Called once for each flow. */
  onTooLarge(id: number, target: Target, bytes: number, maxBytes: number): void;
  onListenRefused?(id: number, place: RelayPlace, status: RequestStatus, advice: string): void;
  /** No rule permits an open stream any more, so it is being reset. `onEnd` follows. */
  onForbidden?(id: number, target: Target, advice: string): void;
  /** Called last, and only for a stream that was opened. */
  onEnd(id: number, target: Target, summary: PumpSummary): void;
}

export interface AcceptorOptions extends DialServiceOptions, TcpRouteOptions, UnixRouteOptions {
  readonly rules: () => readonly AllowRule[];
  /** What the peer learns when it probes. */
  readonly probeReport: () => ProbeReport;
  /** Serves a request to listen. By default there are no listeners. */
  readonly listen?: (request: ListenRequest, incoming: IncomingRequest) => RequestService;
  /** Limits what the peer's connections, flows and probes carry. */
  readonly limit?: RateLimit | undefined;
  readonly observer: AcceptorObserver;
  readonly connectUdp?: ConnectUdp;
  readonly bindUdp?: BindUdp;
  readonly timers?: Timers;
  readonly now?: () => number;
}

/** Accepts the streams that one peer opens.
 *
 *  The relay creates an acceptor with a peer's first stream and passes it every stream that the peer opens. The
 *  acceptor starts an `IncomingRequest` for each and owns what that peer's requests share: the sockets of its targets,
 *  the queue of dials and the memory of which address family works. It never looks at the bytes of a stream, and it
 *  knows nothing of other peers. */
export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #sockets = new TurnoverSet<Socket>();
  readonly #requests: IncomingRequestOptions;
  readonly #dials: SharedByDials;
  readonly #routes: SharedByRoutes;
  readonly #probes: SharedByProbes;
  readonly #flows: SharedByFlows;
  #underWay = 0;

  constructor(options: AcceptorOptions) {
    this.#options = options;
    const { observer, tunnel, limit, timers = systemTimers, now = monotonicMs } = options;
    const mayDial = (): boolean => this.#sockets.size + queue.dials < MAX_CONNECTIONS;
    const queue: DialQueue = new DialQueue({ mayDial, timers, now });
    this.#requests = {
      tunnel,
      timers,
      serve: (request, incoming) => this.#serve(request, incoming),
      onDecided: () => {
        this.#underWay--;
      },
      onRefused: (id, request, status, advice) => {
        if (request?.kind === 'listen') observer.onListenRefused?.(id, request, status, advice);
        else observer.onRefused(id, request && targetOf(request), status, advice);
      },
    };
    this.#routes = { families: new FamilyMemory(now), timers, now };
    this.#dials = {
      queue,
      timers,
      now,
      limit,
      open: new TurnoverSet(),
      onForbidden: (id, target, advice) => observer.onForbidden?.(id, target, advice),
      onOpened: (id, target, address) => observer.onOpened(id, target, address),
      onConnected: (socket) => this.#sockets.add(socket),
      onDisconnected: (socket) => {
        this.#sockets.delete(socket);
        options.descriptors.release();
        queue.startWaiting();
      },
      onEnd: (id, target, summary) => observer.onEnd(id, target, summary),
    };
    this.#probes = { tunnel, timers, limit, report: options.probeReport, underWay: 0 };
    this.#flows = {
      ...this.#dials,
      flows: new TurnoverSet(),
      onRefused: (id, target, status, advice) => observer.onRefused(id, target, status, advice),
      onTooLarge: (id, target, bytes, maxBytes) => observer.onTooLarge(id, target, bytes, maxBytes),
    };
  }

  /** Requests that have arrived and have no status yet. */
  get underWay(): number {
    return this.#underWay;
  }
  /** Connected targets. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Starts the request that arrives on a stream which the peer opened. */
  accept(stream: Stream): void {
    const request = new IncomingRequest(stream, this.#requests);
    this.#underWay++;
    this.#options.tunnel.attach(stream, request);
    request.start();
  }

  /** Call when the peer's rules have changed: connections that no rule permits any more are reset. */
  onRulesChanged(): void {
    for (const service of [...this.#dials.open, ...this.#flows.flows]) service.onRulesChanged();
  }

  /** Resets the targets that are still connected. Call it when all streams are closed: a target that reads slowly
   *  outlives its stream. */
  close(): Promise<void> {
    return resetSockets(this.#sockets);
  }

  /** The service for each kind of request. */
  #serve(request: StreamRequest, incoming: IncomingRequest): RequestService {
    switch (request.kind) {
      case 'tcp':
        return this.#dial(incoming, new TcpRoute(request, this.#options, this.#routes));
      case 'unix':
        return this.#dial(incoming, new UnixRoute(request, this.#options, this.#routes));
      case 'udp':
        return new UdpService(
          incoming,
          udpTarget(request),
          this.#options,
          this.#flows,
          this.#options.connectUdp,
        );
      case 'udp-socket':
        return new UdpSocketService(incoming, this.#options, this.#flows, this.#options.bindUdp);
      case 'listen':
        return (
          this.#options.listen?.(request, incoming) ??
          refusal(incoming, 'not-allowed', 'this relay has no listeners')
        );
      case 'incoming':
        return refusal(incoming, 'not-allowed', 'only a relay sends such a request');
      case 'enrol':
        return refusal(incoming, 'not-allowed', 'the peer is enrolled already');
      case 'probe':
        return new ProbeService(incoming, request.downloadBytes, this.#probes);
    }
  }

  #dial(incoming: IncomingRequest, route: Route): DialService {
    return new DialService(incoming, route, this.#options, this.#dials);
  }
}

function targetOf(request: StreamRequest): Target | undefined {
  switch (request.kind) {
    case 'tcp':
      return { host: request.host, port: request.port };
    case 'unix':
      return { path: request.path };
    case 'udp':
      return udpTarget(request);
    case 'udp-socket':
      return ANY_UDP_TARGET;
    default:
      return undefined;
  }
}

/** Serves a request that is always refused. */
function refusal(incoming: IncomingRequest, status: RequestStatus, advice: string): RequestService {
  return { start: () => incoming.refuse(status, advice), cancel: () => {} };
}

function udpTarget({ host, port }: UdpRequest): UdpTarget {
  return { host, port, protocol: 'udp' };
}
