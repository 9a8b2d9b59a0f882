/** CUBIC (RFC 9438): after a cut the window returns along a cubic curve of time, flat around the size at which the loss came. */
import {
  type AckSample,
  type CongestionController,
  initialWindow,
  type LossSample,
  minimumWindow,
} from './controller.js';
import { HyStart } from './hystart.js';

/** RFC 9438 §5: window growth, in datagrams per second cubed. */
const C = 0.4;
const BETA = 0.7;
/** Growth that equals Reno's average with this BETA (§4.3). */
const RENO_ALPHA = (3 * (1 - BETA)) / (1 + BETA);

/** All that one cut changes, so that a spurious one can be undone (§4.9.2). */
interface Epoch {
  window: number;
  slowStartThreshold: number;
  /** Window at the last cut, in bytes (W_max). */
  peak: number;
  /** Seconds from the epoch's start to the return to the peak (K). */
  returnSeconds: number;
  startedAt: number | undefined;
  renoWindow: number;
}

export class Cubic implements CongestionController {
  readonly name = 'cubic';
  readonly pacingRate = undefined;
  readonly isHoldingBack = false;
  #datagramBytes: number;
  #epoch: Epoch;
  #recoveryStartedAt = -1;
  #beforeCut: Epoch | undefined;
  /** When the cut before the last was: the last one is of packets sent since. */
  #cutSince = -1;
  /** Since when the application is what limits us; that time does not count for the curve (§5.8). */
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
    // One cut for each round trip.
    if (loss.sentAt <= this.#recoveryStartedAt) return;
    this.#cutSince = this.#recoveryStartedAt;
    this.#recoveryStartedAt = loss.now;
    this.#beforeCut = { ...this.#epoch };
    const epoch = this.#epoch;
    // Fast convergence: a window that did not come back to its peak makes room for others (§4.7).
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

  /** §4.2 to §4.5, in bytes. */
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
