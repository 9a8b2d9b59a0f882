/** How many cookie replies are made (spec handshake 5.3).
 *
 *  A reply costs more than turning its message away, so a flood must not decide how many there are. Where more are wanted than
 *  there may be, chance decides and not the order of arrival: a flood that comes first in each window would keep everybody else
 *  out. The chance follows from how many were wanted in the window before. */
import { COOKIE_REPLIES_PER_WINDOW, COOKIE_REPLY_WINDOW_MS } from './constants.js';

const DRAWS = 65_536;
/** Replies aimed at where more are wanted. Below the limit, so that it is rarely reached before the window ends: the last message
 *  of a window then has the same chance as the first. */
const AIM = (7 * COOKIE_REPLIES_PER_WINDOW) / 8;

export class CookieReplyBudget {
  readonly #draw: () => number;
  #windowAt = Number.NEGATIVE_INFINITY;
  #wanted = 0;
  #wantedBefore = 0;
  #made = 0;

  /** @param draw gives a random number from 0 to 65535 */
  constructor(draw: () => number) {
    this.#draw = draw;
  }

  /** @returns whether a reply may be made for one more message */
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
    if (isScarce && this.#draw() * this.#wantedBefore >= DRAWS * AIM) return false;
    this.#made++;
    return true;
  }
}
