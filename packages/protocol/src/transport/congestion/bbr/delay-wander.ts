/** How far a path's delay wanders by itself, learned from round trips (spec congestion 4.3). Milliseconds.
 *
 *  Round trips rise and fall. A queue that competitors fill shrinks only when they back off, which is seldom. A delay that falls again
 *  and again does so by itself. The wander is therefore the third-deepest fall of the last sixteen rounds: two falls may be competitors
 *  backing off. PathModel reports every round trip here, and the end of every round. */

const ROUNDS = 16;
const FALLS = 3;

export class DelayWander {
  /** 0: the delay is steady. */
  spreadMs = 0;
  /** The deepest falls of each round, deepest first; the rounds lie in a ring. */
  readonly #falls = new Float64Array(ROUNDS * FALLS);
  #round = 0;
  #isFalling = false;
  /** The highest round trip before the current fall, or of the current rise. */
  #peakMs = 0;
  /** The lowest of the current fall. */
  #troughMs = 0;

  /** @param toleranceMs a smaller change is no turn */
  onRoundTrip(roundTripMs: number, toleranceMs: number): void {
    if (this.#isFalling) {
      if (roundTripMs < this.#troughMs) this.#troughMs = roundTripMs;
      else if (roundTripMs > this.#troughMs + toleranceMs) {
        this.#record(this.#peakMs - this.#troughMs);
        this.restart(roundTripMs);
      }
    } else if (roundTripMs > this.#peakMs) this.#peakMs = roundTripMs;
    else if (roundTripMs < this.#peakMs - toleranceMs) {
      this.#isFalling = true;
      this.#troughMs = roundTripMs;
    }
  }

  /** Starts from this round trip: we sent less, so what fell may have been a queue of ours. */
  restart(roundTripMs: number): void {
    this.#isFalling = false;
    this.#peakMs = roundTripMs;
  }

  /** A round trip is over. */
  onRound(): void {
    this.#round = (this.#round + 1) % ROUNDS;
    this.#falls.fill(0, this.#round * FALLS, (this.#round + 1) * FALLS);
    let first = 0;
    let second = 0;
    let third = 0;
    for (const fall of this.#falls) {
      if (fall > first) {
        third = second;
        second = first;
        first = fall;
      } else if (fall > second) {
        third = second;
        second = fall;
      } else if (fall > third) third = fall;
    }
    this.spreadMs = third;
  }

  #record(fall: number): void {
    const falls = this.#falls;
    const end = (this.#round + 1) * FALLS;
    let i = end - 1;
    if (fall <= (falls[i] as number)) return;
    for (; i > end - FALLS && (falls[i - 1] as number) < fall; i--) falls[i] = falls[i - 1] as number;
    falls[i] = fall;
  }
}
