/** Gives up connections of programs that wait for the first contact with a relay (spec outage 8). */
import type { Timers } from '@underpass/runtime';

/** Owns one timer for each connection that was made while there was no contact, and calls back when it expires. Contact
 *  ends all of them: a connection that waits because an established tunnel is silent has no limit. */
export class ContactLimit {
  readonly #limitMs: number;
  readonly #timers: Timers;
  readonly #waiting = new Map<number, object>();

  /** @param limitMs  0: none */
  constructor(limitMs: number, timers: Timers) {
    this.#limitMs = limitMs;
    this.#timers = timers;
  }

  /** @param giveUp  called once after the limit, unless `leave` or `end` come first */
  wait(id: number, giveUp: (waitedMs: number) => void): void {
    if (this.#limitMs === 0) return;
    const timer = this.#timers.set(() => {
      this.#waiting.delete(id);
      giveUp(this.#limitMs);
    }, this.#limitMs);
    this.#waiting.set(id, timer);
  }

  /** That connection is over. */
  leave(id: number): void {
    const timer = this.#waiting.get(id);
    if (timer !== undefined) this.#timers.clear(timer);
    this.#waiting.delete(id);
  }

  /** There is contact, or no more client. */
  end(): void {
    for (const timer of this.#waiting.values()) this.#timers.clear(timer);
    this.#waiting.clear();
  }
}
