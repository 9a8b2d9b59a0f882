/** How much may be in flight by what losses say (draft-ietf-ccwg-bbr §5.5.10): a long-term bound that probing moves, and short-term
 *  bounds that hold until the next probe. Bytes and milliseconds. */
import type { AckSample, LossSample } from '../controller.js';

/** More lost than this share of what was in flight, beyond the path's own noise, while a queue stands: too much was in flight. */
const LOSS_THRESHOLD = 0.02;
/** Without a queue: less is noise, more may be a policer, which has none (spec congestion 4.3). */
const MAX_NOISE = 0.5;
/** A flight of packets that met no queue replaces this share of what is known of the noise. */
const NOISE_RENEWAL = 1 / 8;
const BETA = 0.7;
/** Left free below the long-term bound for others. */
const HEADROOM = 0.15;

export class InflightBounds {
  longTermBytes = Number.POSITIVE_INFINITY;
  shortTermBytes = Number.POSITIVE_INFINITY;
  /** Bytes per millisecond. */
  shortTermBandwidth = Number.POSITIVE_INFINITY;
  /** The ACK that is being processed ends a round trip of watching for losses. */
  isLossRoundStart = false;
  /** Separate runs of lost packets in this round trip. */
  lossEvents = 0;
  /** Most that was delivered in one round trip, of late. */
  latestBytes = 0;

  #hasLostInRound = false;
  /** Share of what is sent that the path loses even with its queue empty. */
  #noise = 0;
  /** Bytes lost, and bytes lost or acknowledged, where no queue was met, of late. */
  #quietLost = 0;
  #quietSent = 0;
  /** Lost since the last ACK: the next one shows whether a queue was met. */
  #unjudgedLost = 0;
  #lossRoundEndBytes = 0;
  #latestBandwidth = 0;
  #lastLost = -2;
  #undo = {
    longTermBytes: Number.POSITIVE_INFINITY,
    shortTermBytes: Number.POSITIVE_INFINITY,
    shortTermBandwidth: Number.POSITIVE_INFINITY,
  };

  get hasLostInRound(): boolean {
    return this.#hasLostInRound;
  }

  /** The long-term bound without the share that is left to others. */
  withHeadroom(datagramBytes: number, minimumBytes: number): number {
    const headroom = Math.max(datagramBytes, HEADROOM * this.longTermBytes);
    if (this.longTermBytes === Number.POSITIVE_INFINITY) return this.longTermBytes;
    return Math.max(this.longTermBytes - headroom, minimumBytes);
  }

  // ---- losses -----------------------------------------------------------------------------------------------

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

  /** At which amount in flight the losses passed the threshold. */
  inflightAtLoss(loss: LossSample): number {
    const before = loss.bytesInFlightAtSend - loss.bytes;
    const lostBefore = loss.lostSinceSendBytes - loss.bytes;
    const threshold = this.#noise + LOSS_THRESHOLD;
    return before + Math.max(0, (threshold * before - lostBefore) / (1 - threshold));
  }

  /** @param targetBytes what we would like to have in flight */
  onInflightTooHigh(inflightBytes: number, targetBytes: number): void {
    this.longTermBytes = Math.max(inflightBytes, targetBytes * BETA);
  }

  // ---- ACKs -------------------------------------------------------------------------------------------------

  /** @param isQuiet the packets of this ACK met no queue */
  beginAck(sample: AckSample, isQuiet: boolean): void {
    this.#updateNoise(sample, isQuiet);
    this.#latestBandwidth = Math.max(this.#latestBandwidth, sample.deliveryRate);
    this.latestBytes = Math.max(this.latestBytes, sample.deliveredBytes);
    this.isLossRoundStart = sample.priorDeliveredBytes >= this.#lossRoundEndBytes;
    if (!this.isLossRoundStart) return;
    this.#lossRoundEndBytes = sample.totalDeliveredBytes;
  }

  /** After a round trip with too many losses: down to what was really delivered, but not by more than a cut. */
  adaptShortTerm(maxBandwidth: number, windowBytes: number): void {
    if (this.shortTermBandwidth === Number.POSITIVE_INFINITY) this.shortTermBandwidth = maxBandwidth;
    if (this.shortTermBytes === Number.POSITIVE_INFINITY) this.shortTermBytes = windowBytes;
    this.shortTermBandwidth = Math.max(this.#latestBandwidth, BETA * this.shortTermBandwidth);
    this.shortTermBytes = Math.max(this.latestBytes, BETA * this.shortTermBytes);
  }

  endLossRound(): void {
    this.#hasLostInRound = false;
    this.lossEvents = 0;
  }

  endAck(sample: AckSample): void {
    if (!this.isLossRoundStart) return;
    this.#latestBandwidth = sample.deliveryRate;
    this.latestBytes = sample.deliveredBytes;
  }

  resetSignals(): void {
    this.#hasLostInRound = false;
    this.#latestBandwidth = 0;
    this.latestBytes = 0;
  }

  resetShortTerm(): void {
    this.shortTermBandwidth = Number.POSITIVE_INFINITY;
    this.shortTermBytes = Number.POSITIVE_INFINITY;
  }

  /** The losses of the last episode were none. */
  undo(): void {
    this.#hasLostInRound = false;
    this.longTermBytes = Math.max(this.longTermBytes, this.#undo.longTermBytes);
    this.shortTermBytes = Math.max(this.shortTermBytes, this.#undo.shortTermBytes);
    this.shortTermBandwidth = Math.max(this.shortTermBandwidth, this.#undo.shortTermBandwidth);
  }

  /** More was lost than the path's noise explains: others may need room. */
  isCongested(sample: AckSample, isQueueing: boolean, datagramBytes: number): boolean {
    return isQueueing
      ? this.#exceeds(sample, this.#noise, this.#noise, datagramBytes)
      : this.#exceeds(sample, MAX_NOISE, 0, datagramBytes);
  }

  /** More was lost since a packet was sent than what was in flight then explains. */
  isTooHigh(sample: AckSample | LossSample, isQueueing: boolean, datagramBytes: number): boolean {
    return isQueueing
      ? this.#exceeds(sample, this.#noise, LOSS_THRESHOLD, datagramBytes)
      : this.#exceeds(sample, MAX_NOISE, 0, datagramBytes);
  }

  /** Losses beside packets that met no queue are noise (spec congestion 4.3). */
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

  /** More was lost than noise and a share on top. Noise varies, and few packets tell little of it: two standard deviations are no evidence
   *  (spec congestion 4.3). */
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
