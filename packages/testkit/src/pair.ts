/** Two endpoints joined by a simulated network in virtual time, each driven as a program drives it:
 *
 *  a datagram is handled as it comes; everything else happens in turns, which follow a little later: timers, events,
 *  what the application wants, sending. Between two turns nothing is polled. */
import {
  type Address,
  type Endpoint,
  type EndpointEvent,
  sameAddress,
  TransmitBatch,
} from '@underpass/protocol';
import { BufferLike } from './buffer-like.js';
import { Digest } from './digest.js';
import { EventQueue } from './event-queue.js';
import type { SeededRandom } from './seeded-random.js';
import {
  type Links,
  type NetworkConditions,
  type Side,
  SimulatedNetwork,
  STRANGER_ADDRESS,
} from './simulated-network.js';

/** What the pair calls on an endpoint. */
export type DrivenEndpoint = Pick<
  Endpoint,
  'handleDatagram' | 'handleTimeout' | 'pollTransmit' | 'pollEvent' | 'pollTimeout'
>;

/** How promptly a program does its turns. */
export interface TurnTiming {
  /** A turn follows what asked for it by up to so long. */
  readonly turnDelayMs: number;
  /** Timers fire whole multiples of it after they were set, at least one; 0: exactly. */
  readonly timerGrainMs: number;
}

export const PROMPT: TurnTiming = { turnDelayMs: 0, timerGrainMs: 0 };

export interface PairOptions {
  readonly network: NetworkConditions;
  readonly random: SeededRandom;
  readonly timing?: TurnTiming;
  /** Time and a link that are shared with other pairs; default: its own. */
  readonly shared?: { readonly queue: EventQueue; readonly links: Links };
  readonly onEvent: (side: Side, event: EndpointEvent) => void;
  /** A promise of the endpoint was broken. */
  readonly onViolation: (violation: string) => void;
  /** One line for each thing that happens. */
  readonly trace?: (line: string) => void;
}

/** More than a window of the largest connection holds. */
const MAX_BATCHES_PER_TURN = 4096;
const MAX_EVENTS_PER_TURN = 100_000;
/** What the system keeps of datagrams that nobody reads. */
const SOCKET_BUFFER_DATAGRAMS = 256;
/** Turns in a row after which a deadline may still be in the past: none is needed. */
const MAX_OVERDUE_TURNS = 8;
/** What the bytes of a datagram become once the endpoint had its look at them. */
const POISON = 0xee;
/** Datagrams arrive in the middle of a larger buffer, as they do when the kernel coalesces them. */
const LEADING_BYTES = 5;

/** Of each end of a datagram. */
const DIGESTED_BYTES = 16;

interface Driven {
  endpoint: DrivenEndpoint | undefined;
  turnScheduled: boolean;
  /** A turn tells events: whatever the application then wants is sent in this very turn. */
  dispatching: boolean;
  /** When the timer fires; a timer that was replaced does nothing. */
  timerAt: number | undefined;
  overdueTurns: number;
  /** Until when the process stands still; what arrives waits in the system's buffer. */
  frozenUntil: number;
  readonly waiting: { readonly datagram: Uint8Array; readonly from: Address }[];
}

export class Pair {
  readonly queue: EventQueue;
  readonly network: SimulatedNetwork;
  readonly digest = new Digest();
  datagramsSent = 0;
  readonly #options: PairOptions;
  readonly #timing: TurnTiming;
  readonly #random: SeededRandom;
  readonly #batch = new TransmitBatch();
  readonly #sides: Record<Side, Driven> = { client: idle(), relay: idle() };
  #isBroken = false;

  constructor(options: PairOptions) {
    this.#options = options;
    this.queue = options.shared?.queue ?? new EventQueue();
    this.#timing = options.timing ?? PROMPT;
    this.#random = options.random.derive('turns');
    this.network = new SimulatedNetwork(
      options.network,
      options.random.derive('network'),
      this.queue,
      (to, datagram, from) => this.#receive(to, datagram, from),
      options.shared?.links,
    );
  }

  get now(): number {
    return this.queue.now;
  }

  /** Starts a process with this endpoint, or ends the one that runs: then what arrives is lost. */
  setEndpoint(side: Side, endpoint: DrivenEndpoint | undefined): void {
    this.#sides[side] = { ...idle(), endpoint };
    this.#trace(`${side} ${endpoint === undefined ? 'ends' : 'starts'}`);
    if (endpoint !== undefined) this.wake(side);
  }

  /** The process of that side does nothing until then. */
  freeze(side: Side, until: number): void {
    const driven = this.#sides[side];
    this.#trace(`${side} freezes`);
    driven.frozenUntil = Math.max(driven.frozenUntil, until);
    this.queue.schedule(until, () => {
      if (this.#sides[side] !== driven || this.now < driven.frozenUntil) return;
      this.#trace(`${side} thaws`);
      for (const { datagram, from } of driven.waiting.splice(0)) this.#receive(side, datagram, from);
      this.wake(side);
    });
  }

  /** To be called after commands on an endpoint or a stream. */
  wake(side: Side): void {
    const driven = this.#sides[side];
    if (driven.turnScheduled || driven.dispatching) return;
    driven.turnScheduled = true;
    const at = this.now + this.#random.between(0, this.#timing.turnDelayMs);
    this.queue.schedule(at, () => {
      if (this.#sides[side] === driven) this.#runTurn(side, driven);
    });
  }

  /** Hands the events that wait to `onEvent`. */
  dispatchEvents(side: Side): void {
    const { endpoint } = this.#sides[side];
    if (endpoint === undefined) return;
    for (let count = 0; ; count++) {
      const event = endpoint.pollEvent();
      if (event === undefined) return;
      if (count === MAX_EVENTS_PER_TURN) {
        this.#break(`${side} has events without end`);
        return;
      }
      this.#note(side, event);
      this.#options.onEvent(side, event);
    }
  }

  /** Lets time pass until `until`, or until `done`, or until nothing is left to happen. */
  run(until: number, done: () => boolean = () => false): void {
    while (!this.#isBroken && !done()) {
      const next = this.queue.nextAt;
      if (next === undefined || next > until) {
        this.queue.now = until;
        return;
      }
      this.#guard(() => this.queue.runNext());
    }
  }

  #receive(to: Side, datagram: Uint8Array, from: Address): void {
    const { endpoint, frozenUntil, waiting } = this.#sides[to];
    if (endpoint === undefined) return;
    if (this.now < frozenUntil) {
      if (waiting.length < SOCKET_BUFFER_DATAGRAMS) waiting.push({ datagram, from });
      return;
    }
    const buffer = new BufferLike(LEADING_BYTES + datagram.length + LEADING_BYTES);
    buffer.set(datagram, LEADING_BYTES);
    this.#trace(`${to} receives ${describe(datagram)}`);
    const view = buffer.subarray(LEADING_BYTES, LEADING_BYTES + datagram.length);
    const reaction = endpoint.handleDatagram(this.now, view, { ...from });
    buffer.fill(POISON);
    if (reaction === 'poll') this.wake(to);
    else if (reaction !== 'none') this.#send(to, from, reaction, true);
  }

  #runTurn(side: Side, driven: Driven): void {
    const { endpoint } = driven;
    driven.turnScheduled = false;
    if (endpoint === undefined || this.now < driven.frozenUntil) return;
    const due = endpoint.pollTimeout();
    if (due !== undefined && due.at <= this.now) {
      this.#trace(`${side} timer ${due.reason}`);
      endpoint.handleTimeout(this.now);
    }
    driven.dispatching = true;
    this.dispatchEvents(side);
    driven.dispatching = false;
    this.#transmit(side, endpoint);
    this.dispatchEvents(side);
    if (this.#sides[side] === driven) this.#setTimer(side, driven, endpoint);
  }

  #transmit(side: Side, endpoint: DrivenEndpoint): void {
    const batch = this.#batch;
    for (let count = 0; endpoint.pollTransmit(this.now, batch); count++) {
      if (count === MAX_BATCHES_PER_TURN) {
        this.#break(`${side} sends without end`);
        return;
      }
      const { lengthBytes, segmentBytes, mayFragment, to } = batch;
      if (to === undefined || segmentBytes < 1 || lengthBytes < 1 || lengthBytes > batch.buffer.length) {
        this.#break(`${side} made a batch of ${lengthBytes} bytes in segments of ${segmentBytes}`);
        return;
      }
      for (let at = 0; at < lengthBytes; at += segmentBytes) {
        const datagram = batch.buffer.subarray(at, Math.min(at + segmentBytes, lengthBytes));
        this.#send(side, to, datagram, mayFragment);
      }
      batch.buffer.fill(POISON, 0, lengthBytes);
    }
  }

  #send(side: Side, to: Address, datagram: Uint8Array, mayFragment: boolean): void {
    this.datagramsSent++;
    this.digest.number(this.now);
    this.digest.text(side);
    this.digest.text(`${to.address} ${to.port}`);
    this.digest.number(datagram.length);
    // The rest of a transport message is in its tag.
    this.digest.bytes(datagram.subarray(0, DIGESTED_BYTES));
    this.digest.bytes(datagram.subarray(-DIGESTED_BYTES));
    this.#trace(`${side} sends ${describe(datagram)}`);
    if (!isMessage(datagram)) this.#options.onViolation(`${side} sent what is no message, or cut it wrongly`);
    if (sameAddress(to, STRANGER_ADDRESS)) this.#options.onViolation(`${side} answered a forgery`);
    this.network.send(side, to, datagram, mayFragment);
  }

  #setTimer(side: Side, driven: Driven, endpoint: DrivenEndpoint): void {
    const due = endpoint.pollTimeout();
    if (due === undefined) return;
    if (!(due.at > this.now)) {
      if (++driven.overdueTurns === MAX_OVERDUE_TURNS) {
        this.#break(`${side} leaves a deadline in the past: ${due.reason} at ${due.at}, now ${this.now}`);
        return;
      }
    } else driven.overdueTurns = 0;
    const grain = this.#timing.timerGrainMs;
    const delay = Math.max(0, due.at - this.now);
    // `Math.max` because now + delay may be rounded to less than the deadline.
    const at =
      grain === 0 ? Math.max(due.at, this.now) : this.now + grain * Math.max(1, Math.ceil(delay / grain));
    // Deadlines mostly move away: a timer that fires early just looks again.
    if (driven.timerAt !== undefined && driven.timerAt <= at) return;
    driven.timerAt = at;
    this.queue.schedule(at, () => {
      if (this.#sides[side] !== driven || driven.timerAt !== at) return;
      driven.timerAt = undefined;
      this.wake(side);
    });
  }

  #note(side: Side, event: EndpointEvent): void {
    const stream = 'stream' in event ? ` ${event.stream.id}` : '';
    const code = 'code' in event ? ` ${event.code}` : '';
    const error = 'error' in event ? ` ${event.error.by} ${event.error.code} ${event.error.reason}` : '';
    const text = `${side} ${event.type}${stream}${code}${error}`;
    this.digest.number(this.now);
    this.digest.text(text);
    this.#trace(text);
  }

  /** Nothing sensible can follow: the run ends here. */
  #break(violation: string): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#options.onViolation(violation);
  }

  /** Nothing in the protocol throws, whatever arrives. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#break(`threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }

  #trace(text: string): void {
    this.#options.trace?.(`${this.now.toFixed(3).padStart(12)} ${text}`);
  }
}

function idle(): Driven {
  return {
    endpoint: undefined,
    turnScheduled: false,
    dispatching: false,
    timerAt: undefined,
    overdueTurns: 0,
    frozenUntil: 0,
    waiting: [],
  };
}

const MESSAGE_NAMES = ['', 'initiation', 'response', 'cookie reply', 'transport'];

/** One of the four types, and three zero bytes (spec wire 2): what is cut at a wrong place does not begin so. */
function isMessage(datagram: Uint8Array): boolean {
  const [type = 0, ...reserved] = datagram.subarray(0, 4);
  return type >= 1 && type <= 4 && reserved.length === 3 && reserved.every((byte) => byte === 0);
}

function describe(datagram: Uint8Array): string {
  return `${MESSAGE_NAMES[datagram[0] ?? 0] || 'unknown'} of ${datagram.length} bytes`;
}
