/** Round-trip time of the path (spec recovery 2; RFC 9002 §5). All in milliseconds. */
import { GRANULARITY_MS, INITIAL_RTT_MS, MAX_ACK_DELAY_MS } from '../limits.js';

/** No path is faster, but a clock may be too coarse to tell; rates are divided by it. */
const MIN_RTT_MS = 0.01;

export class RttEstimator {
  latestMs = 0;
  /** Without the delay that the peer states: what the path alone took. */
  latestOfPathMs = 0;
  minMs = Number.POSITIVE_INFINITY;
  smoothedMs = INITIAL_RTT_MS;
  varianceMs = INITIAL_RTT_MS / 2;
  hasSample = false;
  /** When the first sample was taken; persistent congestion is not judged before (RFC 9002 §7.6.2). */
  firstSampleAt = Number.POSITIVE_INFINITY;

  /** @param measuredMs from sending the packet to its acknowledgement
   *  @param ackDelayMs what the peer says that it waited */
  update(now: number, measuredMs: number, ackDelayMs: number): void {
    const sampleMs = Math.max(measuredMs, MIN_RTT_MS);
    this.latestMs = sampleMs;
    this.latestOfPathMs = sampleMs;
    if (!this.hasSample) {
      this.hasSample = true;
      this.firstSampleAt = now;
      this.minMs = sampleMs;
      this.smoothedMs = sampleMs;
      this.varianceMs = sampleMs / 2;
      return;
    }
    if (sampleMs < this.minMs) this.minMs = sampleMs;
    const delay = Math.min(ackDelayMs, MAX_ACK_DELAY_MS);
    // spec recovery 2: the stated delay never brings a sample below the minimum
    const adjusted = sampleMs - delay >= this.minMs ? sampleMs - delay : sampleMs;
    this.latestOfPathMs = adjusted;
    this.varianceMs = 0.75 * this.varianceMs + 0.25 * Math.abs(this.smoothedMs - adjusted);
    this.smoothedMs = 0.875 * this.smoothedMs + 0.125 * adjusted;
  }

  /** Another measurement, of a handshake, until there is a sample (spec recovery 2). */
  seed(roundTripMs: number): void {
    if (this.hasSample) return;
    this.smoothedMs = Math.max(roundTripMs, MIN_RTT_MS);
    this.varianceMs = this.smoothedMs / 2;
  }

  /** One probe timeout without back-off (RFC 9002 §6.2.1). */
  get probeTimeoutMs(): number {
    return this.smoothedMs + Math.max(4 * this.varianceMs, GRANULARITY_MS) + MAX_ACK_DELAY_MS;
  }

  /** After persistent congestion the path may be another one (RFC 9002 §5.2). */
  forgetMinimum(): void {
    this.minMs = this.latestMs;
  }
}
