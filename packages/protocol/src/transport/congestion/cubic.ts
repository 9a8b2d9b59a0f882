import {
  type AckSample,
  type CongestionController,
  initialWindow,
  type LossSample,
  minimumWindow,
} from './controller.js';
import { HyStart } from './hystart.js';

/** How fast the window grows, in datagrams per second cubed (RFC 9438 §5). */
const C = 0.4;
/** What is left of the window after a cut (§4.6). */
const BETA = 0.7;
/** Datagrams per round trip by which Reno would have to grow with this BETA to get the same average window (§4.3). */
const RENO_ALPHA = (3 * (1 - BETA)) / (1 + BETA);

/** Everything that a cut changes. A copy of it from before the cut makes a spurious cut undoable (§4.9.2). */
interface Epoch {
  /** The congestion window (cwnd). */
  window: number;
  /** Below it is slow start (ssthresh). */
  slowStartThreshold: number;
  /** The window at the last cut (W_max). */
  peak: number;
  /** How many seconds after `startedAt` the window is back at the peak (K). */
  returnSeconds: number;
  /** When the curve starts. Undefined until the first ACK after a cut. */
  startedAt: number | undefined;
  /** The window that Reno would have now (W_est). */
  renoWindow: number;
}

/** CUBIC (RFC 9438), with HyStart++ for slow start (RFC 9406).
 *
 *  A loss cuts the window to 0.7 of its size. From then on the window is a cubic function of the time since the cut: it
 *  rises quickly at first, is flat around the size at which the loss occurred, and rises quickly again beyond that. So
 *  it stays long where it is known to fit, and does not depend on the round-trip time. Where Reno would have grown
 *  further by now, its window is used instead.
 *
 *  The controller owns the window, and what it takes to undo the last cut. The connection reports to it what was sent,
 *  acknowledged and lost. It cuts at most once per round trip. Sizes are in bytes, times in milliseconds, except where
 *  a name says seconds. */
export class Cubic implements CongestionController {
  readonly name = 'cubic';
  readonly pacingRate = undefined;
  readonly isHoldingBack = false;
  #datagramBytes: number;
  #epoch: Epoch;
  /** When the last cut was made. Packets sent before it belong to the round trip of that cut. */
  #recoveryStartedAt = -1;
  /** The state before the last cut, until it can no longer be undone. */
  #beforeCut: Epoch | undefined;
  /** When the cut before the last one was made. The last cut was made for packets sent since then. */
  #cutSince = -1;
  /** Since when the application has been what limits sending. That time does not count for the curve (§5.8). */
  #limitedSince: number | undefined;
  #hyStart = new HyStart();

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes;
    this.#epoch = {
      window: initialWindow(datagramBytes),
      slowStartThreshold: Number.POSITIVE_INFINITY,
      peak: 0,
      returnSeconds: 0,
      startedAt: undefined,
      renoWindow: 0,
    };
  }

  get windowBytes(): number {
    return this.#epoch.window;
  }
  get isInSlowStart(): boolean {
    return this.#epoch.window < this.#epoch.slowStartThreshold;
  }

  onPacketSent(): void {}

  onAck(sample: AckSample): void {
    const epoch = this.#epoch;
    if (sample.applicationLimited) {
      this.#limitedSince ??= sample.now;
      return;
    }
    if (this.#limitedSince !== undefined) {
      if (epoch.startedAt !== undefined) epoch.startedAt += sample.now - this.#limitedSince;
      this.#limitedSince = undefined;
    }
    if (sample.newestSentAt <= this.#recoveryStartedAt) return;
    if (this.isInSlowStart) {
      const growth = this.#hyStart.onAck(sample);
      if (growth === undefined) epoch.slowStartThreshold = epoch.window;
      else epoch.window += growth;
      return;
    }
    this.#avoidCongestion(sample);
  }

  onPacketLost(loss: LossSample): void {
    // One cut per round trip.
    if (loss.sentAt <= this.#recoveryStartedAt) return;
    this.#cutSince = this.#recoveryStartedAt;
    this.#recoveryStartedAt = loss.now;
    this.#beforeCut = { ...this.#epoch };
    const epoch = this.#epoch;
    // Fast convergence: a flow whose window did not get back to its peak makes room for others (§4.7).
    epoch.peak = epoch.window < epoch.peak ? (epoch.window * (1 + BETA)) / 2 : epoch.window;
    epoch.window = Math.max(epoch.window * BETA, minimumWindow(this.#datagramBytes));
    epoch.slowStartThreshold = epoch.window;
    epoch.startedAt = undefined;
  }

  onSpuriousLoss(_now: number, sentAt: number): void {
    if (this.#beforeCut === undefined || sentAt <= this.#cutSince || sentAt > this.#recoveryStartedAt) return;
    if (this.#epoch.window < this.#beforeCut.window) this.#epoch = this.#beforeCut;
    this.#beforeCut = undefined;
  }

  onPersistentCongestion(): void {
    const epoch = this.#epoch;
    epoch.slowStartThreshold = Math.max(epoch.window * BETA, minimumWindow(this.#datagramBytes));
    epoch.window = minimumWindow(this.#datagramBytes);
    epoch.startedAt = undefined;
    this.#hyStart = new HyStart();
    this.#recoveryStartedAt = -1;
    this.#beforeCut = undefined;
  }

  onDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes;
    this.#epoch.window = Math.max(this.#epoch.window, minimumWindow(datagramBytes));
  }

  /** Grows the window in congestion avoidance (§4.2 to §4.5). */
  #avoidCongestion(sample: AckSample): void {
    const epoch = this.#epoch;
    const size = this.#datagramBytes;
    if (epoch.startedAt === undefined) {
      epoch.startedAt = sample.now;
      if (epoch.peak < epoch.window) epoch.peak = epoch.window;
      epoch.returnSeconds = Math.cbrt((epoch.peak - epoch.window) / size / C);
      epoch.renoWindow = epoch.window;
    }
    const seconds = (sample.now - epoch.startedAt + sample.smoothedRttMs) / 1000 - epoch.returnSeconds;
    const curve = epoch.peak + C * seconds * seconds * seconds * size;
    const target = Math.min(Math.max(curve, epoch.window), 1.5 * epoch.window);
    const alpha = epoch.renoWindow >= epoch.peak ? 1 : RENO_ALPHA;
    epoch.renoWindow += (alpha * sample.ackedBytes * size) / epoch.window;
    const grown = epoch.window + ((target - epoch.window) * sample.ackedBytes) / epoch.window;
    epoch.window = Math.max(grown, Math.min(epoch.renoWindow, 1.5 * epoch.window));
  }
}
