import type { AckSample } from '../controller.js';
import { DelayWander } from './delay-wander.js';
import { MaxFilter } from './max-filter.js';

/** The bandwidth is the maximum of this many probing cycles. */
const MAX_BANDWIDTH_CYCLES = 2;
/** For how many rounds extra acknowledged bytes are remembered. */
const EXTRA_ACKED_ROUNDS = 10;
/** How long a shortest round trip counts if it is not measured again. */
const MIN_RTT_WINDOW_MS = 10_000;
/** If the shortest round trip was not confirmed for this long, it is time to empty the queue and measure it. */
export const PROBE_RTT_INTERVAL_MS = 5_000;
/** A round trip that exceeds the shortest by more than this share of it, and by more than MIN_QUEUE_MS, shows a
 *  queue. */
const QUEUE_SHARE = 1 / 16;
const MIN_QUEUE_MS = 4;
/** A round trip of up to this many times the shortest confirms the shortest. */
const CONFIRMED_MIN_RTT = 1.02;

/** What BBR believes about the path (draft-ietf-ccwg-bbr §5.5): its bandwidth, its shortest round trip, whether there
 *  is a queue, and how much ACKs come in bursts. It also counts the rounds that BBR measures time in.
 *
 *  A _round_ ends when a packet is acknowledged that was sent after the round began, so it lasts about one round trip.
 *  Bbr owns the model, passes it each ACK, and says when a probing cycle is over. The model never decides on states,
 *  the rate or the window. Sizes are in bytes, times in milliseconds. */
export class PathModel {
  /** The shortest round trip. Infinity before the first sample. */
  minRttMs = Number.POSITIVE_INFINITY;
  /** The shortest round trip was not confirmed for PROBE_RTT_INTERVAL_MS. */
  isProbeRttDue = false;
  /** How many rounds there have been. */
  rounds = 0;
  /** The current ACK begins a round. */
  isRoundStart = false;
  /** In how many rounds in a row, up to the last, even the shortest round trip met a queue. Our own bursts do not
   *  explain that. */
  standingRounds = 0;

  /** The shortest round trip of this round. */
  #roundMinRttMs = Number.POSITIVE_INFINITY;
  /** The last round with a round trip that shows a queue. */
  #lastQueueRound = Number.NEGATIVE_INFINITY;
  readonly #wander = new DelayWander();
  #bandwidths = new MaxFilter(MAX_BANDWIDTH_CYCLES);
  #cycles = 0;
  /** The round ends when a packet is acknowledged that was sent after this many bytes had been delivered. */
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
  /** How much was acknowledged in a burst beyond what the bandwidth explains. The window has to allow for it. */
  get extraAckedBytes(): number {
    return this.#extra.max;
  }

  /** Whether there was a queue in this round or the last, which may have caused a loss that is found now. */
  get isQueueing(): boolean {
    return this.rounds - this.#lastQueueRound <= 1;
  }

  /** Whether a packet with this round trip met no queue, so that losses next to it were not congestion
   *  (spec congestion 4.3). */
  isQuiet(roundTripMs: number): boolean {
    const excess = roundTripMs - this.minRttMs;
    return excess <= Math.max(this.#toleranceMs, this.#wander.spreadMs / 2);
  }

  /** How far the delay wanders by itself. */
  get wanderMs(): number {
    return this.#wander.spreadMs;
  }

  /** Finds out whether an ACK begins a round. */
  updateRound(sample: AckSample): void {
    this.isRoundStart = sample.priorDeliveredBytes >= this.#roundEndBytes;
    if (!this.isRoundStart) return;
    this.startRound(sample.totalDeliveredBytes);
    this.rounds++;
    this.#wander.onRound();
    this.standingRounds = this.#isLong(this.#roundMinRttMs) ? this.standingRounds + 1 : 0;
    this.#roundMinRttMs = Number.POSITIVE_INFINITY;
  }

  /** Begins a round, which ends when a packet that is sent from now on is acknowledged. */
  startRound(totalDeliveredBytes: number): void {
    this.#roundEndBytes = totalDeliveredBytes;
  }

  /** Updates the bandwidth with an ACK. A sample that was limited by the application counts only if it is the
   *  highest. */
  updateBandwidth(sample: AckSample): void {
    const { deliveryRate, rateApplicationLimited } = sample;
    if (deliveryRate > 0 && (deliveryRate >= this.maxBandwidth || !rateApplicationLimited)) {
      this.#bandwidths.update(deliveryRate, this.#cycles);
    }
  }

  /** A probing cycle is over: bandwidth that was measured two cycles ago no longer counts. */
  advanceCycle(): void {
    this.#cycles++;
    this.#bandwidths.expire(this.#cycles);
  }

  /** Updates everything that depends on the round trip of an ACK.
   *  @param isDraining whether our own queue is draining */
  updateMinRtt(sample: AckSample, isDraining: boolean): void {
    const { now, latestRttMs } = sample;
    const isFirst = this.minRttMs === Number.POSITIVE_INFINITY;
    this.isProbeRttDue = !isFirst && now > this.#recentMinRttAt + PROBE_RTT_INTERVAL_MS;
    if (sample.hasRttSample && (latestRttMs < this.#recentMinRttMs || this.isProbeRttDue)) {
      this.#recentMinRttMs = latestRttMs;
      this.#recentMinRttAt = now;
    } else if (sample.hasRttSample && latestRttMs <= CONFIRMED_MIN_RTT * this.#recentMinRttMs) {
      // The queue is empty already, so it need not be emptied (spec congestion 4.4).
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

  /** Whether a round trip shows a queue. */
  #isLong(roundTripMs: number): boolean {
    return (
      roundTripMs < Number.POSITIVE_INFINITY &&
      roundTripMs - this.minRttMs > Math.max(this.#toleranceMs, this.#wander.spreadMs)
    );
  }

  /** By how much a round trip may exceed the shortest even without a queue or a wander. */
  get #toleranceMs(): number {
    return Math.max(this.minRttMs * QUEUE_SHARE, MIN_QUEUE_MS);
  }

  /** ProbeRTT has emptied the queue. */
  onProbeRttDone(now: number): void {
    this.#recentMinRttAt = now;
  }

  /** Updates the extra acknowledged bytes with an ACK.
   *  @param isFull whether the pipe is full. Until then the bandwidth still grows, and only the current round
   *  counts. */
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

  /** Starts measuring bursts again, after a pause in sending. */
  restartAggregation(now: number): void {
    this.#extraBytes = 0;
    this.#extraSince = now;
  }
}
