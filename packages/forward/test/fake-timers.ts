/** Timers on a clock that the test advances. */
import type { Timers } from '@underpass/runtime';

export class FakeTimers implements Timers {
  #now = 0;
  readonly #pending = new Map<object, { readonly at: number; readonly callback: () => void }>();

  /** All timers that were set so far, in order. */
  readonly delaysMs: number[] = [];

  readonly now = (): number => this.#now;

  get pending(): number {
    return this.#pending.size;
  }
  set(callback: () => void, delayMs: number): object {
    const timer = {};
    this.delaysMs.push(delayMs);
    this.#pending.set(timer, { at: this.#now + delayMs, callback });
    return timer;
  }
  clear(timer: object): void {
    this.#pending.delete(timer);
  }
  /** Fires due timers in order, including those set meanwhile. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#pending].sort(([, a], [, b]) => a.at - b.at);
      if (next === undefined || next[1].at > end) break;
      this.#now = Math.max(this.#now, next[1].at);
      this.#pending.delete(next[0]);
      next[1].callback();
    }
    this.#now = end;
  }
}
