import {
  GRANULARITY_MS,
  INITIAL_RTT_MS,
  MAX_ACK_DELAY_MS,
  MAX_HANDSHAKE_RTT_MS,
  SLEEP_SAMPLE_MS,
  SLEEP_SAMPLE_PTOS,
} from '../limits.js';

/** No path is faster than this, but a clock may be too coarse to show it. Rates are divided by round trips. */
const MIN_RTT_MS = 0.01;

/** Estimates the round-trip time of one path (spec recovery 2; RFC 9002 §5).
 *
 *  Recovery owns it, and takes a sample whenever an ACK newly acknowledges its largest number. A new path gets a new
 *  estimator. Times are in milliseconds. */
export class RttEstimator {
  latestMs = 0;
  /** The latest sample without the ACK delay that the peer reports: what the path alone took. */
  latestOfPathMs = 0;
  minMs = Number.POSITIVE_INFINITY;
  smoothedMs = INITIAL_RTT_MS;
  varianceMs = INITIAL_RTT_MS / 2;
  hasSample = false;
  /** When the first sample was taken. Earlier packets do not count for persistent congestion (RFC 9002 §7.6.2). */
  firstSampleAt = Number.POSITIVE_INFINITY;
  /** A side slept until then: packets that were sent before it give no sample. */
  #sleptUntil = Number.NEGATIVE_INFINITY;
  /** A sample was left out, so the next one counts, however long it is. */
  #trustsNext = false;

  /** Takes a sample, unless it shows that a side slept (spec recovery 2).
   *  @param sentAt when the packet was sent that is acknowledged now
   *  @param ackDelayMs how long the peer reports to have waited
   *  @returns whether the sample counts */
  update(now: number, sentAt: number, ackDelayMs: number): boolean {
    const sampleMs = Math.max(now - sentAt, MIN_RTT_MS);
    if (this.#isOfSleep(now, sentAt, sampleMs)) return false;
    this.latestMs = sampleMs;
    this.latestOfPathMs = sampleMs;
    if (!this.hasSample) {
      this.hasSample = true;
      this.firstSampleAt = now;
      this.minMs = sampleMs;
      this.smoothedMs = sampleMs;
      this.varianceMs = sampleMs / 2;
      return true;
    }
    if (sampleMs < this.minMs) this.minMs = sampleMs;
    const delay = Math.min(ackDelayMs, MAX_ACK_DELAY_MS);
    // The reported delay must not bring a sample below the minimum (spec recovery 2).
    const adjusted = sampleMs - delay >= this.minMs ? sampleMs - delay : sampleMs;
    this.latestOfPathMs = adjusted;
    this.varianceMs = 0.75 * this.varianceMs + 0.25 * Math.abs(this.smoothedMs - adjusted);
    this.smoothedMs = 0.875 * this.smoothedMs + 0.125 * adjusted;
    return true;
  }

  /** Uses the round trip of a handshake until there is a sample (spec recovery 2). */
  seed(roundTripMs: number): void {
    if (this.hasSample || roundTripMs > MAX_HANDSHAKE_RTT_MS) return;
    this.smoothedMs = Math.max(roundTripMs, MIN_RTT_MS);
    this.varianceMs = this.smoothedMs / 2;
  }

  /** One probe timeout, without back-off (RFC 9002 §6.2.1). */
  get probeTimeoutMs(): number {
    return this.smoothedMs + Math.max(4 * this.varianceMs, GRANULARITY_MS) + MAX_ACK_DELAY_MS;
  }

  /** Forgets the minimum after persistent congestion, because the path may have become another one (RFC 9002 §5.2). */
  forgetMinimum(): void {
    this.minMs = this.latestMs;
  }

  #isOfSleep(now: number, sentAt: number, sampleMs: number): boolean {
    if (sentAt < this.#sleptUntil) return true;
    const longMs = Math.max(SLEEP_SAMPLE_MS, SLEEP_SAMPLE_PTOS * this.probeTimeoutMs);
    const isOfSleep = this.hasSample && !this.#trustsNext && sampleMs >= longMs;
    this.#trustsNext = isOfSleep;
    if (isOfSleep) this.#sleptUntil = now;
    return isOfSleep;
  }
}
