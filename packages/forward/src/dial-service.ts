/** Serves a request for a target: judges it, dials it and carries its bytes (spec forwarding 2.4 to 2.6). */
import type { Socket } from 'node:net';
import { StreamErrorCode, type TurnoverSet } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import { type DescriptorGuard, OUT_OF_DESCRIPTORS } from './descriptor-guard.js';
import type { DialQueue } from './dial-queue.js';
import { DIAL_TIMEOUT_MS, MAX_WAITING_DIALS } from './forward-constants.js';
import { formatTarget, type Target } from './forward-spec.js';
import type { IncomingRequest, RequestService } from './incoming-request.js';
import { Pump, type PumpSummary } from './pump.js';
import type { RateLimit } from './rate-limit.js';
import type { RequestStatus } from './request.js';
import { resetSocket } from './reset-socket.js';
import type { SocketWatch } from './socket-watch.js';
import type { Tunnel } from './tunnel.js';

/** The way to one target. There is a class for each kind of target. */
export interface Route {
  readonly target: Target;
  /** Judges the target by the peer's rules, before anything is resolved or dialled.
   *  @returns the advice of a refusal, or undefined */
  judge(): string | undefined;
  /** Connects to the target, after judging again whatever it is about to connect to.
   *  @param end  when to give up, on the clock of `now`
   *  @param done  called once, unless cancelled first
   *  @returns a function that cancels it */
  connect(end: number, done: (outcome: RouteOutcome) => void): () => void;
  /** Judges an open connection by the rules of now.
   *  @param address  what `connect` has connected to
   *  @returns why it is not permitted any more, or undefined */
  judgeAgain(address: string): string | undefined;
}

export type RouteOutcome =
  /** @param address  what was connected to, for display */
  | { readonly ok: true; readonly socket: Socket; readonly address: string }
  | { readonly ok: false; readonly status: RequestStatus; readonly advice: string };

export interface DialServiceOptions {
  readonly tunnel: Tunnel;
  /** Shared by all peers, like `descriptors`. */
  readonly watch: SocketWatch;
  readonly descriptors: DescriptorGuard;
}

/** What the requests of one peer share. */
export interface SharedByDials {
  readonly queue: DialQueue;
  readonly timers: Timers;
  readonly now: () => number;
  /** That of the peer; by default there is none. */
  readonly limit?: RateLimit | undefined;
  /** The services whose targets are connected. */
  readonly open: TurnoverSet<DialService>;
  /** The rules do not permit an open connection any more, so it is being reset. */
  onForbidden(id: number, target: Target, advice: string): void;
  /** @param address  what the relay connected to */
  onOpened(id: number, target: Target, address: string): void;
  onConnected(socket: Socket): void;
  onDisconnected(socket: Socket): void;
  /** Called last, and only for a request that was opened. */
  onEnd(id: number, target: Target, summary: PumpSummary): void;
}

/** Turns a request into a connection to its target, or into a refusal.
 *
 *  It lets the route judge the target, waits for a place in the dial queue and lets the route connect. From then on a
 *  `Pump` carries the bytes and gets all events of the stream. At any moment the service waits for at most one thing,
 *  and `cancel` stops that wait. It connects to nothing itself. */
export class DialService implements RequestService {
  readonly #request: IncomingRequest;
  readonly #route: Route;
  readonly #options: DialServiceOptions;
  readonly #shared: SharedByDials;
  /** Stops what the service is waiting for. */
  #cancel: (() => void) | undefined;
  #leaveQueue: (() => void) | undefined;
  #pump: Pump | undefined;
  /** What the target turned out to be, once it is connected. */
  #address = '';

  constructor(request: IncomingRequest, route: Route, options: DialServiceOptions, shared: SharedByDials) {
    this.#request = request;
    this.#route = route;
    this.#options = options;
    this.#shared = shared;
  }

  onReadable(): void {
    this.#pump?.onReadable();
  }
  onWritable(): void {
    this.#pump?.onWritable();
  }
  onStopped(): void {
    this.#pump?.onStopped();
  }
  onReset(): void {
    this.#pump?.onReset();
  }

  start(): void {
    const { timers, now, queue } = this.#shared;
    const refusal = this.#route.judge();
    if (refusal !== undefined) {
      this.#request.refuse('not-allowed', refusal);
      return;
    }
    const end = now() + DIAL_TIMEOUT_MS;
    const where = formatTarget(this.#route.target);
    const giveUp = (): void => {
      const seconds = DIAL_TIMEOUT_MS / 1000;
      const why = `${where} was not dialled within ${seconds} s: too many connections are waiting`;
      this.#request.refuse('timed-out', why);
    };
    let isStarted = false;
    this.#leaveQueue = queue.enter(where, () => {
      isStarted = true;
      this.#stopWaiting();
      if (now() >= end) giveUp();
      else if (!this.#options.descriptors.hasRoom())
        this.#request.refuse('internal-error', OUT_OF_DESCRIPTORS);
      else this.#connect(end);
    });
    // The queue may have called, and the request may be decided, before `enter` returned.
    if (this.#request.isDecided) this.#leave();
    else if (this.#leaveQueue === undefined) {
      this.#request.refuse(
        'too-many-streams',
        `more than ${MAX_WAITING_DIALS} connections are waiting to be dialled`,
      );
    } else if (!isStarted) {
      const timer = timers.set(giveUp, DIAL_TIMEOUT_MS);
      this.#cancel = () => timers.clear(timer);
    }
  }

  cancel(): void {
    this.#stopWaiting();
    this.#leave();
  }

  /** spec forwarding 3.9: a connection that no rule permits any more ends now */
  onRulesChanged(): void {
    const advice = this.#route.judgeAgain(this.#address);
    if (advice === undefined || this.#pump === undefined) return;
    this.#shared.onForbidden(this.#request.stream.id, this.#route.target, advice);
    this.#pump.abort(StreamErrorCode.refused);
  }

  #connect(end: number): void {
    let isOver = false;
    const cancel = this.#route.connect(end, (outcome) => {
      isOver = true;
      this.#cancel = undefined;
      if (outcome.ok) this.#open(outcome.socket, outcome.address);
      else this.#request.refuse(outcome.status, outcome.advice);
    });
    if (!isOver) this.#cancel = cancel;
  }

  #open(socket: Socket, address: string): void {
    const { tunnel, watch } = this.#options;
    // The rules may have changed while it was being connected.
    const advice = this.#route.judgeAgain(address);
    if (advice !== undefined) {
      socket.on('error', () => {});
      resetSocket(socket);
      this.#request.refuse('not-allowed', advice);
      return;
    }
    const { stream, firstBytes, isStopped } = this.#request;
    this.#address = address;
    this.#shared.open.add(this);
    // Count the socket before giving the place back, because a waiting request may take that place at once.
    this.#shared.onConnected(socket);
    this.#shared.queue.onAccepted();
    this.#request.open();
    this.#leave();
    const { id } = stream;
    const { target } = this.#route;
    this.#pump = new Pump({
      socket,
      stream,
      watch,
      limit: this.#shared.limit,
      wake: () => tunnel.wake(),
      onEnd: (summary) => {
        this.#shared.open.delete(this);
        this.#shared.onDisconnected(socket);
        this.#shared.onEnd(id, target, summary);
      },
    });
    this.#shared.onOpened(id, target, address);
    this.#pump.start(firstBytes);
    if (isStopped) this.#pump.onStopped();
    tunnel.wake();
  }

  #stopWaiting(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Gives back the place in the dial queue. */
  #leave(): void {
    const leave = this.#leaveQueue;
    this.#leaveQueue = undefined;
    leave?.();
  }
}
