/** Resolves names, a few at a time (spec forwarding 2.5). */
import type { Timers } from '@underpass/runtime';
import {
  MAX_LOOKUPS,
  MAX_LOOKUPS_PER_PEER,
  MAX_REMEMBERED_SLOW_NAMES,
  MAX_SLOW_LOOKUPS,
  MAX_SLOW_LOOKUPS_PER_PEER,
  SLOW_LOOKUP_MS,
} from './forward-constants.js';

/** Resolves a name to IP literals. Rejects with a system error (`ENOTFOUND`, `EAI_AGAIN`) when there are none. */
export type NameResolver = (name: string) => Promise<readonly string[]>;

export type LookupOutcome =
  | { readonly ok: true; readonly addresses: readonly string[] }
  | { readonly ok: false; readonly error: unknown };

type Done = (outcome: LookupOutcome) => void;

/** The lookups of one peer. */
interface Owner {
  quick: number;
  slow: number;
  /** Waiting and running ones, by name. */
  readonly resolutions: Map<string, Resolution>;
  /** Names whose last lookup was slow, oldest first. */
  readonly slowNames: Set<string>;
}

interface Resolution {
  readonly owner: Owner;
  readonly name: string;
  readonly waiters: Set<Done>;
  /** Whether it holds one of the slow places. */
  isSlow: boolean;
  /** Whether it has taken longer than a quick one may. */
  isOverdue: boolean;
}

/** Resolves the names of all peers and shares out the resolver among them.
 *
 *  A resolution occupies a thread of the system's resolver and cannot be cancelled, so only a few may run at once. One
 *  is quick until it has taken 250 ms, and slow from then on. Quick and slow ones are counted separately: a peer whose
 *  slow names wait for a dead DNS server can still resolve its other names at once. A name that was slow the last time
 *  counts as slow from the start. Requests of one peer for the same name share one resolution. Requests call `lookup`;
 *  the queue never looks at rules or addresses. */
export class LookupQueue {
  readonly #resolve: NameResolver;
  readonly #timers: Timers;
  readonly #owners = new WeakMap<object, Owner>();
  readonly #running = new Set<Resolution>();
  /** In order of arrival. The limit on waiting dials bounds it. */
  readonly #waiting = new Set<Resolution>();
  #slow = 0;

  constructor(resolve: NameResolver, timers: Timers) {
    this.#resolve = resolve;
    this.#timers = timers;
  }

  get running(): number {
    return this.#running.size;
  }
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Calls `done` once and never before it returns, unless it is cancelled first.
   *
   *  @param owner  the peer whose share of lookups this counts against
   *  @returns a function that cancels it */
  lookup(owner: object, name: string, done: Done): () => void {
    const resolution = this.#resolutionOf(this.#ownerOf(owner), name);
    const waiter: Done = (outcome) => done(outcome);
    resolution.waiters.add(waiter);
    this.#startNext();
    return () => {
      resolution.waiters.delete(waiter);
      if (resolution.waiters.size > 0 || !this.#waiting.delete(resolution)) return;
      resolution.owner.resolutions.delete(name);
    };
  }

  #ownerOf(key: object): Owner {
    const known = this.#owners.get(key);
    if (known !== undefined) return known;
    const owner: Owner = { quick: 0, slow: 0, resolutions: new Map(), slowNames: new Set() };
    this.#owners.set(key, owner);
    return owner;
  }

  #resolutionOf(owner: Owner, name: string): Resolution {
    const underWay = owner.resolutions.get(name);
    if (underWay !== undefined) return underWay;
    const isSlow = owner.slowNames.has(name);
    const resolution = { owner, name, waiters: new Set<Done>(), isSlow, isOverdue: false };
    owner.resolutions.set(name, resolution);
    this.#waiting.add(resolution);
    return resolution;
  }

  /** Passes over a resolution at its limit, so that it never holds up those of other peers, or quick ones of its own
   *  peer. */
  #startNext(): void {
    for (const resolution of this.#waiting) {
      if (this.#running.size >= MAX_LOOKUPS) return;
      if (!this.#hasPlace(resolution)) continue;
      this.#waiting.delete(resolution);
      this.#running.add(resolution);
      this.#count(resolution, 1);
      void this.#run(resolution);
    }
  }

  #hasPlace({ owner, isSlow }: Resolution): boolean {
    return isSlow ? this.#hasSlowPlace(owner) : owner.quick < MAX_LOOKUPS_PER_PEER;
  }

  #hasSlowPlace(owner: Owner): boolean {
    return owner.slow < MAX_SLOW_LOOKUPS_PER_PEER && this.#slow < MAX_SLOW_LOOKUPS;
  }

  async #run(resolution: Resolution): Promise<void> {
    const { owner, name, waiters } = resolution;
    const timer = this.#timers.set(() => {
      resolution.isOverdue = true;
      this.#moveOverdue();
      this.#startNext();
    }, SLOW_LOOKUP_MS);
    let outcome: LookupOutcome;
    try {
      outcome = { ok: true, addresses: await this.#resolve(name) };
    } catch (error) {
      outcome = { ok: false, error };
    }
    this.#timers.clear(timer);
    remember(owner.slowNames, name, !resolution.isOverdue);
    this.#running.delete(resolution);
    owner.resolutions.delete(name);
    this.#count(resolution, -1);
    this.#moveOverdue();
    this.#startNext();
    for (const done of waiters) done(outcome);
  }

  /** Gives slow places to overdue resolutions, if there are free ones. */
  #moveOverdue(): void {
    for (const resolution of this.#running) {
      if (!resolution.isOverdue || resolution.isSlow || !this.#hasSlowPlace(resolution.owner)) continue;
      this.#count(resolution, -1);
      resolution.isSlow = true;
      this.#count(resolution, 1);
    }
  }

  #count({ owner, isSlow }: Resolution, change: 1 | -1): void {
    if (isSlow) {
      owner.slow += change;
      this.#slow += change;
    } else owner.quick += change;
  }
}

function remember(slowNames: Set<string>, name: string, wasQuick: boolean): void {
  slowNames.delete(name);
  if (wasQuick) return;
  slowNames.add(name);
  const [oldest] = slowNames;
  if (slowNames.size > MAX_REMEMBERED_SLOW_NAMES && oldest !== undefined) slowNames.delete(oldest);
}
