import type { AckSample } from './controller.js';

// By how much round trips have to grow: an eighth, but at least 4 ms and at most 16 ms.
const MIN_RTT_THRESHOLD_MS = 4;
const MAX_RTT_THRESHOLD_MS = 16;
const RTT_DIVISOR = 8;
/** How many RTT samples a round needs before it is judged. */
const SAMPLES_PER_ROUND = 8;
/** In conservative slow start the window grows a quarter as fast. It lasts this many rounds, which show whether the
 *  longer round trips were a false alarm. */
const CONSERVATIVE_GROWTH_DIVISOR = 4;
const CONSERVATIVE_ROUNDS = 5;

/** HyStart++ (RFC 9406): ends slow start when round trips grow longer, before the queue overflows.
 *
 *  It compares the shortest round trip of each round with that of the round before. If it is longer by the threshold, a
 *  queue may be building up, and conservative slow start begins. If round trips then become shorter again, that was a
 *  false alarm, and ordinary slow start resumes. Otherwise slow start is over after five more rounds.
 *
 *  Cubic owns it, and passes each ACK to it while in slow start. It never changes the window: it returns how much the
 *  window may grow. Times are in milliseconds. */
export class HyStart {
  /** The round ends when a packet is acknowledged that was sent after this many bytes had been delivered. */
  #roundEndBytes = 0;
  #lastRoundMinMs = Number.POSITIVE_INFINITY;
  #roundMinMs = Number.POSITIVE_INFINITY;
  #samples = 0;
  /** The shortest round trip when conservative slow start began; undefined outside of it. */
  #baselineMs: number | undefined;
  #conservativeRounds = 0;

  /** Handles an ACK in slow start.
   *  @returns by how many bytes the window may grow, or undefined if slow start is over */
  onAck(sample: AckSample): number | undefined {
    if (sample.priorDeliveredBytes >= this.#roundEndBytes) this.#beginRound(sample.totalDeliveredBytes);
    if (this.#conservativeRounds > CONSERVATIVE_ROUNDS) return undefined;
    if (sample.hasRttSample) {
      this.#roundMinMs = Math.min(this.#roundMinMs, sample.latestRttMs);
      this.#samples++;
    }
    if (this.#samples >= SAMPLES_PER_ROUND) this.#judge();
    return this.#baselineMs === undefined
      ? sample.ackedBytes
      : sample.ackedBytes / CONSERVATIVE_GROWTH_DIVISOR;
  }

  /** Compares the round so far with the one before, and begins or ends conservative slow start. */
  #judge(): void {
    if (this.#baselineMs !== undefined) {
      if (this.#roundMinMs < this.#baselineMs) this.#baselineMs = undefined;
      return;
    }
    const last = this.#lastRoundMinMs;
    if (last === Number.POSITIVE_INFINITY) return;
    const threshold = Math.min(Math.max(last / RTT_DIVISOR, MIN_RTT_THRESHOLD_MS), MAX_RTT_THRESHOLD_MS);
    if (this.#roundMinMs < last + threshold) return;
    this.#baselineMs = this.#roundMinMs;
    this.#conservativeRounds = 0;
  }

  #beginRound(deliveredBytes: number): void {
    this.#roundEndBytes = deliveredBytes;
    this.#lastRoundMinMs = this.#roundMinMs;
    this.#roundMinMs = Number.POSITIVE_INFINITY;
    this.#samples = 0;
    if (this.#baselineMs !== undefined) this.#conservativeRounds++;
  }
}
