import {
  type AckSample,
  type CongestionController,
  initialWindow,
  type LossSample,
  minimumWindow,
} from './controller.js';

const LOSS_REDUCTION = 0.5;

/** NewReno (RFC 9002 §7.3), the simplest of the controllers and the one to read first.
 *
 *  In slow start, the window grows by as much as is acknowledged, so it doubles every round trip. A loss halves it and
 *  ends slow start. From then on it grows by one datagram per round trip, until the next loss.
 *
 *  The controller owns the window, and what it takes to undo the last cut. The connection reports to it what was
 *  acknowledged and lost. It cuts at most once per round trip. Sizes are in bytes, times in milliseconds. */
export class NewReno implements CongestionController {
  readonly name = 'newreno';
  readonly pacingRate = undefined;
  readonly isHoldingBack = false;
  windowBytes: number;
  #datagramBytes: number;
  #slowStartThreshold = Number.POSITIVE_INFINITY;
  /** When the last cut was made. Packets sent before it belong to the round trip of that cut. */
  #recoveryStartedAt = -1;
  /** Bytes acknowledged since the window last grew in congestion avoidance. */
  #acked = 0;
  /** The state before the last cut, which was made at `at` for packets sent after `since`. */
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
    // One cut per round trip.
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
    if (before === undefined) return;
    // A packet that caused an earlier cut does not refute this one.
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
