/** How fast a stream is read, and the window that its sender needs for that (spec streams 5.2). Bytes.
 *
 *  Time is cut into rounds of one round trip. A stream whose reader stops holds its whole window until somebody reads on, so the
 *  window is only what keeps the sender going: the bytes of the busiest recent round, and half as many again. While a round reads more
 *  than that, the sender is still finding its rate and may double it in the next one, so the window is larger. */
import { OPENING_WINDOW_BYTES } from '../limits.js';

const STEADY_WINDOWS = 1.5;
const GROWING_WINDOWS = 2.5;
/** A round grows when it reads so many times what the busiest did. */
const GROWTH = 1.2;
/** What the busiest round counts for after one that was less busy. */
const DECAY = 7 / 8;
/** Our own turns take time too. */
const MIN_ROUND_MS = 25;

export class ReadPace {
  #roundBeganAt = Number.NEGATIVE_INFINITY;
  #readBefore = 0;
  #busiestBytes = 0;
  #wasGrowing = true;

  /** To be called after each read. @param readBytes all that was ever read of the stream */
  windowBytes(now: number, roundTripMs: number, readBytes: number): number {
    if (now - this.#roundBeganAt >= Math.max(roundTripMs, MIN_ROUND_MS)) this.#endRound(now, readBytes);
    const roundBytes = readBytes - this.#readBefore;
    const isGrowing = this.#wasGrowing || this.#isGrowth(roundBytes);
    const windows = isGrowing ? GROWING_WINDOWS : STEADY_WINDOWS;
    const wanted = Math.ceil(windows * Math.max(roundBytes, this.#busiestBytes));
    return readBytes < OPENING_WINDOW_BYTES ? Math.max(wanted, OPENING_WINDOW_BYTES) : wanted;
  }

  #endRound(now: number, readBytes: number): void {
    const roundBytes = readBytes - this.#readBefore;
    this.#wasGrowing = this.#isGrowth(roundBytes);
    this.#busiestBytes = Math.max(roundBytes, DECAY * this.#busiestBytes);
    this.#roundBeganAt = now;
    this.#readBefore = readBytes;
  }

  #isGrowth(roundBytes: number): boolean {
    return roundBytes > GROWTH * this.#busiestBytes;
  }
}
