/** The streams that the relay opens towards this client: visitors of its reverse forwards (spec reverse 5). */
import {
  type ConnectionEnd,
  type DescriptorGuard,
  DialQueue,
  DialService,
  encodeProxyHeader,
  FamilyMemory,
  IncomingRequest,
  isUnix,
  LookupQueue,
  MAX_CONNECTIONS,
  type NameResolver,
  type PumpSummary,
  type RequestService,
  type RequestStatus,
  type ResettableSocket,
  type ReverseForward,
  type Route,
  relayPlaceOf,
  resetSockets,
  type SocketWatch,
  type StreamRequest,
  TcpRoute,
  type Tunnel,
  type TunnelFailure,
  TunnelSocket,
  UnixRoute,
} from '@underpass/forward';
import { type Stream, StreamErrorCode, TurnoverMap, TurnoverSet } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import { visitorAdvice } from './advice.js';
import type { ClientEvent, StreamStatus, VisitorService } from './client-options.js';
import { formatSource } from './program-name.js';

/** A forward that may have a listener at the relay. */
export interface Listening {
  readonly spec: ReverseForward;
  /** Serves its visitors, if they are not connected to its target. */
  readonly service?: VisitorService | undefined;
  /** The id of its LISTEN stream, if it has one. */
  readonly streamId: number | undefined;
  /** The port on which the relay listens, once it has said so. */
  readonly port: number | undefined;
}

export interface IncomingStreamsOptions {
  readonly tunnel: Tunnel;
  /** Shared with the local connections, like `descriptors`. */
  readonly watch: SocketWatch;
  readonly descriptors: DescriptorGuard;
  readonly resolve: NameResolver;
  /** Draws an id for events. */
  readonly newId: () => number;
  readonly emit: (event: ClientEvent) => void;
  readonly timers: Timers;
  readonly now: () => number;
}

/** Serves visitors: connects each to the target of the forward whose listener it came through.
 *
 *  Forwards register here when they start. A stream is served only if it names the LISTEN stream of one of them, and
 *  then it leads to the target that the user wrote, whatever the relay sends. A client without reverse forwards refuses
 *  every stream unread. The class owns the sockets of the targets, with the same limits as a relay has for a peer, so
 *  that a relay cannot make the client open more. */
export class IncomingStreams {
  readonly #options: IncomingStreamsOptions;
  readonly #forwards = new Set<Listening>();
  readonly #sockets = new TurnoverSet<ResettableSocket>();
  readonly #open = new TurnoverSet<DialService>();
  readonly #visits = new TurnoverMap<number, StreamStatus>();
  readonly #queue: DialQueue;
  readonly #families: FamilyMemory;
  readonly #lookups: LookupQueue;

  constructor(options: IncomingStreamsOptions) {
    this.#options = options;
    this.#queue = new DialQueue({
      mayDial: () => this.#sockets.size + this.#queue.dials < MAX_CONNECTIONS,
      timers: options.timers,
      now: options.now,
    });
    this.#families = new FamilyMemory(options.now);
    this.#lookups = new LookupQueue(options.resolve, options.timers);
  }

  /** How many targets are connected. */
  get connections(): number {
    return this.#sockets.size;
  }

  streams(): StreamStatus[] {
    return [...this.#visits.values()];
  }

  add(forward: Listening): void {
    this.#forwards.add(forward);
  }

  /** Its visitors go on. */
  delete(forward: Listening): void {
    this.#forwards.delete(forward);
  }

  accept(stream: Stream): void {
    const { tunnel, timers } = this.#options;
    if (this.#forwards.size === 0) {
      stream.reset(StreamErrorCode.refused);
      stream.stopSending(StreamErrorCode.refused);
      return;
    }
    let visit: Visit | undefined;
    const incoming = new IncomingRequest(stream, {
      tunnel,
      timers,
      serve: (request, self) => {
        visit = this.#visitOf(request, stream);
        return visit === undefined ? refusal(self) : this.#serve(self, visit);
      },
      onDecided: () => undefined,
      onRefused: (_id, _request, status, advice) => {
        if (visit !== undefined) this.#onRefused(visit, status, advice);
      },
    });
    tunnel.attach(stream, incoming);
    incoming.start();
  }

  /** Resets the targets that are still connected. Call it when all streams are closed. */
  close(): Promise<void> {
    return resetSockets(this.#sockets);
  }

  /** @returns undefined for a request that may not be served (spec reverse 5) */
  #visitOf(request: StreamRequest, stream: Stream): Visit | undefined {
    if (request.kind !== 'incoming') return undefined;
    const forward = [...this.#forwards].find(({ streamId }) => streamId === request.listener);
    if (forward === undefined) return undefined;
    const { host, port } = request;
    return {
      id: this.#options.newId(),
      forward,
      source: { address: host, port },
      from: formatSource(request),
      stream,
    };
  }

  #serve(incoming: IncomingRequest, visit: Visit): RequestService {
    const { spec, service } = visit.forward;
    if (service !== undefined) return this.#hand(incoming, visit, service);
    if (spec.proxyProtocol === true) incoming.prepend(headerFor(visit));
    return new DialService(incoming, this.#routeTo(spec), this.#options, {
      queue: this.#queue,
      open: this.#open,
      onForbidden: () => undefined, // no rules apply, so none can change
      timers: this.#options.timers,
      now: this.#options.now,
      onConnected: (socket) => this.#sockets.add(socket),
      onDisconnected: (socket) => {
        this.#sockets.delete(socket);
        this.#queue.startWaiting();
      },
      onOpened: () => this.#onOpened(visit),
      onEnd: (_id, _target, summary) => this.#onEnd(visit, summary),
    });
  }

  /** Hands a visitor to the program of which this client is a part, so there is nothing to dial. */
  #hand(incoming: IncomingRequest, visit: Visit, service: VisitorService): RequestService {
    const { tunnel, watch, timers } = this.#options;
    const { serve, allowHalfOpen = false } = service;
    const start = (): void => {
      if (this.#sockets.size + this.#queue.dials >= MAX_CONNECTIONS) {
        incoming.refuse('too-many-streams', `more than ${MAX_CONNECTIONS} visitors are connected`);
        return;
      }
      const { stream, firstBytes, isStopped } = incoming;
      incoming.open();
      const onEnd = (summary: PumpSummary): void => {
        this.#sockets.delete(socket);
        this.#queue.startWaiting();
        this.#onEnd(visit, summary);
      };
      const link = { tunnel, watch, observer: { onRefused: () => undefined, onEnd } };
      const explain = (failure: TunnelFailure): string => visitorAdvice(visit.from, failure);
      const accepted = { stream, link, firstBytes, isStopped, remote: visit.source };
      const socket = TunnelSocket.accept(accepted, { explain, timers }, { allowHalfOpen });
      this.#sockets.add(socket);
      this.#onOpened(visit);
      // The program's own failure must not look like one of the tunnel.
      process.nextTick(serve, socket);
    };
    return { start, cancel: () => undefined };
  }

  #onOpened(visit: Visit): void {
    const { emit, now } = this.#options;
    const { id, from, forward } = visit;
    const streamId = visit.stream.id;
    this.#visits.set(id, { id, target: forward.spec.target, from, openedAt: now(), streamId });
    emit({ type: 'visitor-opened', ...aboutOf(visit) });
  }

  #onEnd(visit: Visit, summary: PumpSummary): void {
    this.#visits.delete(visit.id);
    this.#options.emit({ type: 'visitor-closed', ...aboutOf(visit), ...summary });
  }

  #routeTo({ target }: ReverseForward): Route {
    const { timers, now, descriptors } = this.#options;
    const options = { rules: () => 'own-choice' as const, lookups: this.#lookups, descriptors };
    const shared = { families: this.#families, timers, now };
    return isUnix(target) ? new UnixRoute(target, options, shared) : new TcpRoute(target, options, shared);
  }

  #onRefused(visit: Visit, status: RequestStatus, reason: string): void {
    const advice = `a visitor from ${visit.from} was reset: ${reason}`;
    this.#options.emit({ type: 'visitor-refused', ...aboutOf(visit), status, advice });
  }
}

/** A visitor of one of our forwards. */
interface Visit {
  readonly id: number;
  readonly forward: Listening;
  /** As the relay saw it. */
  readonly source: ConnectionEnd;
  readonly from: string;
  readonly stream: Stream;
}

/** What all events of a visitor have in common. */
function aboutOf({ id, forward: { spec }, from }: Visit) {
  return { id, forward: spec.text, target: spec.target, from };
}

/** The PROXY header for a target. The relay does not say to which of its addresses the visitor connected, so the header
 *  has the one that was asked for, or the unspecified one (spec forwarding 2.8). Without an address, as of a unix socket,
 *  it has none of either end. */
function headerFor({ forward, source }: Visit): Uint8Array {
  const { bind } = relayPlaceOf(forward.spec.place);
  const isIp6 = source.address.includes(':');
  const anyAddress = isIp6 ? '::' : '0.0.0.0';
  const loopback = isIp6 ? '::1' : '127.0.0.1';
  const address = bind === '*' ? anyAddress : bind === 'localhost' ? loopback : bind;
  return encodeProxyHeader(source, { address, port: forward.port ?? 0 });
}

function refusal(incoming: IncomingRequest): RequestService {
  return {
    start: () => incoming.refuse('not-allowed', 'it is no visitor of a reverse forward of this client'),
    cancel: () => undefined,
  };
}
