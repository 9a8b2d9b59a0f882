/** NewReno (RFC 9002 §7.3): the readable one. Slow start to the first loss, then one datagram more per round trip, half at a loss. */
import {
  type AckSample,
  type CongestionController,
  initialWindow,
  type LossSample,
  minimumWindow,
} from './controller.js';

const LOSS_REDUCTION = 0.5;

export class NewReno implements CongestionController {
  readonly name = 'newreno';
  readonly pacingRate = undefined;
  readonly isHoldingBack = false;
  windowBytes: number;
  #datagramBytes: number;
  #slowStartThreshold = Number.POSITIVE_INFINITY;
  /** Packets sent before it belong to the round trip of the last cut. */
  #recoveryStartedAt = -1;
  /** Bytes acknowledged towards the next datagram of growth. */
  #acked = 0;
  /** The window before the last cut. */
  #before: { window: number; threshold: number; since: number; at: number } | undefined;

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes;
    this.windowBytes = initialWindow(datagramBytes);
  }

  get isInSlowStart(): boolean {
    return this.windowBytes < this.#slowStartThreshold;
  }

  onPacketSent(): void {}

  onAck(sample: AckSample): void {
    if (sample.applicationLimited || sample.newestSentAt <= this.#recoveryStartedAt) return;
    if (this.isInSlowStart) {
      this.windowBytes += sample.ackedBytes;
      return;
    }
    this.#acked += sample.ackedBytes;
    if (this.#acked >= this.windowBytes) {
      this.#acked -= this.windowBytes;
      this.windowBytes += this.#datagramBytes;
    }
  }

  onPacketLost({ now, sentAt }: LossSample): void {
    // One cut for each round trip.
    if (sentAt <= this.#recoveryStartedAt) return;
    this.#before = {
      window: this.windowBytes,
      threshold: this.#slowStartThreshold,
      since: this.#recoveryStartedAt,
      at: now,
    };
    this.#recoveryStartedAt = now;
    this.windowBytes = Math.max(this.windowBytes * LOSS_REDUCTION, minimumWindow(this.#datagramBytes));
    this.#slowStartThreshold = this.windowBytes;
    this.#acked = 0;
  }

  onSpuriousLoss(_now: number, sentAt: number): void {
    const before = this.#before;
    if (before === undefined || before.at !== this.#recoveryStartedAt) return;
    // A packet that an earlier cut was for says nothing about this one.
    if (sentAt <= before.since || sentAt > before.at) return;
    this.windowBytes = Math.max(this.windowBytes, before.window);
    this.#slowStartThreshold = before.threshold;
    this.#before = undefined;
  }

  onPersistentCongestion(): void {
    this.windowBytes = minimumWindow(this.#datagramBytes);
    this.#recoveryStartedAt = -1;
    this.#before = undefined;
  }

  onDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes;
    this.windowBytes = Math.max(this.windowBytes, minimumWindow(datagramBytes));
  }
}
