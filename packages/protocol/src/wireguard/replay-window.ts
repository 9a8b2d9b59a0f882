/** Which counters of a keypair were seen: RFC 6479's ring of bits (spec session 4).
 *
 *  Counters are 64 bits wide and come as two unsigned 32-bit halves (docs/adr/0003-counters.md). */
import {
  REJECT_AFTER_MESSAGES_HIGH,
  REJECT_AFTER_MESSAGES_LOW,
  REPLAY_WINDOW_BITS,
  REPLAY_WINDOW_SIZE,
} from './constants.js';

const WORDS = REPLAY_WINDOW_BITS / 32;
const WORD_MASK = WORDS - 1;
const TWO_32 = 2 ** 32;

export class ReplayWindow {
  readonly #seen = new Uint32Array(WORDS);
  #greatestHigh = 0;
  #greatestLow = 0;
  /** The counter accepted last is the greatest so far. */
  isNewest = false;

  /** Marks the counter of an authenticated packet.
   *  @returns false, with nothing changed, when it was seen, is too old to tell, or is beyond the limit */
  accept(high: number, low: number): boolean {
    if (isBeyondLimit(high, low)) return false;
    // Inexact only when far larger than the window, and then only the sign counts.
    const ahead = (high - this.#greatestHigh) * TWO_32 + (low - this.#greatestLow);
    if (-ahead > REPLAY_WINDOW_SIZE) return false;
    const isNewest = ahead > 0;
    if (isNewest) this.#advance(ahead, high, low);
    const word = (low >>> 5) & WORD_MASK;
    const bit = 1 << (low & 31);
    const bits = this.#seen[word] as number;
    if ((bits & bit) !== 0) return false;
    this.#seen[word] = bits | bit;
    // The very first counter is 0, which is ahead of nothing.
    this.isNewest = isNewest || (high === this.#greatestHigh && low === this.#greatestLow);
    return true;
  }

  /** Clears the words between the old greatest counter's and the new one's. */
  #advance(ahead: number, high: number, low: number): void {
    const first = this.#greatestLow >>> 5;
    const words = Math.min(WORDS, Math.floor((ahead + (this.#greatestLow & 31)) / 32));
    for (let i = 1; i <= words; i++) this.#seen[(first + i) & WORD_MASK] = 0;
    this.#greatestHigh = high;
    this.#greatestLow = low;
  }
}

/** spec session 3.2 */
function isBeyondLimit(high: number, low: number): boolean {
  return high === REJECT_AFTER_MESSAGES_HIGH && low >= REJECT_AFTER_MESSAGES_LOW;
}
