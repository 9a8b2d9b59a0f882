import type { AckSample, CongestionController, LossSample } from '../controller.js';
import { BandwidthProbe } from './bandwidth-probe.js';
import { FullPipe } from './full-pipe.js';
import { InflightBounds } from './inflight-bounds.js';
import { PathModel } from './path-model.js';
import { RttProbe } from './rtt-probe.js';
import { SendLimits } from './send-limits.js';
import { StartupExit } from './startup-exit.js';
import { GAINS, isProbingCycle, type State } from './states.js';

const STARTUP_LOSS_EVENTS = 6;
const MAX_DRAIN_ROUNDS = 3;

/** BBR, version 3 (draft-ietf-ccwg-bbr; spec congestion 4): sends at the rate at which the path delivers, instead of
 *  sending more and more until packets are lost.
 *
 *  After Startup, which finds the bandwidth, and DRAIN, which empties the queue that Startup left, BBR goes through a
 *  cycle: DOWN until the queue is empty, CRUISE at the measured bandwidth, REFILL the pipe, and UP to see whether there
 *  is more. From time to time it empties the queue to measure the shortest round trip (ProbeRTT).
 *
 *  This class is the state machine, and owns nothing but the state. Its parts own the rest: PathModel what BBR believes
 *  about the path, InflightBounds what losses permit, FullPipe and StartupExit when Startup ends, BandwidthProbe and
 *  RttProbe when to probe, and SendLimits the resulting rate and window. The connection reports what it sent and what
 *  was acknowledged or lost, and reads the rate and the window. Section numbers in this file are those of the draft.
 *  Sizes are in bytes, times in milliseconds. */
export class Bbr implements CongestionController {
  readonly name = 'bbr';

  readonly #model = new PathModel();
  readonly #bounds = new InflightBounds();
  readonly #pipe = new FullPipe();
  readonly #startupExit = new StartupExit();
  readonly #rttProbe = new RttProbe();
  readonly #probe: BandwidthProbe;
  readonly #limits: SendLimits;
  #state: State = 'startup';
  /** The state that losses ended, to return to if they turn out to be spurious. */
  #undoState: State | undefined;
  #drainStartRound = 0;

  /** @param fraction returns a random number in [0, 1) */
  constructor(datagramBytes: number, fraction: () => number) {
    this.#probe = new BandwidthProbe(fraction);
    this.#limits = new SendLimits(datagramBytes, this.#model, this.#bounds, this.#pipe);
  }

  get windowBytes(): number {
    return this.#limits.windowBytes;
  }
  get pacingRate(): number {
    return this.#limits.pacingRate;
  }
  get isInSlowStart(): boolean {
    return this.#state === 'startup';
  }
  get isHoldingBack(): boolean {
    return this.#state === 'probe-rtt';
  }

  // ---- what happens -----------------------------------------------------------------------------------------

  onPacketSent(now: number, bytes: number, bytesInFlight: number): void {
    // Sending resumes after a pause, in which nothing was in flight (§5.4.1).
    if (bytesInFlight !== bytes || this.#model.rounds === 0) return;
    this.#rttProbe.onSentAfterIdle();
    this.#model.restartAggregation(now);
    if (isProbingCycle(this.#state)) this.#limits.setPacingRate(1);
    else if (this.#state === 'probe-rtt' && this.#rttProbe.isOver(now)) this.#endProbeRtt(now, 0);
  }

  onPacketLost(loss: LossSample): void {
    if (!this.#bounds.hasLostInRound) {
      this.#limits.save(this.#state);
      this.#undoState = undefined;
    }
    this.#bounds.noteLoss(loss);
    if (!this.#probe.isOnTrial || !this.#isTooHigh(loss)) return;
    // Only once per probe (§5.3.3.4).
    this.#probe.wasTooHigh = true;
    this.#probe.isOnTrial = false;
    if (!loss.rateApplicationLimited) {
      this.#bounds.onInflightTooHigh(this.#bounds.inflightAtLoss(loss), this.#limits.targetInflight);
    }
    if (this.#state !== 'up') return;
    this.#undoState = 'up';
    this.#startDown(loss.now, loss.totalDeliveredBytes);
  }

  onAck(sample: AckSample): void {
    this.#updateModel(sample);
    this.#limits.setPacingRate(GAINS[this.#state].pacing);
    this.#limits.setWindow(this.#state, sample);
  }

  onSpuriousLoss(): void {
    this.#limits.restore();
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
    this.#limits.save(this.#state);
    this.#limits.windowBytes = this.#limits.minWindow;
  }

  onDatagramBytes(datagramBytes: number): void {
    this.#limits.datagramBytes = datagramBytes;
    this.#limits.windowBytes = Math.max(this.windowBytes, this.#limits.minWindow);
  }

  // ---- the model (§5.2.3) -----------------------------------------------------------------------------------

  #updateModel(sample: AckSample): void {
    const model = this.#model;
    const bounds = this.#bounds;
    const limits = this.#limits;
    bounds.beginAck(sample, model.isQuiet(sample.latestRttMs));
    model.updateRound(sample);
    if (model.isRoundStart) this.#probe.onRound();
    model.updateBandwidth(sample);
    if (
      bounds.isLossRoundStart &&
      bounds.hasLostInRound &&
      !this.#isProbingBandwidth &&
      !this.#isProbeEcho &&
      bounds.isCongested(sample, model.isQueueing, limits.datagramBytes)
    ) {
      bounds.adaptShortTerm(model.maxBandwidth, limits.windowBytes);
    }
    model.updateAggregation(sample, limits.bandwidth, limits.windowBytes, this.#pipe.isFull);
    this.#pipe.check(sample, model.isRoundStart);
    this.#resumeStartup();
    this.#checkStartup(sample);
    if (bounds.isLossRoundStart) bounds.endLossRound();
    this.#checkDrain(sample);
    this.#updateCycle(sample);
    model.updateMinRtt(sample, this.#isDraining);
    this.#checkProbeRtt(sample);
    bounds.endAck(sample);
    limits.updateBandwidth(sample);
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
      bounds.longTermBytes = Math.max(this.#limits.bandwidthDelay(1), bounds.latestBytes);
      this.#startupExit.note(sample.latestRttMs, this.#model.rounds);
    }
    if (!this.#pipe.isFull) return;
    this.#state = 'drain';
    this.#drainStartRound = this.#model.rounds;
  }

  /** Returns to Startup when the queue that seemed to end it turns out to have been none (spec congestion 4.3). */
  #resumeStartup(): void {
    if (this.#state === 'startup' || this.#state === 'probe-rtt') return;
    if (!this.#model.isRoundStart || !this.#startupExit.takeRefuted(this.#model)) return;
    this.#bounds.longTermBytes = Number.POSITIVE_INFINITY;
    this.#bounds.resetShortTerm();
    this.#pipe.reset();
    this.#pipe.isFull = false;
    this.#probe.forget();
    this.#state = 'startup';
  }

  #checkDrain(sample: AckSample): void {
    if (this.#state !== 'drain') return;
    const isOver = this.#model.rounds > this.#drainStartRound + MAX_DRAIN_ROUNDS;
    const limits = this.#limits;
    if (isOver || sample.bytesInFlight <= limits.inflightFor(this.#state, limits.bandwidthDelay(1))) {
      this.#startDown(sample.now, sample.totalDeliveredBytes);
    }
  }

  // ---- the cycle (§5.3.3) -----------------------------------------------------------------------------------

  #updateCycle(sample: AckSample): void {
    if (!this.#pipe.isFull) return;
    if (this.#finishProbe(sample)) return;
    this.#adaptLongTerm(sample);
    switch (this.#state) {
      case 'down':
        if (this.#startProbeIfDue(sample)) return;
        if (this.#isTimeToCruise(sample)) this.#state = 'cruise';
        return;
      case 'cruise':
        this.#startProbeIfDue(sample);
        return;
      case 'refill':
        if (this.#model.isRoundStart) this.#startUp(sample);
        return;
      case 'up':
        if (!this.#isTimeToGoDown(sample)) return;
        this.#probe.wasTooHigh = false;
        this.#startDown(sample.now, sample.totalDeliveredBytes);
        return;
    }
  }

  /** Ends a probe whose last packets are acknowledged now.
   *  @returns whether the next probe starts at once */
  #finishProbe(sample: AckSample): boolean {
    if (!this.#probe.isEnding || !this.#model.isRoundStart) return false;
    const isWorthRepeating = this.#probe.finish();
    if (!isProbingCycle(this.#state)) return false;
    if (!sample.rateApplicationLimited) this.#model.advanceCycle();
    if (isWorthRepeating) this.#startRefill(sample.totalDeliveredBytes);
    return isWorthRepeating;
  }

  #adaptLongTerm(sample: AckSample): void {
    const bounds = this.#bounds;
    if (this.#isTooHigh(sample) || bounds.longTermBytes === Number.POSITIVE_INFINITY) return;
    bounds.longTermBytes = Math.max(bounds.longTermBytes, sample.bytesInFlightAtSend);
    const { windowBytes, datagramBytes } = this.#limits;
    if (this.#state !== 'up' || !sample.windowLimited || windowBytes < bounds.longTermBytes) return;
    const { isRoundStart } = this.#model;
    bounds.longTermBytes +=
      this.#probe.growthFor(sample, isRoundStart, windowBytes, datagramBytes) * datagramBytes;
  }

  #startProbeIfDue({ now, totalDeliveredBytes }: AckSample): boolean {
    const { targetInflight, datagramBytes } = this.#limits;
    if (!this.#probe.isDue(now, targetInflight / datagramBytes)) return false;
    this.#startRefill(totalDeliveredBytes);
    return true;
  }

  #isTimeToCruise({ bytesInFlight }: AckSample): boolean {
    const { datagramBytes, minWindow } = this.#limits;
    const { maxBandwidth, minRttMs } = this.#model;
    if (bytesInFlight > this.#bounds.withHeadroom(datagramBytes, minWindow)) return false;
    return bytesInFlight <= this.#limits.inflightFor(this.#state, maxBandwidth * minRttMs);
  }

  #isTimeToGoDown(sample: AckSample): boolean {
    const { longTermBytes } = this.#bounds;
    const { rounds, standingRounds } = this.#model;
    if (this.#probe.isQueueStanding(rounds, standingRounds)) return true;
    if (this.#probe.wasTooHigh && sample.bytesInFlight >= longTermBytes) {
      this.#probe.endPrecautionary();
      return true;
    }
    if (sample.windowLimited && this.windowBytes >= longTermBytes) {
      this.#pipe.reset(sample.deliveryRate);
      return false;
    }
    return this.#pipe.isFullNow;
  }

  #startDown(now: number, totalDeliveredBytes: number): void {
    this.#probe.scheduleNext(now);
    this.#leaveProbe(totalDeliveredBytes);
    this.#state = 'down';
  }

  #leaveProbe(totalDeliveredBytes: number): void {
    this.#bounds.resetSignals();
    this.#probe.isEnding = true;
    this.#model.startRound(totalDeliveredBytes);
  }

  /** @param totalDeliveredBytes undefined if the current round is to continue */
  #startRefill(totalDeliveredBytes?: number): void {
    this.#bounds.resetShortTerm();
    this.#probe.startRefill();
    if (totalDeliveredBytes !== undefined) this.#model.startRound(totalDeliveredBytes);
    this.#state = 'refill';
  }

  #startUp(sample: AckSample): void {
    this.#model.startRound(sample.totalDeliveredBytes);
    this.#pipe.reset(sample.deliveryRate);
    this.#state = 'up';
    this.#probe.startUp(this.#model.rounds, this.windowBytes, this.#limits.datagramBytes);
  }

  // ---- measuring the round trip (§5.3.4) --------------------------------------------------------------------

  #checkProbeRtt(sample: AckSample): void {
    const { now, totalDeliveredBytes } = sample;
    if (this.#state !== 'probe-rtt' && this.#rttProbe.isDue(this.#model)) {
      this.#limits.save(this.#state);
      this.#state = 'probe-rtt';
      this.#rttProbe.start();
      this.#probe.isEnding = true;
      this.#model.startRound(totalDeliveredBytes);
    }
    if (
      this.#state === 'probe-rtt' &&
      this.#rttProbe.onAck(sample, this.#limits.probeRttWindow, this.#model)
    ) {
      this.#endProbeRtt(now, totalDeliveredBytes);
    }
    if (sample.deliveredBytes > 0) this.#rttProbe.onDelivered();
  }

  #endProbeRtt(now: number, totalDeliveredBytes: number): void {
    this.#model.onProbeRttDone(now);
    this.#limits.restore();
    this.#bounds.resetShortTerm();
    if (!this.#pipe.isFull) {
      this.#state = 'startup';
      return;
    }
    // The wait for the next probe for bandwidth keeps running. If each ProbeRTT restarted it, it would never end
    // (spec congestion 4.5).
    this.#leaveProbe(totalDeliveredBytes);
    this.#state = 'cruise';
  }

  // ---- what the state means ---------------------------------------------------------------------------------

  #isTooHigh(sample: AckSample | LossSample): boolean {
    return this.#bounds.isTooHigh(sample, this.#model.isQueueing, this.#limits.datagramBytes);
  }
  /** Whether the state is meant to make our own queue shrink. */
  get #isDraining(): boolean {
    return this.#state === 'down' || this.#state === 'drain' || this.#state === 'probe-rtt';
  }
  get #isProbingBandwidth(): boolean {
    return this.#state === 'startup' || this.#state === 'refill' || this.#state === 'up';
  }
  /** Whether losses found now are of packets that Startup or UP sent. The long-term bound has accounted for them
   *  already. */
  get #isProbeEcho(): boolean {
    return this.#state === 'drain' || this.#probe.isEnding;
  }
}
