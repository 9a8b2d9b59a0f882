import {
  GRANULARITY_MS,
  MAX_LATE_RTTS,
  MAX_PACKET_THRESHOLD,
  PACKET_THRESHOLD,
  REORDERING_MEMORY_MS,
  TIME_THRESHOLD,
} from '../limits.js';

/** Learns how much the path reorders, and so how long to wait before a missing packet counts as lost
 *  (spec recovery 3.1, 3.3).
 *
 *  A packet is _late_ if it is acknowledged after a later one. Recovery owns this object and reports late packets to
 *  it, and packets that were declared lost and then acknowledged after all. Two limits follow: how far a packet may be
 *  below the largest number acknowledged, and how long ago it may have been sent. This object never declares a packet
 *  lost. Times are in milliseconds. */
export class Reordering {
  /** A packet this many numbers below the largest acknowledged is lost. Infinity if time alone decides. */
  packetThreshold = PACKET_THRESHOLD;
  /** The longest round trips of late packets, in the current span of 5 s and in the one before. */
  #lateMs = 0;
  #earlierLateMs = 0;
  #spanStartedAt = Number.NEGATIVE_INFINITY;

  /** A packet was acknowledged after a later one. */
  onLatePacket(now: number, roundTripMs: number): void {
    this.#expire(now);
    if (roundTripMs > this.#lateMs) this.#lateMs = roundTripMs;
  }

  /** A packet that was declared lost was acknowledged after all: raises the packet threshold.
   *  @param distance how far its number is below the largest acknowledged */
  onSpuriousLoss(distance: number): void {
    const needed = distance + 1;
    if (needed <= this.packetThreshold) return;
    this.packetThreshold = needed > MAX_PACKET_THRESHOLD ? Number.POSITIVE_INFINITY : needed;
  }

  /** The time threshold: a packet counts as lost this long after it was sent, if a later one was acknowledged.
   *  @param rttMs the larger of the smoothed and the latest round trip */
  lossDelayMs(now: number, rttMs: number): number {
    this.#expire(now);
    const lateMs = Math.min(Math.max(this.#lateMs, this.#earlierLateMs), MAX_LATE_RTTS * rttMs);
    return Math.max(TIME_THRESHOLD * rttMs, lateMs + GRANULARITY_MS, GRANULARITY_MS);
  }

  /** Starts a new span when the current one is over. */
  #expire(now: number): void {
    if (now < this.#spanStartedAt + REORDERING_MEMORY_MS) return;
    this.#earlierLateMs = now < this.#spanStartedAt + 2 * REORDERING_MEMORY_MS ? this.#lateMs : 0;
    this.#lateMs = 0;
    this.#spanStartedAt = now;
  }
}
