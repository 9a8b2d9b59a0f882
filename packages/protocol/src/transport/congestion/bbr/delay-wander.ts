const ROUNDS = 16;
const FALLS = 3;

/** Learns how far the delay of a path wanders by itself (spec congestion 4.3).
 *
 *  Round trips rise and fall. A queue that competitors fill shrinks only when they back off, which is rare. A delay
 *  that falls again and again does so by itself. So the wander is the third-deepest fall of the last sixteen rounds:
 *  two falls may have been competitors backing off.
 *
 *  PathModel owns this object, and reports every round trip to it and the end of every round. A _fall_ runs from the
 *  highest round trip down to the lowest before round trips rise again. Times are in milliseconds. */
export class DelayWander {
  /** The wander; 0 if the delay is steady. */
  spreadMs = 0;
  /** The three deepest falls of each of the last rounds, deepest first. The rounds form a ring. */
  readonly #falls = new Float64Array(ROUNDS * FALLS);
  #round = 0;
  #isFalling = false;
  /** The highest round trip of the current rise, or before the current fall. */
  #peakMs = 0;
  /** The lowest round trip of the current fall. */
  #troughMs = 0;

  /** Handles a round trip.
   *  @param toleranceMs a smaller change of direction does not begin or end a fall */
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

  /** Starts again from this round trip. While our own queue is draining, a fall may be that queue and must not
   *  count. */
  restart(roundTripMs: number): void {
    this.#isFalling = false;
    this.#peakMs = roundTripMs;
  }

  /** A round is over: the falls of the oldest round are forgotten, and the wander is computed again. */
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

  /** Keeps the fall if it is among the three deepest of this round. */
  #record(fall: number): void {
    const falls = this.#falls;
    const end = (this.#round + 1) * FALLS;
    let i = end - 1;
    if (fall <= (falls[i] as number)) return;
    for (; i > end - FALLS && (falls[i - 1] as number) < fall; i--) falls[i] = falls[i - 1] as number;
    falls[i] = fall;
  }
}
