/** Drives one endpoint in virtual time, as the real driver does. */
import {
  type Address,
  type Deadline,
  type Endpoint,
  type EndpointEvent,
  TransmitBatch,
} from '@underpass/protocol';
import { BufferLike } from './buffer-like.js';
import type { EventQueue } from './event-queue.js';
import type { SeededRandom } from './seeded-random.js';

/** The part of an endpoint that a driver calls. */
export type DrivenEndpoint = Pick<
  Endpoint,
  'handleDatagram' | 'handleTimeout' | 'pollTransmit' | 'pollEvent' | 'pollTimeout'
>;

/** How promptly a program runs its turns. */
export interface TurnTiming {
  /** The longest time between a request for a turn and the turn. */
  readonly turnDelayMs: number;
  /** Timers fire a whole number of grains, at least one, after they were set. 0 means exactly on time. */
  readonly timerGrainMs: number;
}

export const PROMPT: TurnTiming = { turnDelayMs: 0, timerGrainMs: 0 };

/** One turn of a program, as a watcher sees it. */
export interface Turn {
  /** Nothing requested the turn and nothing was due: the driver checks that such a turn has no effect. */
  readonly isUnasked: boolean;
  /** The result of `pollTimeout` before and after the turn. */
  readonly due: Deadline | undefined;
  readonly nextDue: Deadline | undefined;
  readonly datagramsSent: number;
  readonly events: number;
}

export interface DriverOptions {
  readonly queue: EventQueue;
  readonly timing: TurnTiming;
  readonly random: SeededRandom;
  readonly endpoint: DrivenEndpoint;
  readonly onEvent: (event: EndpointEvent) => void;
  readonly onSend: (to: Address, datagram: Uint8Array, mayFragment: boolean) => void;
  /** Called before and after the endpoint handles a datagram, which it decrypts in place. */
  readonly onArrival?: (datagram: Uint8Array, from: Address) => void;
  readonly onHandled?: (datagram: Uint8Array, from: Address) => void;
  readonly onTurn?: (turn: Turn) => void;
  /** The endpoint broke a promise, and nothing sensible can follow. */
  readonly onBroken: (violation: string) => void;
  readonly trace: (text: string) => void;
}

/** More than the largest window of a connection allows. */
const MAX_BATCHES_PER_TURN = 4096;
const MAX_EVENTS_PER_TURN = 100_000;
/** How many bytes of unread datagrams the system keeps: the size that the program's socket requests. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;
/** How many turns in a row may end with a deadline in the past. A correct endpoint needs none. */
const MAX_OVERDUE_TURNS = 8;
/** Overwrites a datagram once the endpoint has handled it. */
const POISON = 0xee;
/** Datagrams arrive in the middle of a larger buffer, as when the kernel coalesces them. */
const LEADING_BYTES = 5;
/** How often the wait for a deadline is interrupted by a turn that nothing requested. */
const UNASKED_CHANCE = 0.02;

/** Runs an endpoint the way a program does, and checks the promises of its interface.
 *
 *  A datagram is handled when it arrives. Everything else happens in turns, which follow a little later: timers,
 *  events, the application's commands, sending. Between two turns nothing is polled. The world owns one driver for each
 *  running process. It reports an endpoint that sends or emits events without end, or keeps a deadline in the past. Now
 *  and then it runs a turn that nothing requested, so that a rule can check that it has no effect. It overwrites every
 *  datagram that the endpoint has handled, so that a view kept for too long shows up. */
export class EndpointDriver {
  readonly #options: DriverOptions;
  readonly #queue: EventQueue;
  readonly #unasked: SeededRandom;
  readonly #batch = new TransmitBatch();
  /** Each datagram arrives here. */
  #received = new BufferLike(2048);
  #isStopped = false;
  #turnScheduled = false;
  /** Set while events are dispatched. Commands of the application are then sent in the same turn. */
  #dispatching = false;
  /** When the timer fires. A timer that was replaced does nothing. */
  #timerAt: number | undefined;
  #overdueTurns = 0;
  /** Until when the process is frozen. Arriving datagrams wait in the system's buffer. */
  #frozenUntil = 0;
  readonly #waiting: { readonly datagram: Uint8Array; readonly from: Address }[] = [];
  #waitingBytes = 0;
  #turnDatagrams = 0;
  #turnEvents = 0;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#queue = options.queue;
    this.#unasked = options.random.derive('unasked');
  }

  get isFrozen(): boolean {
    return this.#queue.now < this.#frozenUntil;
  }

  /** Ends the process: nothing more happens. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Makes the process do nothing until then. */
  freeze(until: number): void {
    this.#options.trace('freezes');
    this.#frozenUntil = Math.max(this.#frozenUntil, until);
    this.#queue.schedule(until, () => {
      if (this.#isStopped || this.isFrozen) return;
      this.#options.trace('thaws');
      this.#waitingBytes = 0;
      for (const { datagram, from } of this.#waiting.splice(0)) this.receive(datagram, from);
      this.wake();
    });
  }

  /** Call after commands on the endpoint or a stream. */
  wake(): void {
    if (this.#turnScheduled || this.#dispatching) return;
    this.#turnScheduled = true;
    const { random, timing } = this.#options;
    const at = this.#queue.now + random.between(0, timing.turnDelayMs);
    this.#queue.schedule(at, () => {
      if (!this.#isStopped) this.#runTurn(false);
    });
  }

  receive(datagram: Uint8Array, from: Address): void {
    if (this.isFrozen) {
      if (this.#waitingBytes + datagram.length > SOCKET_BUFFER_BYTES) return;
      this.#waiting.push({ datagram, from });
      this.#waitingBytes += datagram.length;
      return;
    }
    const { endpoint, onArrival, onHandled, onSend } = this.#options;
    const end = LEADING_BYTES + datagram.length;
    if (end + LEADING_BYTES > this.#received.length) this.#received = new BufferLike(2 * end);
    const buffer = this.#received;
    buffer.set(datagram, LEADING_BYTES);
    const arrived = buffer.subarray(LEADING_BYTES, end);
    onArrival?.(arrived, from);
    const reaction = endpoint.handleDatagram(this.#queue.now, arrived, { ...from });
    onHandled?.(arrived, from);
    buffer.fill(POISON, 0, end);
    if (reaction === 'poll') this.wake();
    else if (reaction instanceof Uint8Array) onSend(from, reaction, true);
  }

  /** Passes waiting events to `onEvent`. */
  dispatchEvents(): void {
    const { endpoint, onEvent, onBroken } = this.#options;
    for (let count = 0; ; count++) {
      const event = endpoint.pollEvent();
      if (event === undefined) return;
      if (count === MAX_EVENTS_PER_TURN) {
        onBroken('has events without end');
        return;
      }
      this.#turnEvents++;
      onEvent(event);
    }
  }

  #runTurn(isUnasked: boolean): void {
    const { endpoint, onTurn, trace } = this.#options;
    if (!isUnasked) this.#turnScheduled = false;
    if (this.isFrozen) return;
    const { now } = this.#queue;
    this.#turnDatagrams = 0;
    this.#turnEvents = 0;
    const due = endpoint.pollTimeout();
    if (isUnasked) endpoint.handleTimeout(now);
    else if (due !== undefined && due.at <= now) {
      trace(`timer ${due.reason}`);
      endpoint.handleTimeout(now);
    }
    this.#dispatching = true;
    this.dispatchEvents();
    this.#dispatching = false;
    this.#transmit();
    this.dispatchEvents();
    if (this.#isStopped) return;
    const nextDue = endpoint.pollTimeout();
    const [datagramsSent, events] = [this.#turnDatagrams, this.#turnEvents];
    onTurn?.({ isUnasked, due, nextDue, datagramsSent, events });
    this.#setTimer(nextDue);
  }

  #transmit(): void {
    const { endpoint, onSend, onBroken } = this.#options;
    const batch = this.#batch;
    for (let count = 0; endpoint.pollTransmit(this.#queue.now, batch); count++) {
      if (count === MAX_BATCHES_PER_TURN) {
        onBroken('sends without end');
        return;
      }
      const { lengthBytes, segmentBytes, mayFragment, to } = batch;
      if (to === undefined || segmentBytes < 1 || lengthBytes < 1 || lengthBytes > batch.buffer.length) {
        onBroken(`made a batch of ${lengthBytes} bytes in segments of ${segmentBytes}`);
        return;
      }
      for (let at = 0; at < lengthBytes; at += segmentBytes) {
        this.#turnDatagrams++;
        onSend(to, batch.buffer.subarray(at, Math.min(at + segmentBytes, lengthBytes)), mayFragment);
      }
      batch.buffer.fill(POISON, 0, lengthBytes);
    }
  }

  #setTimer(due: Deadline | undefined): void {
    if (due === undefined) return;
    const { now } = this.#queue;
    if (!(due.at > now)) {
      if (++this.#overdueTurns === MAX_OVERDUE_TURNS) {
        this.#options.onBroken(`leaves a deadline in the past: ${due.reason} at ${due.at}, now ${now}`);
        return;
      }
    } else this.#overdueTurns = 0;
    const grain = this.#options.timing.timerGrainMs;
    const delay = Math.max(0, due.at - now);
    // `Math.max` because rounding may put now + delay before the deadline.
    const at = grain === 0 ? Math.max(due.at, now) : now + grain * Math.max(1, Math.ceil(delay / grain));
    // Most deadlines move away. A timer that fires early only looks again.
    if (this.#timerAt !== undefined && this.#timerAt <= at) return;
    this.#timerAt = at;
    this.#queue.schedule(at, () => {
      if (this.#isStopped || this.#timerAt !== at) return;
      this.#timerAt = undefined;
      this.wake();
    });
    if (this.#unasked.chance(UNASKED_CHANCE)) this.#scheduleUnasked(due);
  }

  /** spec session 1: the driver may call early, and such a call must have no effect. */
  #scheduleUnasked(due: Deadline): void {
    const at = this.#unasked.between(this.#queue.now, due.at);
    this.#queue.schedule(at, () => {
      const next = this.#options.endpoint.pollTimeout();
      if (this.#isStopped || this.#turnScheduled || next === undefined || next.at <= this.#queue.now) return;
      this.#runTurn(true);
    });
  }
}
