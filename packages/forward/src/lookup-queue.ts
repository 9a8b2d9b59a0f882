/** Resolves names, few at a time: a resolution holds a thread and cannot be called off (spec forwarding 2.5). */
import { MAX_LOOKUPS, MAX_LOOKUPS_PER_PEER } from './forward-constants.js';

/** Gives IP literals for a name; rejects with a system error (`ENOTFOUND`, `EAI_AGAIN`) when there are none. */
export type NameResolver = (name: string) => Promise<readonly string[]>;

export type LookupOutcome =
  | { readonly ok: true; readonly addresses: readonly string[] }
  | { readonly ok: false; readonly error: unknown };

interface Waiting {
  readonly owner: object;
  readonly name: string;
  /** Undefined once nobody waits any more. */
  done: ((outcome: LookupOutcome) => void) | undefined;
}

export class LookupQueue {
  readonly #resolve: NameResolver;
  readonly #runningOf = new Map<object, number>();
  /** In order of arrival; bounded by the dials that wait for it. */
  readonly #waiting: Waiting[] = [];
  #running = 0;

  constructor(resolve: NameResolver) {
    this.#resolve = resolve;
  }

  get running(): number {
    return this.#running;
  }
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Calls `done` once, later, unless it is called off first.
   *  @param owner  whose share of resolutions it is
   *  @returns calls it off */
  lookup(owner: object, name: string, done: (outcome: LookupOutcome) => void): () => void {
    const entry: Waiting = { owner, name, done };
    this.#waiting.push(entry);
    this.#startNext();
    return () => {
      entry.done = undefined;
      const index = this.#waiting.indexOf(entry);
      if (index !== -1) this.#waiting.splice(index, 1);
    };
  }

  /** One peer's slow names must not hold up another's: who is at its own limit is passed over. */
  #startNext(): void {
    while (this.#running < MAX_LOOKUPS) {
      const index = this.#waiting.findIndex(
        ({ owner }) => (this.#runningOf.get(owner) ?? 0) < MAX_LOOKUPS_PER_PEER,
      );
      const [next] = index === -1 ? [] : this.#waiting.splice(index, 1);
      if (next === undefined) return;
      this.#count(next.owner, 1);
      void this.#run(next);
    }
  }

  async #run(entry: Waiting): Promise<void> {
    let outcome: LookupOutcome;
    try {
      outcome = { ok: true, addresses: await this.#resolve(entry.name) };
    } catch (error) {
      outcome = { ok: false, error };
    }
    this.#count(entry.owner, -1);
    this.#startNext();
    entry.done?.(outcome);
  }

  #count(owner: object, change: 1 | -1): void {
    this.#running += change;
    const running = (this.#runningOf.get(owner) ?? 0) + change;
    if (running === 0) this.#runningOf.delete(owner);
    else this.#runningOf.set(owner, running);
  }
}
