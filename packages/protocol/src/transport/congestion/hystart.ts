/** HyStart++ (RFC 9406): leaves slow start when round trips grow longer, before the queue overflows. Times in milliseconds. */
import type { AckSample } from './controller.js';

const MIN_RTT_THRESHOLD_MS = 4;
const MAX_RTT_THRESHOLD_MS = 16;
const RTT_DIVISOR = 8;
/** RTT samples of a round before it is judged. */
const SAMPLES_PER_ROUND = 8;
/** Conservative slow start: a quarter of the growth, for so many rounds, to see whether the delay was a false alarm. */
const CONSERVATIVE_GROWTH_DIVISOR = 4;
const CONSERVATIVE_ROUNDS = 5;

export class HyStart {
  #roundEndBytes = 0;
  #lastRoundMinMs = Number.POSITIVE_INFINITY;
  #roundMinMs = Number.POSITIVE_INFINITY;
  #samples = 0;
  /** Shortest round trip when the conservative phase began; undefined outside of it. */
  #baselineMs: number | undefined;
  #conservativeRounds = 0;

  /** @returns by how much slow start may grow the window, or undefined: slow start is over */
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
