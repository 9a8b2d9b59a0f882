import { OPENING_WINDOW_BYTES } from '../limits.js';

/** How many times the bytes of the busiest round the window is, if reading is steady, ... */
const STEADY_WINDOWS = 2.5;
/** ... and if it is growing. */
const GROWING_WINDOWS = 3;
/** Reading is growing in a round that reads this many times what the busiest one did. */
const GROWTH = 1.2;
/** By which factor the busiest round counts for less with each further round. */
const DECAY = 7 / 8;
/** A round is never shorter than this, because our own turns take time too. */
const MIN_ROUND_MS = 25;

/** Measures how fast one stream is read, and computes the window that its sender needs for that (spec streams 5.2).
 *
 *  A stream whose reader stops occupies its whole window until somebody reads again. So the window should be no larger
 *  than what keeps the sender going. Time is divided into rounds of one round trip, and the window is two and a half
 *  times what was read in the busiest recent round: behind a lost packet, a round trip of bytes waits unread. If a round reads clearly more than that, the sender is still
 *  finding its rate and may double it in the next round, so the window is larger.
 *
 *  The receiving half of a stream owns it, and asks it after each read. It knows nothing about other streams:
 *  WindowShares limits what all of them get. Sizes are in bytes. */
export class ReadPace {
  #roundBeganAt = Number.NEGATIVE_INFINITY;
  /** How much had been read when the current round began. */
  #readBefore = 0;
  /** What the busiest recent round counts for. */
  #busiestBytes = 0;
  /** Whether reading was growing in the last round. */
  #wasGrowing = true;

  /** Computes the window. It must be called after each read.
   *  @param readBytes how much was read of the stream in all */
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
