/** How much the path reorders, and so how long to wait before a missing packet counts as lost (spec recovery 3.1, 3.3).
 *
 *  Recovery reports each packet that is acknowledged after a later one. Two limits follow from that: how many numbers a packet may lie
 *  behind the largest acknowledged, and how long its round trip may be. Milliseconds. */
import {
  GRANULARITY_MS,
  MAX_LATE_RTTS,
  MAX_PACKET_THRESHOLD,
  PACKET_THRESHOLD,
  REORDERING_MEMORY_MS,
  TIME_THRESHOLD,
} from '../limits.js';

export class Reordering {
  /** A packet this many numbers below the largest acknowledged is lost; infinite: only time tells. */
  packetThreshold = PACKET_THRESHOLD;
  /** The longest round trips of late packets, in this span of time and in the one before. */
  #lateMs = 0;
  #earlierLateMs = 0;
  #spanStartedAt = Number.NEGATIVE_INFINITY;

  /** A packet was acknowledged after a later one. */
  onLatePacket(now: number, roundTripMs: number): void {
    this.#expire(now);
    if (roundTripMs > this.#lateMs) this.#lateMs = roundTripMs;
  }

  /** @param distance numbers between the packet and the largest acknowledged */
  onSpuriousLoss(distance: number): void {
    const needed = distance + 1;
    if (needed <= this.packetThreshold) return;
    this.packetThreshold = needed > MAX_PACKET_THRESHOLD ? Number.POSITIVE_INFINITY : needed;
  }

  /** @param rttMs the larger of smoothed and latest
   *  @returns how long after it was sent a packet is lost, if a later one was acknowledged */
  lossDelayMs(now: number, rttMs: number): number {
    this.#expire(now);
    const lateMs = Math.min(Math.max(this.#lateMs, this.#earlierLateMs), MAX_LATE_RTTS * rttMs);
    return Math.max(TIME_THRESHOLD * rttMs, lateMs + GRANULARITY_MS, GRANULARITY_MS);
  }

  #expire(now: number): void {
    if (now < this.#spanStartedAt + REORDERING_MEMORY_MS) return;
    this.#earlierLateMs = now < this.#spanStartedAt + 2 * REORDERING_MEMORY_MS ? this.#lateMs : 0;
    this.#lateMs = 0;
    this.#spanStartedAt = now;
  }
}
