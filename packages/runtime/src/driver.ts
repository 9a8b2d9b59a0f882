/** The loop between an endpoint, which does no IO, and a socket, a clock and one timer.
 *
 *  Datagrams are handled as they come. Everything else happens once per turn of the event loop: events are dispatched,
 *  then batches are sent, then the timer is set. So all that one turn brings in shares packets and acknowledgements. A
 *  datagram that had no effect causes no turn, so that a stranger's costs what it takes to drop it, and its answer, if
 *  any, takes no batch. */
import type { Address, ConnectionError, Endpoint, EndpointEvent, Peer, Stream } from '@underpass/protocol';
import { StreamErrorCode } from '@underpass/protocol';
import { monotonicMs, systemTimers, type Timers } from './clock.js';
import type { DatagramSocket } from './datagram-socket.js';

/** Work of one turn; what is left waits for the next, after timers and other sockets had theirs. */
export const MAX_EVENTS_PER_TURN = 1024;
export const MAX_BATCHES_PER_TURN = 8;
/** A shorter timer would spin: the system's has a grain of a millisecond. */
export const MIN_TIMER_MS = 1;
/** The system's timers stand still while the machine sleeps: what became due then is seen so long after it woke (spec
 *  outage 5). */
export const MAX_TIMER_MS = 2_000;
/** How long `close` tries to hand its farewells to the kernel. */
export const CLOSE_TIMEOUT_MS = 1000;

/** What happens to one stream. Nothing comes after `onClosed`. */
export interface StreamHandler {
  onReadable?(): void;
  onWritable?(): void;
  onReset?(code: number): void;
  onStopped?(code: number): void;
  onClosed?(): void;
}

export interface DriverHandler {
  onConnected(peer: Peer): void;
  /** @param lostStreams how many streams ended with it */
  onDisconnected(peer: Peer, error: ConnectionError, lostStreams: number): void;
  /** The peer's new address is proven. */
  onMoved?(peer: Peer, from: Address, to: Address): void;
  /** Two processes use the peer's key, at these addresses. */
  onKeyShared?(peer: Peer, addresses: readonly Address[]): void;
  /** An answer has been due since `since` (milliseconds of the driver's clock): streams wait. */
  onWaiting?(peer: Peer, since: number): void;
  onResumed?(peer: Peer, silentMs: number): void;
  /** Full datagrams, of so many bytes of UDP payload, reach the peer only in fragments (spec mtu 3.6). */
  onPathFragments?(peer: Peer, datagramBytes: number): void;
  /** The system would not send a datagram. @param code  its error's name, for example ENETUNREACH */
  onSendError?(to: Address, code: string): void;
  /** Somebody who holds the private half of `publicKey`, which belongs to no peer, wants to connect. */
  onUnknownKey?(publicKey: Uint8Array, from: Address): void;
  /** The peer's handshakes are refused: its clock is behind what it was at an earlier one. Unix milliseconds. */
  onClockBehind?(peer: Peer, clockMs: number, earlierClockMs: number): void;
  /** `peer.openStream` gives streams again, after it gave none. */
  onStreamsAvailable?(peer: Peer): void;
  /** The other side opened `stream`. */
  onStream(peer: Peer, stream: Stream): void;
}

/** What the driver calls on an endpoint. */
export type DrivenEndpoint = Pick<
  Endpoint,
  | 'handleDatagram'
  | 'handleTooLarge'
  | 'handleTimeout'
  | 'pollTransmit'
  | 'pollEvent'
  | 'pollTimeout'
  | 'close'
  | 'destroy'
>;

export interface DriverOptions {
  readonly endpoint: DrivenEndpoint;
  readonly socket: DatagramSocket;
  readonly handler: DriverHandler;
  /** Our own bug: a handler or the endpoint threw. Default: thrown on, where nothing catches it. */
  readonly onFatal?: (error: unknown) => void;
  readonly now?: () => number;
  readonly timers?: Timers;
  /** Runs `turn` once, soon. */
  readonly defer?: (turn: () => void) => void;
}

export class Driver {
  readonly now: () => number;
  readonly #endpoint: DrivenEndpoint;
  readonly #socket: DatagramSocket;
  readonly #handler: DriverHandler;
  readonly #onFatal: (error: unknown) => void;
  readonly #timers: Timers;
  readonly #defer: (turn: () => void) => void;
  readonly #turn = (): void => this.#runTurn();
  readonly #onTimer = (): void => {
    this.#timer = undefined;
    this.#runTurn();
  };
  readonly #streams = new Map<Stream, StreamHandler>();
  #timer: object | undefined;
  /** When `#timer` fires; meaningless without one. */
  #timerAt = 0;
  #scheduled = false;
  /** Events are being dispatched: sending follows in this very turn. */
  #dispatching = false;
  /** All batches are on their way to the kernel: there may be more to send. */
  #isWaitingForBatch = false;
  #closing: Promise<void> | undefined;
  #finishClosing: (() => void) | undefined;
  #closed = false;

  constructor(options: DriverOptions) {
    this.#endpoint = options.endpoint;
    this.#socket = options.socket;
    this.#handler = options.handler;
    this.#onFatal = options.onFatal ?? rethrow;
    this.now = options.now ?? monotonicMs;
    this.#timers = options.timers ?? systemTimers;
    this.#defer = options.defer ?? setImmediate;
    options.socket.listen({
      onDatagram: (datagram, from) => {
        if (this.#closed) return;
        try {
          const reaction = this.#endpoint.handleDatagram(this.now(), datagram, from);
          if (reaction === 'poll') this.#schedule();
          else if (reaction !== 'none') this.#socket.answer(reaction, from);
        } catch (error) {
          this.#onFatal(error);
        }
      },
      onBatchFree: () => this.#schedule(),
      onSendError: (to, code) => {
        if (!this.#closed) this.#handler.onSendError?.(to, code);
      },
      onTooLarge: (to, bytes) => {
        if (this.#closed) return;
        this.#endpoint.handleTooLarge(this.now(), to, bytes);
        this.#schedule();
      },
    });
  }

  /** Streams that have a handler. */
  get attachedStreams(): number {
    return this.#streams.size;
  }

  /** Sends `stream`'s events to `handler` from now on, until it is closed. What arrived before is not told again: read
   *  first. */
  attach(stream: Stream, handler: StreamHandler): void {
    this.#streams.set(stream, handler);
  }

  /** To be called after commands on a peer or a stream: their effects go out soon. */
  wake(): void {
    if (!this.#dispatching) this.#schedule();
  }

  /** Closes the endpoint, sends what it has to say, closes the socket. Handlers hear of their streams' end. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      const finish = (): void => {
        if (this.#closed) return;
        this.#closed = true;
        this.#timers.clear(guard);
        if (this.#timer !== undefined) this.#timers.clear(this.#timer);
        void this.#socket.close().then(resolve);
        this.#endpoint.destroy();
      };
      const guard = this.#timers.set(finish, CLOSE_TIMEOUT_MS);
      this.#finishClosing = finish;
      try {
        this.#endpoint.close();
      } catch (error) {
        this.#onFatal(error);
      }
      this.#schedule();
    });
    return this.#closing;
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#defer(this.#turn);
  }

  #runTurn(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    try {
      this.#handleTimeout();
      let more = this.#dispatchEvents();
      if (this.#transmit()) more = true;
      // Sending may have told the endpoint something new, rarely: then there is a next turn.
      else if (this.#dispatchEvents(1)) more = true;
      if (more) this.#schedule();
    } catch (error) {
      this.#onFatal(error);
    }
    if (this.#finishClosing === undefined) this.#setTimer();
    else if (!this.#scheduled && !this.#isWaitingForBatch) this.#finishClosing();
  }

  /** Looks at the endpoint's deadlines only when the timer says so: asking is as much work as the rest of a turn. What
   *  a datagram of this turn made due earlier gets its timer when the turn ends. */
  #handleTimeout(): void {
    const now = this.now();
    if (this.#timer !== undefined && now < this.#timerAt) return;
    const due = this.#endpoint.pollTimeout();
    if (due !== undefined && due.at <= now) this.#endpoint.handleTimeout(now);
  }

  /** @returns true when the limit was reached and there may be more */
  #dispatchEvents(limit = MAX_EVENTS_PER_TURN): boolean {
    this.#dispatching = true;
    try {
      for (let count = 0; count < limit; count++) {
        const event = this.#endpoint.pollEvent();
        if (event === undefined) return false;
        try {
          this.#dispatch(event);
        } catch (error) {
          this.#onFatal(error);
        }
      }
      return true;
    } finally {
      this.#dispatching = false;
    }
  }

  #dispatch(event: EndpointEvent): void {
    switch (event.type) {
      case 'connected':
        this.#handler.onConnected(event.peer);
        return;
      case 'disconnected':
        this.#handler.onDisconnected(event.peer, event.error, event.lostStreams);
        return;
      case 'waiting':
        this.#handler.onWaiting?.(event.peer, event.since);
        return;
      case 'resumed':
        this.#handler.onResumed?.(event.peer, event.silentMs);
        return;
      case 'path-fragments':
        this.#handler.onPathFragments?.(event.peer, event.datagramBytes);
        return;
      case 'moved':
        this.#handler.onMoved?.(event.peer, event.from, event.to);
        return;
      case 'key-shared':
        this.#handler.onKeyShared?.(event.peer, event.addresses);
        return;
      case 'unknown-key':
        this.#handler.onUnknownKey?.(event.publicKey, event.from);
        return;
      case 'clock-behind':
        this.#handler.onClockBehind?.(event.peer, event.clockMs, event.earlierClockMs);
        return;
      case 'streams-available':
        this.#handler.onStreamsAvailable?.(event.peer);
        return;
      case 'stream-opened':
        this.#handler.onStream(event.peer, event.stream);
        return;
      case 'stream-readable':
        this.#streams.get(event.stream)?.onReadable?.();
        return;
      case 'stream-writable':
        this.#streams.get(event.stream)?.onWritable?.();
        return;
      case 'stream-stopped':
        this.#streams.get(event.stream)?.onStopped?.(event.code);
        return;
      case 'stream-reset':
        this.#streams.get(event.stream)?.onReset?.(event.code);
        // The connection is gone and with it whatever would have closed the stream.
        if (event.code === StreamErrorCode.connectionLost) this.#detach(event.stream);
        return;
      case 'stream-closed':
        this.#detach(event.stream);
        return;
    }
  }

  #detach(stream: Stream): void {
    const handler = this.#streams.get(stream);
    this.#streams.delete(stream);
    handler?.onClosed?.();
  }

  /** @returns true when there may be more to send now and a batch to put it in */
  #transmit(): boolean {
    for (let count = 0; count < MAX_BATCHES_PER_TURN; count++) {
      const batch = this.#socket.acquireBatch();
      this.#isWaitingForBatch = batch === undefined;
      if (batch === undefined) return false;
      if (!this.#endpoint.pollTransmit(this.now(), batch)) {
        this.#socket.releaseBatch(batch);
        return false;
      }
      this.#socket.send(batch);
    }
    return true;
  }

  /** Sets the timer only when it would fire too late: deadlines mostly move away, and a timer that fires early just
   *  looks again. */
  #setTimer(): void {
    const due = this.#closed ? undefined : this.#endpoint.pollTimeout();
    if (due === undefined) return;
    if (this.#timer !== undefined) {
      if (this.#timerAt <= due.at + MIN_TIMER_MS) return;
      this.#timers.clear(this.#timer);
    }
    const now = this.now();
    const delayMs = Math.min(Math.max(Math.ceil(due.at - now), MIN_TIMER_MS), MAX_TIMER_MS);
    this.#timerAt = now + delayMs;
    this.#timer = this.#timers.set(this.#onTimer, delayMs);
  }
}

function rethrow(error: unknown): never {
  throw error;
}
