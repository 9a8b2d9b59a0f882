/** Whether handshakes come faster than we want to compute them (spec handshake 6.1).
 *
 *  A synchronous core has no queue whose length could be measured, so it counts: messages 1 and 2 with a right mac1. */
import { UNDER_LOAD_HANDSHAKES_PER_SECOND, UNDER_LOAD_HOLD_MS } from '../constants.js';

const WINDOW_MS = 1000;

export class LoadMeter {
  #windowStart = Number.NEGATIVE_INFINITY;
  #count = 0;
  #underLoadUntil = Number.NEGATIVE_INFINITY;

  /** Counts one message and says whether we are under load, this one included. */
  count(now: number): boolean {
    if (now - this.#windowStart >= WINDOW_MS) {
      this.#windowStart = now;
      this.#count = 0;
    }
    this.#count++;
    if (this.#count > UNDER_LOAD_HANDSHAKES_PER_SECOND) this.#underLoadUntil = now + UNDER_LOAD_HOLD_MS;
    return now < this.#underLoadUntil;
  }
}
