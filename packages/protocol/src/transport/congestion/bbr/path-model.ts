/** What BBR believes of the path (draft-ietf-ccwg-bbr §5.5): its bandwidth, its shortest round trip, how much ACKs come in bursts,
 *  and the rounds by which time is counted. Bytes and milliseconds. */
import type { AckSample } from '../controller.js';
import { DelayWander } from './delay-wander.js';
import { MaxFilter } from './max-filter.js';

/** Bandwidth is the maximum of two probing cycles. */
const MAX_BANDWIDTH_CYCLES = 2;
const EXTRA_ACKED_ROUNDS = 10;
const MIN_RTT_WINDOW_MS = 10_000;
/** A round trip not seen to be as short as the shortest for so long: time to empty the queue and look. */
export const PROBE_RTT_INTERVAL_MS = 5_000;
/** A queue shows by a round trip that is longer than the shortest by this share of it, at least by this much. */
const QUEUE_SHARE = 1 / 16;
const MIN_QUEUE_MS = 4;
/** A round trip that is longer than the shortest by no more than this confirms it. */
const CONFIRMED_MIN_RTT = 1.02;

export class PathModel {
  /** Infinite before the first sample. */
  minRttMs = Number.POSITIVE_INFINITY;
  /** The shortest round trip was not confirmed for `PROBE_RTT_INTERVAL_MS`. */
  isProbeRttDue = false;
  rounds = 0;
  /** The ACK that is being processed is the first of a round trip. */
  isRoundStart = false;
  /** For how many rounds, up to the last, even the shortest round trip met a queue: our own bursts do not explain that. */
  standingRounds = 0;

  /** The shortest round trip of this round. */
  #roundMinRttMs = Number.POSITIVE_INFINITY;
  /** The last round of which a round trip was longer than an empty queue explains. */
  #lastQueueRound = Number.NEGATIVE_INFINITY;
  readonly #wander = new DelayWander();
  #bandwidths = new MaxFilter(MAX_BANDWIDTH_CYCLES);
  #cycles = 0;
  #roundEndBytes = 0;
  #minRttAt = Number.NEGATIVE_INFINITY;
  #recentMinRttMs = Number.POSITIVE_INFINITY;
  #recentMinRttAt = Number.NEGATIVE_INFINITY;
  #extra = new MaxFilter(EXTRA_ACKED_ROUNDS);
  #extraSince = 0;
  #extraBytes = 0;

  /** Bytes per millisecond. */
  get maxBandwidth(): number {
    return this.#bandwidths.max;
  }
  /** What arrived at one time beyond what the bandwidth explains: the window has to allow for it. */
  get extraAckedBytes(): number {
    return this.#extra.max;
  }

  /** A queue stood in this round or the last: a loss that shows now may come of it. */
  get isQueueing(): boolean {
    return this.rounds - this.#lastQueueRound <= 1;
  }

  /** A packet with this round trip met no queue, so losses beside it were not congestion (spec congestion 4.3). */
  isQuiet(roundTripMs: number): boolean {
    const excess = roundTripMs - this.minRttMs;
    return excess <= Math.max(this.#toleranceMs, this.#wander.spreadMs / 2);
  }

  /** How far the delay rises and falls by itself. */
  get wanderMs(): number {
    return this.#wander.spreadMs;
  }

  updateRound(sample: AckSample): void {
    this.isRoundStart = sample.priorDeliveredBytes >= this.#roundEndBytes;
    if (!this.isRoundStart) return;
    this.startRound(sample.totalDeliveredBytes);
    this.rounds++;
    this.#wander.onRound();
    this.standingRounds = this.#isLong(this.#roundMinRttMs) ? this.standingRounds + 1 : 0;
    this.#roundMinRttMs = Number.POSITIVE_INFINITY;
  }

  /** The round ends when a packet that is sent from now on is acknowledged. */
  startRound(totalDeliveredBytes: number): void {
    this.#roundEndBytes = totalDeliveredBytes;
  }

  updateBandwidth(sample: AckSample): void {
    const { deliveryRate, rateApplicationLimited } = sample;
    if (deliveryRate > 0 && (deliveryRate >= this.maxBandwidth || !rateApplicationLimited)) {
      this.#bandwidths.update(deliveryRate, this.#cycles);
    }
  }

  /** A probing cycle is over: what was measured two cycles ago no longer counts. */
  advanceCycle(): void {
    this.#cycles++;
    this.#bandwidths.expire(this.#cycles);
  }

  /** @param isDraining our own queue drains */
  updateMinRtt(sample: AckSample, isDraining: boolean): void {
    const { now, latestRttMs } = sample;
    const isFirst = this.minRttMs === Number.POSITIVE_INFINITY;
    this.isProbeRttDue = !isFirst && now > this.#recentMinRttAt + PROBE_RTT_INTERVAL_MS;
    if (sample.hasRttSample && (latestRttMs < this.#recentMinRttMs || this.isProbeRttDue)) {
      this.#recentMinRttMs = latestRttMs;
      this.#recentMinRttAt = now;
    } else if (sample.hasRttSample && latestRttMs <= CONFIRMED_MIN_RTT * this.#recentMinRttMs) {
      // The queue is empty as it is: no need to empty it (spec congestion 4.4).
      this.#recentMinRttAt = now;
    }
    if (this.#recentMinRttMs < this.minRttMs || now > this.#minRttAt + MIN_RTT_WINDOW_MS) {
      this.minRttMs = this.#recentMinRttMs;
      this.#minRttAt = this.#recentMinRttAt;
    }
    if (sample.hasRttSample) {
      this.#roundMinRttMs = Math.min(this.#roundMinRttMs, latestRttMs);
      if (isDraining) this.#wander.restart(latestRttMs);
      else this.#wander.onRoundTrip(latestRttMs, this.#toleranceMs);
    }
    if (this.#isLong(latestRttMs)) this.#lastQueueRound = this.rounds;
  }

  #isLong(roundTripMs: number): boolean {
    return (
      roundTripMs < Number.POSITIVE_INFINITY &&
      roundTripMs - this.minRttMs > Math.max(this.#toleranceMs, this.#wander.spreadMs)
    );
  }

  get #toleranceMs(): number {
    return Math.max(this.minRttMs * QUEUE_SHARE, MIN_QUEUE_MS);
  }

  /** The queue was emptied just now. */
  onProbeRttDone(now: number): void {
    this.#recentMinRttAt = now;
  }

  /** @param maxRounds how many rounds count: one as long as the bandwidth still grows */
  updateAggregation(sample: AckSample, bandwidth: number, windowBytes: number, isFull: boolean): void {
    let expected = bandwidth * (sample.now - this.#extraSince);
    if (this.#extraBytes <= expected) {
      this.#extraBytes = 0;
      this.#extraSince = sample.now;
      expected = 0;
    }
    this.#extraBytes += sample.ackedBytes;
    const extra = Math.min(this.#extraBytes - expected, windowBytes);
    if (!isFull && this.isRoundStart) this.#extra = new MaxFilter(EXTRA_ACKED_ROUNDS);
    this.#extra.update(extra, this.rounds);
  }

  restartAggregation(now: number): void {
    this.#extraBytes = 0;
    this.#extraSince = now;
  }
}
