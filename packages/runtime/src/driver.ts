/** Runs an endpoint, which does no I/O, on a socket, a clock and a timer. */
import type { Address, Endpoint, Stream } from '@underpass/protocol';
import { monotonicMs, systemTimers, type Timers } from './clock.js';
import type { DatagramSocket } from './datagram-socket.js';
import { type DriverHandler, EventDispatcher, type StreamHandler } from './event-dispatcher.js';

/** Limits on the work of one turn. The rest waits for the next turn, after timers and other sockets. */
export const MAX_EVENTS_PER_TURN = 1024;
export const MAX_BATCHES_PER_TURN = 8;
/** After so many bytes, what arrived is passed on and acknowledged, even while more waits in the socket. The system hands
 *  over up to 2 MB before a turn. That is 10 ms of work in which a keystroke would wait, and acknowledgements in such
 *  lumps make the sender keep that much in flight. */
export const MAX_UNANSWERED_BYTES = 128 * 1024;
/** After so many bytes in one turn, acknowledgements wait for its end. With them, a sender on another core would go on
 *  sending as fast as we read, and the turn would last until the socket's limits end it. */
export const MAX_ANSWERED_BYTES = 512 * 1024;
/** The system's timers have a resolution of one millisecond; a shorter delay would spin. */
export const MIN_TIMER_MS = 1;
/** The system's timers stop while the machine sleeps. Anything that becomes due meanwhile is noticed at most this long
 *  after it wakes (spec outage 5). */
export const MAX_TIMER_MS = 2_000;
/** How long `close` waits for the kernel to take the CLOSE messages. */
export const CLOSE_TIMEOUT_MS = 1000;

/** The part of an endpoint that the driver calls. */
export type DrivenEndpoint = Pick<
  Endpoint,
  | 'handleDatagram'
  | 'handlePassedOn'
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
  /** A handler or the endpoint threw, which is a bug. By default the error is thrown again, where nothing catches
   *  it. */
  readonly onFatal?: (error: unknown) => void;
  /** Passes a datagram on to the process that serves that shard. The bytes are valid only during the call. */
  readonly passOn?: (shard: number, datagram: Uint8Array, from: Address) => void;
  readonly now?: () => number;
  readonly timers?: Timers;
  /** Runs `turn` once, soon after the current code returns. */
  readonly defer?: (turn: () => void) => void;
}

/** Connects one endpoint to one socket, a clock and a timer, and dispatches the endpoint's events to handlers.
 *
 *  Datagrams are handled as they arrive. Everything else happens once per turn of the event loop: the driver dispatches
 *  events, sends batches and then sets the timer, so that everything that one turn receives shares packets and
 *  acknowledgements. A datagram without effect causes no turn: a stranger's datagram costs what it takes to drop it,
 *  and an answer to it uses no batch. Client and relay give commands to peers and streams directly and then call
 *  `wake`. The driver owns the socket, and its `close` also ends the endpoint. It never interprets a packet or decides
 *  when something is due. */
export class Driver {
  readonly now: () => number;
  readonly #endpoint: DrivenEndpoint;
  readonly #socket: DatagramSocket;
  readonly #handler: DriverHandler;
  readonly #dispatcher: EventDispatcher;
  readonly #onFatal: (error: unknown) => void;
  readonly #passOn: DriverOptions['passOn'];
  readonly #timers: Timers;
  readonly #defer: (turn: () => void) => void;
  readonly #turn = (): void => this.#runTurn();
  readonly #onTimer = (): void => {
    this.#timer = undefined;
    // Defer the turn, so that datagrams waiting in the socket are handled first (spec recovery 4).
    this.#schedule();
  };
  #timer: object | undefined;
  /** When `#timer` fires, if it is set. */
  #timerAt = 0;
  #scheduled = false;
  /** When the datagram that is being handled arrived. The clock is read once for all that the system has joined. */
  #arrivedAt = 0;
  /** What has arrived since events were last dispatched. */
  #unansweredBytes = 0;
  /** What of this turn's datagrams has been dispatched before its end. */
  #answeredBytes = 0;
  /** Set while events are dispatched. Sending follows in the same turn, so `wake` has nothing to do. */
  #dispatching = false;
  /** Every batch is with the kernel, so there may be more to send. */
  #isWaitingForBatch = false;
  #closing: Promise<void> | undefined;
  #finishClosing: (() => void) | undefined;
  #closed = false;

  constructor(options: DriverOptions) {
    this.#endpoint = options.endpoint;
    this.#socket = options.socket;
    this.#handler = options.handler;
    this.#dispatcher = new EventDispatcher(options.handler);
    this.#onFatal = options.onFatal ?? rethrow;
    this.#passOn = options.passOn;
    this.now = options.now ?? monotonicMs;
    this.#timers = options.timers ?? systemTimers;
    this.#defer = options.defer ?? setImmediate;
    options.socket.listen({
      onDatagram: (datagram, from, isCoalesced) => {
        if (!isCoalesced) this.#arrivedAt = this.now();
        this.#receive(datagram, from, false);
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

  /** How many streams have a handler. */
  get attachedStreams(): number {
    return this.#dispatcher.attachedStreams;
  }

  /** Sends the events of `stream` to `handler` until the stream is closed. Earlier events are not repeated, so read
   *  first. */
  attach(stream: Stream, handler: StreamHandler): void {
    this.#dispatcher.attach(stream, handler);
  }

  /** Call after commands on a peer or a stream, so that their effects are sent. */
  wake(): void {
    if (!this.#dispatching) this.#schedule();
  }

  /** Handles a datagram that arrived at another shard (spec session 3.3). */
  handlePassedOn(datagram: Uint8Array, from: Address): void {
    this.#arrivedAt = this.now();
    this.#receive(datagram, from, true);
  }

  /** Closes the endpoint, sends its last messages, then closes the socket. Handlers receive the end of their
   *  streams. */
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

  #receive(datagram: Uint8Array, from: Address, isPassedOn: boolean): void {
    if (this.#closed) return;
    try {
      const reaction = isPassedOn
        ? this.#endpoint.handlePassedOn(this.#arrivedAt, datagram, from)
        : this.#endpoint.handleDatagram(this.#arrivedAt, datagram, from);
      if (reaction === 'poll') this.#handlePoll(datagram.length);
      else if (reaction instanceof Uint8Array) this.#socket.answer(reaction, from);
      else if (reaction !== 'none') this.#passOn?.(reaction.passOnTo, datagram, from);
    } catch (error) {
      this.#onFatal(error);
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#defer(this.#turn);
  }

  /** Leaves the rest to the turn that is scheduled, unless much has arrived before it. Then events go out now, and packets
   *  too, unless the turn is too long already. Timers do not expire, because the acknowledgement that seems to be missing
   *  may wait in the socket (spec recovery 4). */
  #handlePoll(bytes: number): void {
    this.#schedule();
    this.#unansweredBytes += bytes;
    if (this.#unansweredBytes < MAX_UNANSWERED_BYTES || this.#dispatching) return;
    this.#answeredBytes += this.#unansweredBytes;
    this.#unansweredBytes = 0;
    this.#dispatchEvents();
    if (this.#answeredBytes <= MAX_ANSWERED_BYTES) this.#transmit();
  }

  #runTurn(): void {
    this.#unansweredBytes = 0;
    this.#answeredBytes = 0;
    this.#scheduled = false;
    if (this.#closed) return;
    try {
      this.#handleTimeout();
      let more = this.#dispatchEvents();
      if (this.#transmit()) more = true;
      // Sending rarely causes events. If it did, there is another turn.
      else if (this.#dispatchEvents(1)) more = true;
      if (more) this.#schedule();
    } catch (error) {
      this.#onFatal(error);
    }
    if (this.#finishClosing === undefined) this.#setTimer();
    else if (!this.#scheduled && !this.#isWaitingForBatch) this.#finishClosing();
  }

  /** Asks the endpoint for its deadline only when the timer has fired, because asking costs as much as the rest of a
   *  turn. If a datagram of this turn brought the deadline forward, the end of the turn sets a new timer. */
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
          this.#dispatcher.dispatch(event);
        } catch (error) {
          this.#onFatal(error);
        }
      }
      return true;
    } finally {
      this.#dispatching = false;
    }
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

  /** Sets the timer only if it would fire too late. Most deadlines move away, and a timer that fires early only looks
   *  again. */
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
