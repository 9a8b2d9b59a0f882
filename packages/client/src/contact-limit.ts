/** Gives up local connections that wait too long for first contact with the relay (spec outage 8). */
import type { Timers } from '@underpass/runtime';

/** Owns one timer for each local connection that was made before contact, and calls back when it expires. Contact ends
 *  all timers: once a tunnel is established, a connection waits for a silent relay without limit. The client calls it;
 *  it never touches a socket. */
export class ContactLimit {
  readonly #limitMs: number;
  readonly #timers: Timers;
  readonly #waiting = new Map<number, object>();

  /** @param limitMs  0 for no limit */
  constructor(limitMs: number, timers: Timers) {
    this.#limitMs = limitMs;
    this.#timers = timers;
  }

  /** @param giveUp  called once when the limit has passed, unless `leave` or `end` is called first */
  wait(id: number, giveUp: (waitedMs: number) => void): void {
    if (this.#limitMs === 0) return;
    const timer = this.#timers.set(() => {
      this.#waiting.delete(id);
      giveUp(this.#limitMs);
    }, this.#limitMs);
    this.#waiting.set(id, timer);
  }

  /** Call when that connection is closed. */
  leave(id: number): void {
    const timer = this.#waiting.get(id);
    if (timer !== undefined) this.#timers.clear(timer);
    this.#waiting.delete(id);
  }

  /** Call on contact, and when the client closes. */
  end(): void {
    for (const timer of this.#waiting.values()) this.#timers.clear(timer);
    this.#waiting.clear();
  }
}
