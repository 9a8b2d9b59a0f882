import { type AckSample, initialWindow } from '../controller.js';
import type { FullPipe } from './full-pipe.js';
import type { InflightBounds } from './inflight-bounds.js';
import type { PathModel } from './path-model.js';
import { GAINS, isProbingCycle, type State } from './states.js';

/** The window gain in CRUISE while a queue is standing. We send at the rate that the path delivers, so the queue is not
 *  ours, and we leave room for the flow that it belongs to (spec congestion 4.5). */
const SHARED_WINDOW_GAIN = 1;
/** We send slightly slower than the measured bandwidth, so that a queue drains. */
const PACING_MARGIN = 0.99;
const MIN_WINDOW_DATAGRAMS = 4;

/** The two numbers that BBR gives to the connection: the pacing rate and the window (draft-ietf-ccwg-bbr §5.6).
 *
 *  Both are computed again after each ACK, from the path model, the bounds and the gains of the state. The only memory
 *  that this object has of its own is the window to return to after losses or ProbeRTT have cut it. Bbr owns it and
 *  decides on the state, which this object never changes. Sizes are in bytes, times in milliseconds. */
export class SendLimits {
  /** How much may be in flight. */
  windowBytes: number;
  /** Bytes per millisecond. */
  pacingRate: number;
  datagramBytes: number;
  /** Bytes per millisecond: the measured bandwidth, or the short-term bound if that is lower. */
  bandwidth = 0;

  readonly #model: PathModel;
  readonly #bounds: InflightBounds;
  readonly #pipe: FullPipe;
  /** The window to return to after it was cut. */
  #priorWindow = 0;
  #hasSeenRtt = false;

  constructor(datagramBytes: number, model: PathModel, bounds: InflightBounds, pipe: FullPipe) {
    this.datagramBytes = datagramBytes;
    this.#model = model;
    this.#bounds = bounds;
    this.#pipe = pipe;
    this.windowBytes = initialWindow(datagramBytes);
    this.pacingRate = GAINS.startup.pacing * this.windowBytes;
  }

  /** The window never falls below this (spec congestion 4.6). */
  get minWindow(): number {
    return MIN_WINDOW_DATAGRAMS * this.datagramBytes;
  }
  /** How much may be in flight in ProbeRTT. */
  get probeRttWindow(): number {
    return Math.max(this.bandwidthDelay(GAINS['probe-rtt'].window), this.minWindow);
  }
  /** How much we would like to have in flight: what fills the path, if the window permits that. */
  get targetInflight(): number {
    return Math.min(this.bandwidthDelay(1), this.windowBytes);
  }

  /** Bandwidth × shortest round trip × gain, or the initial window if either is unknown. */
  bandwidthDelay(gain: number): number {
    const { minRttMs } = this.#model;
    if (minRttMs === Number.POSITIVE_INFINITY || this.bandwidth === 0)
      return initialWindow(this.datagramBytes);
    return gain * this.bandwidth * minRttMs;
  }

  /** Raises `bytes` to what a sender that works in batches needs to stay busy (§5.6.4.2). */
  inflightFor(state: State, bytes: number): number {
    const quantum = Math.min(Math.max(this.pacingRate, 2 * this.datagramBytes), 65_536);
    const budget = Math.max(bytes, 3 * quantum, this.minWindow);
    return state === 'up' ? budget + 2 * this.datagramBytes : budget;
  }

  // ---- rate -------------------------------------------------------------------------------------------------

  /** Takes the bandwidth from the model. The first round trip also resets the pacing rate, because the initial rate was
   *  made from a guess (spec congestion 4.2). */
  updateBandwidth(sample: AckSample): void {
    this.bandwidth = Math.min(this.#model.maxBandwidth, this.#bounds.shortTermBandwidth);
    if (this.#hasSeenRtt || !sample.hasRttSample) return;
    this.#hasSeenRtt = true;
    this.pacingRate = (GAINS.startup.pacing * initialWindow(this.datagramBytes)) / sample.latestRttMs;
  }

  /** Sets the pacing rate. Until the pipe is full, it only rises. */
  setPacingRate(gain: number): void {
    const rate = gain * this.bandwidth * PACING_MARGIN;
    if (rate > 0 && (this.#pipe.isFull || rate > this.pacingRate)) this.pacingRate = rate;
  }

  // ---- window -----------------------------------------------------------------------------------------------

  /** Sets the window after an ACK. */
  setWindow(state: State, sample: AckSample): void {
    const delay = this.bandwidthDelay(this.#windowGain(state));
    const target = this.inflightFor(state, delay + this.#model.extraAckedBytes);
    const grown = this.windowBytes + sample.ackedBytes;
    if (this.#pipe.isFull) this.windowBytes = Math.min(grown, target);
    else if (this.windowBytes < target || sample.totalDeliveredBytes < initialWindow(this.datagramBytes)) {
      this.windowBytes = grown;
    }
    if (state === 'probe-rtt') this.windowBytes = Math.min(this.windowBytes, this.probeRttWindow);
    this.windowBytes = Math.min(Math.max(this.windowBytes, this.minWindow), this.#windowCap(state));
  }

  /** Remembers the window before it is cut. If it may have been cut already, after a loss or in ProbeRTT, the larger of
   *  the old and the current one is remembered. */
  save(state: State): void {
    const isUncut = !this.#bounds.hasLostInRound && state !== 'probe-rtt';
    this.#priorWindow = isUncut ? this.windowBytes : Math.max(this.#priorWindow, this.windowBytes);
  }

  /** Returns to the window that was remembered, if that is larger. */
  restore(): void {
    this.windowBytes = Math.max(this.windowBytes, this.#priorWindow);
  }

  #windowGain(state: State): number {
    if (state === 'cruise' && this.#model.standingRounds > 0) return SHARED_WINDOW_GAIN;
    return GAINS[state].window;
  }

  #windowCap(state: State): number {
    const bounds = this.#bounds;
    let cap = Number.POSITIVE_INFINITY;
    if (state === 'probe-rtt' || state === 'cruise') {
      cap = bounds.withHeadroom(this.datagramBytes, this.minWindow);
    } else if (isProbingCycle(state)) cap = bounds.longTermBytes;
    return Math.max(Math.min(cap, bounds.shortTermBytes), this.minWindow);
  }
}
