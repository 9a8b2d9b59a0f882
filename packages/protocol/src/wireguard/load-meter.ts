import { UNDER_LOAD_HANDSHAKES_PER_SECOND, UNDER_LOAD_HOLD_MS } from './constants.js';

const WINDOW_MS = 1000;

/** Decides whether we are under load: whether handshakes arrive faster than we are willing to compute
 *  (spec handshake 6.1).
 *
 *  A synchronous core has no queue whose length it could measure, so the meter counts messages. WireGuard has one
 *  meter, and has it count each message 1 and 2 with a valid mac1, whoever sent it. */
export class LoadMeter {
  /** When the last 128 messages came: a ring in which the newest overwrites the oldest. To count in fixed seconds
   *  instead would let twice as many through around the end of one. */
  readonly #cameAt = new Float64Array(UNDER_LOAD_HANDSHAKES_PER_SECOND).fill(Number.NEGATIVE_INFINITY);
  #oldest = 0;
  #underLoadUntil = Number.NEGATIVE_INFINITY;

  /** Counts one message.
   *  @returns whether we are under load, counting this message too */
  count(now: number): boolean {
    const oldestAt = this.#cameAt[this.#oldest] as number;
    this.#cameAt[this.#oldest] = now;
    this.#oldest = (this.#oldest + 1) % this.#cameAt.length;
    if (now - oldestAt < WINDOW_MS) this.#underLoadUntil = now + UNDER_LOAD_HOLD_MS;
    return now < this.#underLoadUntil;
  }
}
