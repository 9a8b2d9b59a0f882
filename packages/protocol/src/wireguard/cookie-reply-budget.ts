import { COOKIE_REPLIES_PER_WINDOW, COOKIE_REPLY_WINDOW_MS } from './constants.js';

const DRAWS = 65_536;
/** How many replies chance should allow in a window. It is below the limit, so that the limit is rarely reached before
 *  the window ends, and the last message of a window has the same chance as the first. */
const TARGET_REPLIES = (7 * COOKIE_REPLIES_PER_WINDOW) / 8;

/** Decides which messages get a cookie reply (spec handshake 5.3).
 *
 *  A reply costs more than turning its message away, so a flood must not decide how many replies there are. Time is
 *  divided into windows of 20 ms, with at most 160 replies in each. If more were wanted in the window before, chance
 *  decides which messages get one now, with odds that follow from that number. Order of arrival must not decide: a
 *  flood that comes first in each window would lock everybody else out.
 *
 *  CookieChecker owns the budget and asks it before it makes a reply. The budget knows nothing about senders. */
export class CookieReplyBudget {
  readonly #draw: () => number;
  #windowAt = Number.NEGATIVE_INFINITY;
  #wanted = 0;
  #wantedBefore = 0;
  #made = 0;

  /** @param draw returns a random whole number from 0 to 65535 */
  constructor(draw: () => number) {
    this.#draw = draw;
  }

  /** Counts one message that wants a reply.
   *  @returns whether it gets one */
  take(now: number): boolean {
    const age = now - this.#windowAt;
    if (age >= COOKIE_REPLY_WINDOW_MS) {
      this.#wantedBefore = age < 2 * COOKIE_REPLY_WINDOW_MS ? this.#wanted : 0;
      this.#windowAt = now;
      this.#wanted = 0;
      this.#made = 0;
    }
    this.#wanted++;
    if (this.#made >= COOKIE_REPLIES_PER_WINDOW) return false;
    const isScarce = this.#wantedBefore > COOKIE_REPLIES_PER_WINDOW;
    if (isScarce && this.#draw() * this.#wantedBefore >= DRAWS * TARGET_REPLIES) return false;
    this.#made++;
    return true;
  }
}
