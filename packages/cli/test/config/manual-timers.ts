/** Timers that fire when the test says so. */
import type { Timers } from '@underpass/runtime';
import { CONFIG_SETTLE_MS } from '../../src/config/config-watch.js';

export class ManualTimers implements Timers {
  readonly #due = new Map<object, { readonly callback: () => void; readonly delayMs: number }>();
  set(callback: () => void, delayMs: number): object {
    const timer = {};
    this.#due.set(timer, { callback, delayMs });
    return timer;
  }
  clear(timer: object): void {
    this.#due.delete(timer);
  }
  get waiting(): number {
    return this.#due.size;
  }
  fire(matches: (delayMs: number) => boolean): void {
    for (const [timer, { callback, delayMs }] of [...this.#due]) {
      if (!matches(delayMs)) continue;
      this.#due.delete(timer);
      callback();
    }
  }
  /** The look that comes every two seconds. */
  look = (): void => this.fire((delayMs) => delayMs !== CONFIG_SETTLE_MS);
  settle = (): void => this.fire((delayMs) => delayMs === CONFIG_SETTLE_MS);
}
