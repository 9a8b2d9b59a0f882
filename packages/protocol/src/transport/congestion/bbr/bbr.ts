/** BBR, version 3 (draft-ietf-ccwg-bbr): sends at the rate at which the path delivers, and not until packets are lost.
 *
 *  It cycles: go DOWN until the queue is empty, CRUISE at the measured bandwidth, REFILL the pipe, go UP to see whether there is
 *  more; and now and then empty the queue to measure the round trip. Bytes and milliseconds. */
import { type AckSample, type CongestionController, initialWindow, type LossSample } from '../controller.js';
import { BoundGrowth } from './bound-growth.js';
import { FullPipe } from './full-pipe.js';
import { InflightBounds } from './inflight-bounds.js';
import { PathModel } from './path-model.js';
import { StartupExit } from './startup-exit.js';

type State = 'startup' | 'drain' | 'down' | 'cruise' | 'refill' | 'up' | 'probe-rtt';

/** §2.4, §5.6: how much faster than the bandwidth, and how much more than bandwidth × round trip may be in flight. */
const GAINS: Readonly<Record<State, { readonly pacing: number; readonly window: number }>> = {
  startup: { pacing: 2.77, window: 2 },
  drain: { pacing: 0.5, window: 2 },
  down: { pacing: 0.9, window: 2 },
  cruise: { pacing: 1, window: 2 },
  refill: { pacing: 1, window: 2 },
  up: { pacing: 1.25, window: 2.25 },
  'probe-rtt': { pacing: 1, window: 0.5 },
};
/** In CRUISE while a queue stands: we send at the rate that the path delivers, so somebody else keeps it (spec congestion 4.5). */
const SHARED_WINDOW_GAIN = 1;
/** A little slower than measured, so that a queue drains. */
const PACING_MARGIN = 0.99;
const MIN_WINDOW_DATAGRAMS = 4;
const STARTUP_LOSS_EVENTS = 6;
const MAX_DRAIN_ROUNDS = 3;
/** A probe ends when a queue stood for so many rounds of it. */
const MAX_QUEUE_ROUNDS = 3;
/** ... and in each of the last so many: one long round may be the path's own wander. */
const MIN_STANDING_ROUNDS = 2;
const PROBE_RTT_DURATION_MS = 200;
/** The next probe for bandwidth comes 2 to 3 s after the last, or after as many rounds as Reno needs to grow by one flight. */
const MIN_PROBE_WAIT_MS = 2_000;
const PROBE_WAIT_SPREAD_MS = 1_000;
/** After a probe that ended in losses: so many times as long, which is what CUBIC needs to come back (spec congestion 4.5). */
const PROBE_WAIT_AFTER_LOSS = 4;
const MAX_PROBE_ROUNDS = 63;

/** Which packets the ACKs are about that arrive now: those sent before, during or after a probe. */
type AckPhase = 'none' | 'refilling' | 'starting' | 'feedback' | 'stopping';

export class Bbr implements CongestionController {
  readonly name = 'bbr';
  windowBytes: number;
  pacingRate: number;

  readonly #fraction: () => number;
  readonly #model = new PathModel();
  readonly #bounds = new InflightBounds();
  readonly #pipe = new FullPipe();
  readonly #growth = new BoundGrowth();
  readonly #startupExit = new StartupExit();
  #datagramBytes: number;
  #state: State = 'startup';
  /** Bytes per millisecond: the bandwidth as far as the bounds permit. */
  #bandwidth = 0;
  #hasSeenRtt = false;
  /** The window to return to. */
  #priorWindow = 0;
  #undoState: State | undefined;

  #drainStartRound = 0;

  #ackPhase: AckPhase = 'none';
  #isProbeSample = false;
  #wasTooHigh = false;
  #wasPrecautionary = false;
  #cycleAt = 0;
  #upSinceRound = 0;
  #probeWaitMs = 0;
  #roundsSinceProbe = 0;

  #probeRttDoneAt: number | undefined;
  #hasProbeRttRound = false;
  #isRestarting = false;

  /** @param fraction random, in [0, 1) */
  constructor(datagramBytes: number, fraction: () => number) {
    this.#fraction = fraction;
    this.#datagramBytes = datagramBytes;
    this.windowBytes = initialWindow(datagramBytes);
    this.pacingRate = GAINS.startup.pacing * this.windowBytes;
  }

  get isInSlowStart(): boolean {
    return this.#state === 'startup';
  }
  get isHoldingBack(): boolean {
    return this.#state === 'probe-rtt';
  }

  // ---- what happens -----------------------------------------------------------------------------------------

  onPacketSent(now: number, bytes: number, bytesInFlight: number): void {
    // §5.4.1: nothing was in flight, so there was nothing to send.
    if (bytesInFlight !== bytes || this.#model.rounds === 0) return;
    this.#isRestarting = true;
    this.#model.restartAggregation(now);
    if (this.#isProbingCycle) this.#setPacingRate(1);
    else if (this.#state === 'probe-rtt') this.#endProbeRttIfDone(now, 0);
  }

  onPacketLost(loss: LossSample): void {
    if (!this.#bounds.hasLostInRound) {
      this.#saveWindow();
      this.#undoState = undefined;
    }
    this.#bounds.noteLoss(loss);
    if (!this.#isProbeSample || !this.#isTooHigh(loss)) return;
    // §5.3.3.4: only once per probe
    this.#wasTooHigh = true;
    this.#isProbeSample = false;
    if (!loss.rateApplicationLimited) {
      this.#bounds.onInflightTooHigh(this.#bounds.inflightAtLoss(loss), this.#targetInflight);
    }
    if (this.#state !== 'up') return;
    this.#undoState = 'up';
    this.#startDown(loss.now, loss.totalDeliveredBytes);
  }

  onAck(sample: AckSample): void {
    this.#updateModel(sample);
    this.#setPacingRate(GAINS[this.#state].pacing);
    this.#setWindow(sample);
  }

  onSpuriousLoss(): void {
    this.#restoreWindow();
    this.#bounds.undo();
    this.#pipe.reset();
    const undo = this.#undoState;
    this.#undoState = undefined;
    if (undo === undefined || undo === this.#state || this.#state === 'probe-rtt') return;
    if (undo === 'startup') {
      this.#pipe.isFull = false;
      this.#state = 'startup';
    } else if (undo === 'up') this.#startRefill();
  }

  onPersistentCongestion(): void {
    this.#saveWindow();
    this.windowBytes = this.#minWindow;
  }

  onDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes;
    this.windowBytes = Math.max(this.windowBytes, this.#minWindow);
  }

  // ---- the model (§5.2.3) -----------------------------------------------------------------------------------

  #updateModel(sample: AckSample): void {
    const model = this.#model;
    const bounds = this.#bounds;
    bounds.beginAck(sample, model.isQuiet(sample.latestRttMs));
    model.updateRound(sample);
    if (model.isRoundStart) this.#roundsSinceProbe++;
    model.updateBandwidth(sample);
    if (
      bounds.isLossRoundStart &&
      bounds.hasLostInRound &&
      !this.#isProbingBandwidth &&
      !this.#isProbeEcho &&
      bounds.isCongested(sample, model.isQueueing, this.#datagramBytes)
    ) {
      bounds.adaptShortTerm(model.maxBandwidth, this.windowBytes);
    }
    model.updateAggregation(sample, this.#bandwidth, this.windowBytes, this.#pipe.isFull);
    this.#pipe.check(sample, model.isRoundStart);
    this.#resumeStartup();
    this.#checkStartup(sample);
    if (bounds.isLossRoundStart) bounds.endLossRound();
    this.#checkDrain(sample);
    this.#updateCycle(sample);
    model.updateMinRtt(sample, this.#isDraining);
    this.#checkProbeRtt(sample);
    bounds.endAck(sample);
    this.#bandwidth = Math.min(model.maxBandwidth, bounds.shortTermBandwidth);
    if (!this.#hasSeenRtt && sample.hasRttSample) {
      this.#hasSeenRtt = true;
      this.pacingRate = (GAINS.startup.pacing * initialWindow(this.#datagramBytes)) / sample.latestRttMs;
    }
  }

  #checkStartup(sample: AckSample): void {
    if (this.#state !== 'startup') return;
    const bounds = this.#bounds;
    if (
      !this.#pipe.isFull &&
      bounds.isLossRoundStart &&
      bounds.lossEvents >= STARTUP_LOSS_EVENTS &&
      this.#isTooHigh(sample)
    ) {
      this.#undoState = 'startup';
      this.#pipe.isFull = true;
      bounds.longTermBytes = Math.max(this.#bandwidthDelay(1), bounds.latestBytes);
      this.#startupExit.note(sample.latestRttMs, this.#model.rounds);
    }
    if (!this.#pipe.isFull) return;
    this.#state = 'drain';
    this.#drainStartRound = this.#model.rounds;
  }

  /** Back to Startup when the queue that seemed to end it was none (spec congestion 4.3). */
  #resumeStartup(): void {
    if (this.#state === 'startup' || this.#state === 'probe-rtt') return;
    if (!this.#model.isRoundStart || !this.#startupExit.takeRefuted(this.#model)) return;
    this.#bounds.longTermBytes = Number.POSITIVE_INFINITY;
    this.#bounds.resetShortTerm();
    this.#pipe.reset();
    this.#pipe.isFull = false;
    this.#ackPhase = 'none';
    this.#isProbeSample = false;
    this.#state = 'startup';
  }

  #checkDrain(sample: AckSample): void {
    if (this.#state !== 'drain') return;
    const isOver = this.#model.rounds > this.#drainStartRound + MAX_DRAIN_ROUNDS;
    if (isOver || sample.bytesInFlight <= this.#inflightFor(this.#bandwidthDelay(1))) {
      this.#startDown(sample.now, sample.totalDeliveredBytes);
    }
  }

  // ---- the cycle (§5.3.3) -----------------------------------------------------------------------------------

  #updateCycle(sample: AckSample): void {
    if (!this.#pipe.isFull) return;
    if (this.#adaptLongTerm(sample)) return;
    const { now, totalDeliveredBytes } = sample;
    switch (this.#state) {
      case 'down':
        if (this.#startProbeIfTime(sample)) return;
        if (this.#isTimeToCruise(sample)) this.#state = 'cruise';
        return;
      case 'cruise':
        this.#startProbeIfTime(sample);
        return;
      case 'refill':
        if (!this.#model.isRoundStart) return;
        this.#isProbeSample = true;
        this.#startUp(sample);
        return;
      case 'up':
        if (!this.#isTimeToGoDown(sample)) return;
        this.#wasTooHigh = false;
        this.#startDown(now, totalDeliveredBytes);
        return;
    }
  }

  /** @returns true when it began another state */
  #adaptLongTerm(sample: AckSample): boolean {
    const bounds = this.#bounds;
    const { isRoundStart } = this.#model;
    if (this.#ackPhase === 'starting' && isRoundStart) this.#ackPhase = 'feedback';
    if (this.#ackPhase === 'stopping' && isRoundStart) {
      this.#isProbeSample = false;
      this.#ackPhase = 'none';
      if (this.#isProbingCycle && !sample.rateApplicationLimited) this.#model.advanceCycle();
      if (this.#isProbingCycle && this.#wasPrecautionary && !this.#wasTooHigh) {
        this.#startRefill(sample.totalDeliveredBytes);
        return true;
      }
    }
    if (this.#isTooHigh(sample)) return false;
    if (bounds.longTermBytes === Number.POSITIVE_INFINITY) return false;
    if (sample.bytesInFlightAtSend > bounds.longTermBytes) bounds.longTermBytes = sample.bytesInFlightAtSend;
    if (this.#state === 'up') this.#raiseLongTerm(sample);
    return false;
  }

  #raiseLongTerm(sample: AckSample): void {
    if (!sample.windowLimited || this.windowBytes < this.#bounds.longTermBytes) return;
    this.#bounds.longTermBytes += this.#growth.onAcked(sample.ackedBytes) * this.#datagramBytes;
    if (this.#model.isRoundStart) this.#growth.steepen(this.windowBytes, this.#datagramBytes);
  }

  #isTooHigh(sample: AckSample | LossSample): boolean {
    return this.#bounds.isTooHigh(sample, this.#model.isQueueing, this.#datagramBytes);
  }

  #startProbeIfTime({ now, totalDeliveredBytes }: AckSample): boolean {
    const renoRounds = Math.min(this.#targetInflight / this.#datagramBytes, MAX_PROBE_ROUNDS);
    const isRoundsOver = !this.#wasTooHigh && this.#roundsSinceProbe >= renoRounds;
    if (now <= this.#cycleAt + this.#probeWaitMs && !isRoundsOver) return false;
    this.#startRefill(totalDeliveredBytes);
    return true;
  }

  #isTimeToCruise({ bytesInFlight }: AckSample): boolean {
    if (bytesInFlight > this.#bounds.withHeadroom(this.#datagramBytes, this.#minWindow)) return false;
    return bytesInFlight <= this.#inflightFor(this.#model.maxBandwidth * this.#minRtt);
  }

  #isTimeToGoDown(sample: AckSample): boolean {
    const { longTermBytes } = this.#bounds;
    // Nothing is free that could be found (spec congestion 4.5).
    if (
      this.#model.standingRounds >= MIN_STANDING_ROUNDS &&
      this.#model.rounds >= this.#upSinceRound + MAX_QUEUE_ROUNDS
    ) {
      return true;
    }
    if (this.#wasTooHigh && sample.bytesInFlight >= longTermBytes) {
      this.#wasPrecautionary = true;
      return true;
    }
    if (sample.windowLimited && this.windowBytes >= longTermBytes) {
      this.#pipe.reset(sample.deliveryRate);
      return false;
    }
    return this.#pipe.isFullNow;
  }

  #startDown(now: number, totalDeliveredBytes: number): void {
    this.#roundsSinceProbe = this.#fraction() < 0.5 ? 0 : 1;
    this.#probeWaitMs = MIN_PROBE_WAIT_MS + this.#fraction() * PROBE_WAIT_SPREAD_MS;
    if (this.#wasTooHigh) this.#probeWaitMs *= PROBE_WAIT_AFTER_LOSS;
    this.#cycleAt = now;
    this.#leaveProbe(totalDeliveredBytes);
    this.#state = 'down';
  }

  #leaveProbe(totalDeliveredBytes: number): void {
    this.#bounds.resetSignals();
    this.#growth.stop();
    this.#ackPhase = 'stopping';
    this.#model.startRound(totalDeliveredBytes);
  }

  /** @param totalDeliveredBytes undefined leaves the round as it is */
  #startRefill(totalDeliveredBytes?: number): void {
    this.#bounds.resetShortTerm();
    this.#growth.restart();
    this.#wasPrecautionary = false;
    this.#ackPhase = 'refilling';
    if (totalDeliveredBytes !== undefined) this.#model.startRound(totalDeliveredBytes);
    this.#state = 'refill';
  }

  #startUp(sample: AckSample): void {
    this.#ackPhase = 'starting';
    this.#model.startRound(sample.totalDeliveredBytes);
    this.#pipe.reset(sample.deliveryRate);
    this.#state = 'up';
    this.#upSinceRound = this.#model.rounds;
    this.#growth.steepen(this.windowBytes, this.#datagramBytes);
  }

  // ---- measuring the round trip (§5.3.4) --------------------------------------------------------------------

  #checkProbeRtt(sample: AckSample): void {
    const { totalDeliveredBytes } = sample;
    if (this.#state !== 'probe-rtt' && this.#model.isProbeRttDue && !this.#isRestarting) {
      this.#saveWindow();
      this.#state = 'probe-rtt';
      this.#probeRttDoneAt = undefined;
      this.#ackPhase = 'stopping';
      this.#model.startRound(totalDeliveredBytes);
    }
    if (this.#state === 'probe-rtt') this.#handleProbeRtt(sample);
    if (sample.deliveredBytes > 0) this.#isRestarting = false;
  }

  #handleProbeRtt({ now, bytesInFlight, totalDeliveredBytes }: AckSample): void {
    if (this.#probeRttDoneAt === undefined) {
      if (bytesInFlight > this.#probeRttWindow) return;
      this.#probeRttDoneAt = now + PROBE_RTT_DURATION_MS;
      this.#hasProbeRttRound = false;
      this.#model.startRound(totalDeliveredBytes);
      return;
    }
    if (this.#model.isRoundStart) this.#hasProbeRttRound = true;
    if (this.#hasProbeRttRound) this.#endProbeRttIfDone(now, totalDeliveredBytes);
  }

  #endProbeRttIfDone(now: number, totalDeliveredBytes: number): void {
    if (this.#probeRttDoneAt === undefined || now <= this.#probeRttDoneAt) return;
    this.#model.onProbeRttDone(now);
    this.#restoreWindow();
    this.#bounds.resetShortTerm();
    if (!this.#pipe.isFull) {
      this.#state = 'startup';
      return;
    }
    // The wait for the next probe for bandwidth goes on: begun anew each time it would never end (spec congestion 4.4).
    this.#leaveProbe(totalDeliveredBytes);
    this.#state = 'cruise';
  }

  // ---- rate and window (§5.6) -------------------------------------------------------------------------------

  #setPacingRate(gain: number): void {
    const rate = gain * this.#bandwidth * PACING_MARGIN;
    if (rate > 0 && (this.#pipe.isFull || rate > this.pacingRate)) this.pacingRate = rate;
  }

  #setWindow(sample: AckSample): void {
    const target = this.#inflightFor(this.#bandwidthDelay(this.#windowGain()) + this.#model.extraAckedBytes);
    const grown = this.windowBytes + sample.ackedBytes;
    if (this.#pipe.isFull) this.windowBytes = Math.min(grown, target);
    else if (this.windowBytes < target || sample.totalDeliveredBytes < initialWindow(this.#datagramBytes)) {
      this.windowBytes = grown;
    }
    if (this.#state === 'probe-rtt') this.windowBytes = Math.min(this.windowBytes, this.#probeRttWindow);
    this.windowBytes = Math.min(Math.max(this.windowBytes, this.#minWindow), this.#windowCap());
  }

  #windowGain(): number {
    if (this.#state === 'cruise' && this.#model.standingRounds > 0) return SHARED_WINDOW_GAIN;
    return GAINS[this.#state].window;
  }

  #windowCap(): number {
    const bounds = this.#bounds;
    let cap = Number.POSITIVE_INFINITY;
    if (this.#state === 'probe-rtt' || this.#state === 'cruise') {
      cap = bounds.withHeadroom(this.#datagramBytes, this.#minWindow);
    } else if (this.#isProbingCycle) cap = bounds.longTermBytes;
    return Math.max(Math.min(cap, bounds.shortTermBytes), this.#minWindow);
  }

  #saveWindow(): void {
    const isUndisturbed = !this.#bounds.hasLostInRound && this.#state !== 'probe-rtt';
    this.#priorWindow = isUndisturbed ? this.windowBytes : Math.max(this.#priorWindow, this.windowBytes);
  }

  #restoreWindow(): void {
    this.windowBytes = Math.max(this.windowBytes, this.#priorWindow);
  }

  get #minWindow(): number {
    return MIN_WINDOW_DATAGRAMS * this.#datagramBytes;
  }
  get #minRtt(): number {
    return this.#model.minRttMs;
  }
  get #probeRttWindow(): number {
    return Math.max(this.#bandwidthDelay(GAINS['probe-rtt'].window), this.#minWindow);
  }
  get #targetInflight(): number {
    return Math.min(this.#bandwidthDelay(1), this.windowBytes);
  }
  /** Our own queue is meant to shrink. */
  get #isDraining(): boolean {
    return this.#state === 'down' || this.#state === 'drain' || this.#state === 'probe-rtt';
  }
  get #isProbingBandwidth(): boolean {
    return this.#state === 'startup' || this.#state === 'refill' || this.#state === 'up';
  }
  /** The losses that show now come of packets that Startup or UP sent: the long-term bound has judged them. */
  get #isProbeEcho(): boolean {
    return this.#state === 'drain' || this.#ackPhase === 'stopping';
  }
  get #isProbingCycle(): boolean {
    return (
      this.#state === 'down' || this.#state === 'cruise' || this.#state === 'refill' || this.#state === 'up'
    );
  }

  /** Bandwidth × shortest round trip × gain. */
  #bandwidthDelay(gain: number): number {
    if (this.#minRtt === Number.POSITIVE_INFINITY || this.#bandwidth === 0) {
      return initialWindow(this.#datagramBytes);
    }
    return gain * this.#bandwidth * this.#minRtt;
  }

  /** §5.6.4.2: no less than what keeps a sender busy that works in batches. */
  #inflightFor(bytes: number): number {
    const quantum = Math.min(Math.max(this.pacingRate, 2 * this.#datagramBytes), 65_536);
    const budget = Math.max(bytes, 3 * quantum, this.#minWindow);
    return this.#state === 'up' ? budget + 2 * this.#datagramBytes : budget;
  }
}
