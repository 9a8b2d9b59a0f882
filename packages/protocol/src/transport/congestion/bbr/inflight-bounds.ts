import type { AckSample, LossSample } from '../controller.js';

/** While there is a queue: too much was in flight if more than this share of it was lost, beyond the noise of the
 *  path. */
const LOSS_THRESHOLD = 0.02;
/** While there is no queue: a smaller share of losses is noise. A larger one may be a policer, which has no queue
 *  (spec congestion 4.3). */
const MAX_NOISE = 0.5;
/** Each flight of packets that met no queue replaces this share of what was counted before. */
const NOISE_RENEWAL = 1 / 8;
/** At one time, losses lower a bound at most to this share of what it was, or of what we would like to have in
 *  flight. */
const BETA = 0.7;
/** The share of the long-term bound that is left to others. */
const HEADROOM = 0.15;

/** How much may be in flight, judging by losses (draft-ietf-ccwg-bbr §5.5.10).
 *
 *  There are two kinds of bounds. The _long-term_ bound is the most that the path has carried without too many losses;
 *  probes for bandwidth find it and move it. The _short-term_ bounds, on bytes and bandwidth, fall when losses show
 *  congestion between probes, and are lifted when the next probe starts.
 *
 *  Not every loss shows congestion. The object also learns the _noise_: the share of bytes that the path loses even
 *  when its queue is empty (spec congestion 4.3).
 *
 *  Bbr owns it and reports losses and ACKs to it: first each lost packet to `noteLoss`, then the ACK that revealed
 *  them, from `beginAck` to `endAck`. It never decides on states, the window or the rate. Sizes are in bytes, times in
 *  milliseconds. */
export class InflightBounds {
  longTermBytes = Number.POSITIVE_INFINITY;
  shortTermBytes = Number.POSITIVE_INFINITY;
  /** Bytes per millisecond. */
  shortTermBandwidth = Number.POSITIVE_INFINITY;
  /** The current ACK ends a _loss round_: a round trip over which losses are collected. */
  isLossRoundStart = false;
  /** How many separate runs of packets were lost in this loss round. */
  lossEvents = 0;
  /** The most that was delivered within one round trip, in this loss round. */
  latestBytes = 0;

  #hasLostInRound = false;
  /** The share of what is sent that the path loses even when its queue is empty. */
  #noise = 0;
  /** Bytes lost, and bytes lost or acknowledged, without meeting a queue. Older ones count less and less. */
  #quietLost = 0;
  #quietSent = 0;
  /** Bytes lost since the last ACK. The next one shows whether they met a queue. */
  #unjudgedLost = 0;
  #lossRoundEndBytes = 0;
  /** The highest delivery rate in this loss round. */
  #latestBandwidth = 0;
  /** The number of the last packet that was lost. */
  #lastLost = -2;
  /** The bounds from before the first loss of the last loss round with losses. */
  #undo = {
    longTermBytes: Number.POSITIVE_INFINITY,
    shortTermBytes: Number.POSITIVE_INFINITY,
    shortTermBandwidth: Number.POSITIVE_INFINITY,
  };

  /** Whether a packet was lost in this loss round. */
  get hasLostInRound(): boolean {
    return this.#hasLostInRound;
  }

  /** The long-term bound, less the share that is left to others. */
  withHeadroom(datagramBytes: number, minimumBytes: number): number {
    const headroom = Math.max(datagramBytes, HEADROOM * this.longTermBytes);
    if (this.longTermBytes === Number.POSITIVE_INFINITY) return this.longTermBytes;
    return Math.max(this.longTermBytes - headroom, minimumBytes);
  }

  // ---- losses -----------------------------------------------------------------------------------------------

  /** A packet was lost. */
  noteLoss(loss: LossSample): void {
    if (!this.#hasLostInRound) {
      this.#lossRoundEndBytes = loss.totalDeliveredBytes;
      const { longTermBytes, shortTermBytes, shortTermBandwidth } = this;
      this.#undo = { longTermBytes, shortTermBytes, shortTermBandwidth };
    }
    this.#unjudgedLost += loss.bytes;
    if (loss.packetNumber !== this.#lastLost + 1) this.lossEvents++;
    this.#lastLost = loss.packetNumber;
    this.#hasLostInRound = true;
  }

  /** Estimates how much was in flight at the point within this packet at which the losses passed the threshold. */
  inflightAtLoss(loss: LossSample): number {
    const before = loss.bytesInFlightAtSend - loss.bytes;
    const lostBefore = loss.lostSinceSendBytes - loss.bytes;
    const threshold = this.#noise + LOSS_THRESHOLD;
    return before + Math.max(0, (threshold * before - lostBefore) / (1 - threshold));
  }

  /** Too much was in flight: lowers the long-term bound.
   *  @param inflightBytes how much was in flight
   *  @param targetBytes how much we would like to have in flight */
  onInflightTooHigh(inflightBytes: number, targetBytes: number): void {
    this.longTermBytes = Math.max(inflightBytes, targetBytes * BETA);
  }

  // ---- ACKs -------------------------------------------------------------------------------------------------

  /** Begins to process an ACK.
   *  @param isQuiet whether the packets of this ACK met no queue */
  beginAck(sample: AckSample, isQuiet: boolean): void {
    this.#updateNoise(sample, isQuiet);
    this.#latestBandwidth = Math.max(this.#latestBandwidth, sample.deliveryRate);
    this.latestBytes = Math.max(this.latestBytes, sample.deliveredBytes);
    this.isLossRoundStart = sample.priorDeliveredBytes >= this.#lossRoundEndBytes;
    if (!this.isLossRoundStart) return;
    this.#lossRoundEndBytes = sample.totalDeliveredBytes;
  }

  /** A loss round had too many losses: lowers the short-term bounds to what was really delivered, but not below 0.7 of
   *  what they were. */
  adaptShortTerm(maxBandwidth: number, windowBytes: number): void {
    if (this.shortTermBandwidth === Number.POSITIVE_INFINITY) this.shortTermBandwidth = maxBandwidth;
    if (this.shortTermBytes === Number.POSITIVE_INFINITY) this.shortTermBytes = windowBytes;
    this.shortTermBandwidth = Math.max(this.#latestBandwidth, BETA * this.shortTermBandwidth);
    this.shortTermBytes = Math.max(this.latestBytes, BETA * this.shortTermBytes);
  }

  /** The next loss round begins. */
  endLossRound(): void {
    this.#hasLostInRound = false;
    this.lossEvents = 0;
  }

  /** Ends the processing of an ACK. */
  endAck(sample: AckSample): void {
    if (!this.isLossRoundStart) return;
    this.#latestBandwidth = sample.deliveryRate;
    this.latestBytes = sample.deliveredBytes;
  }

  /** Forgets what was delivered and lost so far in this loss round. */
  resetSignals(): void {
    this.#hasLostInRound = false;
    this.#latestBandwidth = 0;
    this.latestBytes = 0;
  }

  /** Lifts the short-term bounds. */
  resetShortTerm(): void {
    this.shortTermBandwidth = Number.POSITIVE_INFINITY;
    this.shortTermBytes = Number.POSITIVE_INFINITY;
  }

  /** The losses turned out to be spurious: restores the bounds from before them. */
  undo(): void {
    this.#hasLostInRound = false;
    this.longTermBytes = Math.max(this.longTermBytes, this.#undo.longTermBytes);
    this.shortTermBytes = Math.max(this.shortTermBytes, this.#undo.shortTermBytes);
    this.shortTermBandwidth = Math.max(this.shortTermBandwidth, this.#undo.shortTermBandwidth);
  }

  /** Whether more was lost than the noise of the path explains, so that others may need room. */
  isCongested(sample: AckSample, isQueueing: boolean, datagramBytes: number): boolean {
    return isQueueing
      ? this.#exceeds(sample, this.#noise, this.#noise, datagramBytes)
      : this.#exceeds(sample, MAX_NOISE, 0, datagramBytes);
  }

  /** Whether so much was lost since the packet of the sample was sent that too much was in flight then. */
  isTooHigh(sample: AckSample | LossSample, isQueueing: boolean, datagramBytes: number): boolean {
    return isQueueing
      ? this.#exceeds(sample, this.#noise, LOSS_THRESHOLD, datagramBytes)
      : this.#exceeds(sample, MAX_NOISE, 0, datagramBytes);
  }

  /** Learns the noise from losses next to packets that met no queue (spec congestion 4.3). */
  #updateNoise(sample: AckSample, isQuiet: boolean): void {
    const lost = this.#unjudgedLost;
    this.#unjudgedLost = 0;
    if (!isQuiet) return;
    const sent = sample.ackedBytes + lost;
    const memory = 1 - NOISE_RENEWAL * Math.min(1, sent / Math.max(sample.bytesInFlightAtSend, sent, 1));
    this.#quietLost = memory * this.#quietLost + lost;
    this.#quietSent = memory * this.#quietSent + sent;
    this.#noise = Math.min(this.#quietLost / Math.max(this.#quietSent, 1), MAX_NOISE);
  }

  /** Whether clearly more was lost than a share of what was in flight. Losses vary by chance, and few packets say
   *  little about the noise, so two standard deviations more are no evidence yet (spec congestion 4.3).
   *  @param noise the expected share of losses
   *  @param share what is tolerated on top of it */
  #exceeds(
    { lostSinceSendBytes, bytesInFlightAtSend }: AckSample | LossSample,
    noise: number,
    share: number,
    datagramBytes: number,
  ): boolean {
    const packets = bytesInFlightAtSend / datagramBytes;
    const seen = this.#quietSent / datagramBytes + 1;
    const likely = Math.max(noise, 0.5 / seen);
    const deviation = Math.sqrt(packets * likely * (1 - likely) * (1 + packets / seen)) * datagramBytes;
    return lostSinceSendBytes > bytesInFlightAtSend * (noise + share) + 2 * deviation;
  }
}
