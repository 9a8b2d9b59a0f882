/** Whether handshakes come faster than we want to compute them (spec handshake 6.1).
 *
 *  A synchronous core has no queue whose length could be measured, so it counts: messages 1 and 2 with a right mac1. */
import { UNDER_LOAD_HANDSHAKES_PER_SECOND, UNDER_LOAD_HOLD_MS } from './constants.js';

const WINDOW_MS = 1000;

export class LoadMeter {
  /** When the last messages came: a ring, in which the oldest is overwritten. Counting in fixed seconds instead would let
   *  twice as many through around the end of one. */
  readonly #cameAt = new Float64Array(UNDER_LOAD_HANDSHAKES_PER_SECOND).fill(Number.NEGATIVE_INFINITY);
  #oldest = 0;
  #underLoadUntil = Number.NEGATIVE_INFINITY;

  /** Counts one message and says whether we are under load, this one included. */
  count(now: number): boolean {
    const oldestAt = this.#cameAt[this.#oldest] as number;
    this.#cameAt[this.#oldest] = now;
    this.#oldest = (this.#oldest + 1) % this.#cameAt.length;
    if (now - oldestAt < WINDOW_MS) this.#underLoadUntil = now + UNDER_LOAD_HOLD_MS;
    return now < this.#underLoadUntil;
  }
}
