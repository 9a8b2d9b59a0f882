import type { Address, DropReason } from '@underpass/protocol';
import type { CarriageWatcher, Carried, LossReason, Side } from '@underpass/testkit/simulation';
import { MAX_DATAGRAMS, MAX_EVENTS } from './limits.js';

/** Where a datagram comes from: a process, or an attacker who has seen another datagram. */
export type Origin = 'process' | 'duplicate' | 'replay' | 'forgery' | 'flood';

/** What became of a datagram. `nobody` was sent to an address that no process has. */
export type Fate = 'under-way' | 'delivered' | 'misdirected' | 'dropped' | 'nobody' | LossReason;

/** One datagram of a run, from its sender to its end. */
export interface Datagram {
  /** Counts from 1, in the order in which datagrams leave. */
  readonly id: number;
  readonly origin: Origin;
  /** The datagram that it is a copy of. */
  readonly copyOf: number | undefined;
  /** The index of the client whose link it takes. */
  readonly lane: number;
  readonly target: Side;
  readonly from: Address;
  readonly to: Address;
  readonly sentAt: number;
  readonly bytes: Uint8Array;
  /** When its last byte leaves the queue. */
  readonly departsAt: number;
  /** When it arrives, or is lost. */
  readonly endsAt: number;
  /** How much of its way it has gone by then: 1 if it arrives. */
  readonly reach: number;
  readonly fate: Fate;
  /** A reader has changed its bytes on the way. */
  readonly isChanged: boolean;
  /** Why the receiver dropped it. Undefined if it did not, or the datagram has not arrived. */
  readonly refused: DropReason | undefined;
}

/** Something that a process reported, or that was done to it. */
export interface HappeningText {
  readonly at: number;
  readonly text: string;
  /** Whether it was an action of the reader. */
  readonly isAction: boolean;
}

type Entry = { -readonly [Name in keyof Datagram]: Datagram[Name] } & { carried: Carried | undefined };

/** Where on its way a lost datagram is shown to end, as a share of the delay. */
const LOST_AFTER: Readonly<Record<LossReason | 'nobody', number>> = {
  loss: 0.6,
  burst: 0.6,
  blackout: 0.5,
  'too-large': 0.5,
  'queue-full': 0.06,
  nobody: 0.9,
};

/** Everything that happened in a run: each datagram with its bytes and its fate, and what the processes reported.
 *
 *  Run owns it. The networks report to it what they carry and lose, and Run adds what only it knows: where a datagram
 *  came from, and whether its receiver accepted it. It has no effect on the run. */
export class History {
  readonly datagrams: readonly Datagram[];
  readonly happenings: readonly HappeningText[];
  /** Rises with everything that is worth a look: a datagram leaves, arrives or is lost, or something happens. */
  version = 0;
  readonly #datagrams: Entry[] = [];
  readonly #happenings: HappeningText[] = [];
  readonly #byCopy = new Map<Carried, Entry>();
  readonly #now: () => number;
  /** Of the datagrams that are added now. */
  #origin: { readonly origin: Origin; readonly copyOf: number | undefined } = PROCESS;
  #arrived: Entry | undefined;

  constructor(now: () => number) {
    this.#now = now;
    this.datagrams = this.#datagrams;
    this.happenings = this.#happenings;
  }

  get isFull(): boolean {
    return this.#datagrams.length >= MAX_DATAGRAMS;
  }

  get(id: number): Datagram | undefined {
    return this.#datagrams[id - 1];
  }

  /** The copy that the network carries, while it is under way. */
  carriedOf(id: number): { readonly copy: Carried; readonly lane: number } | undefined {
    const entry = this.#datagrams[id - 1];
    return entry?.carried === undefined ? undefined : { copy: entry.carried, lane: entry.lane };
  }

  note(text: string, isAction = false): void {
    this.version++;
    if (this.#happenings.length < MAX_EVENTS) this.#happenings.push({ at: this.#now(), text, isAction });
  }

  /** Runs `send`; the datagrams that it causes have this origin. */
  withOrigin(origin: Origin, copyOf: number | undefined, send: () => void): void {
    this.#origin = { origin, copyOf };
    send();
    this.#origin = PROCESS;
  }

  /** What the network of one client reports. */
  watcherOf(
    lane: number,
    addresses: (target: Side) => { from: Address; to: Address },
    delayMs: () => number,
  ) {
    const watcher: CarriageWatcher = {
      onCarried: (copy) => {
        const { target, from, to, bytes, departsAt, arrivesAt } = copy;
        const entry = this.#add(lane, target, from, to, bytes, { departsAt, endsAt: arrivesAt });
        entry.carried = copy;
        this.#byCopy.set(copy, entry);
      },
      onArrived: (copy) => {
        const entry = this.#byCopy.get(copy) as Entry;
        this.#arrived = entry;
        this.#finish(entry, copy.state);
      },
      onLost: (target, datagram, reason) => {
        const { from, to } = addresses(target);
        this.addLost(lane, target, from, to, datagram, reason, delayMs());
      },
    };
    return watcher;
  }

  addLost(
    lane: number,
    target: Side,
    from: Address,
    to: Address,
    datagram: Uint8Array,
    reason: LossReason | 'nobody',
    delayMs: number,
  ): void {
    const now = this.#now();
    const endsAt = now + LOST_AFTER[reason] * delayMs;
    const entry = this.#add(lane, target, from, to, datagram.slice(), { departsAt: now, endsAt });
    entry.fate = reason;
    entry.reach = LOST_AFTER[reason];
  }

  onDropped(id: number): void {
    const entry = this.#datagrams[id - 1] as Entry;
    const now = this.#now();
    entry.reach = Math.max(0, Math.min(1, (now - entry.departsAt) / (entry.endsAt - entry.departsAt)));
    entry.endsAt = now;
    this.#finish(entry, 'dropped');
  }

  /** The network has changed a copy: it arrives at another time, or with other bytes. */
  onChanged(id: number): void {
    const entry = this.#datagrams[id - 1] as Entry;
    const carried = entry.carried as Carried;
    entry.endsAt = carried.arrivesAt;
    entry.isChanged = entry.bytes !== carried.bytes || entry.isChanged;
    entry.bytes = carried.bytes;
    this.version++;
  }

  /** The receiver has dropped the datagram that arrived last. */
  onRefused(reason: DropReason): void {
    if (this.#arrived !== undefined) this.#arrived.refused = reason;
  }

  #finish(entry: Entry, fate: Fate): void {
    if (entry.carried !== undefined) this.#byCopy.delete(entry.carried);
    entry.carried = undefined;
    entry.fate = fate;
    this.version++;
  }

  #add(
    lane: number,
    target: Side,
    from: Address,
    to: Address,
    bytes: Uint8Array,
    times: { readonly departsAt: number; readonly endsAt: number },
  ): Entry {
    const entry: Entry = {
      id: this.#datagrams.length + 1,
      ...this.#origin,
      lane,
      target,
      from,
      to,
      bytes,
      sentAt: this.#now(),
      ...times,
      reach: 1,
      fate: 'under-way',
      isChanged: false,
      refused: undefined,
      carried: undefined,
    };
    this.#datagrams.push(entry);
    this.version++;
    return entry;
  }
}

const PROCESS = { origin: 'process', copyOf: undefined } as const;
