import {
  REJECT_AFTER_MESSAGES_HIGH,
  REJECT_AFTER_MESSAGES_LOW,
  REPLAY_WINDOW_BITS,
  REPLAY_WINDOW_SIZE,
} from './constants.js';

const WORDS = REPLAY_WINDOW_BITS / 32;
const WORD_MASK = WORDS - 1;
const TWO_32 = 2 ** 32;

/** Remembers which counters of one receiving key were seen, so that no message is accepted twice (spec session 4).
 *
 *  It holds the greatest counter seen and one bit for each counter just below it, in a ring of 8192 bits (RFC 6479). A
 *  counter that is too far below the greatest has no bit, and is refused. When a greater counter comes, the bits
 *  between the old greatest and it are cleared a word at a time. The window therefore has to be at least one word
 *  smaller than the ring; it is 64 bits smaller, as in WireGuard.
 *
 *  Each keypair has one window, and calls it only after a message has authenticated, so a forged message cannot move
 *  it. Counters are 64 bits wide and come as two unsigned 32-bit halves (docs/adr/0003-counters.md). */
export class ReplayWindow {
  readonly #seen = new Uint32Array(WORDS);
  #greatestHigh = 0;
  #greatestLow = 0;
  /** Whether the last counter that was accepted is the greatest so far. */
  isNewest = false;

  /** Marks the counter of an authenticated message as seen.
   *  @returns false, with nothing changed, if it was seen before, is too old to tell, or is beyond the limit */
  accept(high: number, low: number): boolean {
    if (isBeyondLimit(high, low)) return false;
    // This is inexact only when it is far larger than the window, and then only its sign matters.
    const ahead = (high - this.#greatestHigh) * TWO_32 + (low - this.#greatestLow);
    if (-ahead > REPLAY_WINDOW_SIZE) return false;
    const isNewest = ahead > 0;
    if (isNewest) this.#advance(ahead, high, low);
    const word = (low >>> 5) & WORD_MASK;
    const bit = 1 << (low & 31);
    const bits = this.#seen[word] as number;
    if ((bits & bit) !== 0) return false;
    this.#seen[word] = bits | bit;
    // The first counter of all is 0, which is not ahead of the initial greatest, 0.
    this.isNewest = isNewest || (high === this.#greatestHigh && low === this.#greatestLow);
    return true;
  }

  /** Makes a counter the greatest, and clears the words from the one after the old greatest's up to the new one's.
   *  @param ahead how far it is above the old greatest, at least 1 */
  #advance(ahead: number, high: number, low: number): void {
    const first = this.#greatestLow >>> 5;
    const words = Math.min(WORDS, Math.floor((ahead + (this.#greatestLow & 31)) / 32));
    for (let i = 1; i <= words; i++) this.#seen[(first + i) & WORD_MASK] = 0;
    this.#greatestHigh = high;
    this.#greatestLow = low;
  }
}

/** Whether a counter is one that must not be used (spec session 3.2). */
function isBeyondLimit(high: number, low: number): boolean {
  return high === REJECT_AFTER_MESSAGES_HIGH && low >= REJECT_AFTER_MESSAGES_LOW;
}
