/** Timers on a clock that the test advances. */
import type { Timers } from '@underpass/runtime';

/** Lets pending promises settle, such as lookups that answer at once. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

export class FakeTimers implements Timers {
  now = 0;
  readonly #pending = new Map<object, { readonly at: number; readonly callback: () => void }>();

  get pending(): number {
    return this.#pending.size;
  }

  set(callback: () => void, delayMs: number): object {
    const timer = {};
    this.#pending.set(timer, { at: this.now + delayMs, callback });
    return timer;
  }

  clear(timer: object): void {
    this.#pending.delete(timer);
  }

  /** Advances to `at`, firing each timer on the way. */
  async runTo(at: number): Promise<void> {
    await settle();
    for (let fired = 0; fired < 1_000; fired++) {
      const [next] = [...this.#pending].sort(([, a], [, b]) => a.at - b.at);
      if (next === undefined || next[1].at > at) break;
      this.#pending.delete(next[0]);
      this.now = next[1].at;
      next[1].callback();
      await settle();
    }
    this.now = at;
  }
}
