import type { AckSample } from '../controller.js';
import { BoundGrowth } from './bound-growth.js';

/** The next probe starts 2 to 3 s after the last, or sooner: after as many rounds as Reno would need to grow by the
 *  flight that it has, but no more than MAX_WAIT_ROUNDS. */
const MIN_WAIT_MS = 2_000;
const WAIT_SPREAD_MS = 1_000;
/** After a probe that ended in losses, the wait is this many times as long, to give CUBIC time to recover
 *  (spec congestion 4.5). */
const WAIT_AFTER_LOSS = 4;
const MAX_WAIT_ROUNDS = 63;
/** A probe ends after this many rounds if a queue is standing ... */
const MAX_QUEUE_ROUNDS = 3;
/** ... and was standing in the last two of them: a single long round may be the wander of the path. */
const MIN_STANDING_ROUNDS = 2;

/** The probe for more bandwidth (draft-ietf-ccwg-bbr §5.3.3): when the next one is due, and which ACKs belong to the
 *  last.
 *
 *  A probe consists of the states REFILL and UP. ACKs lag one round trip behind what we send, so during the first round
 *  after UP they still report on packets of the probe. The probe is over only when that round ends, whatever the state
 *  is by then.
 *
 *  Bbr owns this object, changes the states itself, and reports each change here. Times are in milliseconds. */
export class BandwidthProbe {
  /** Losses that are found now are of packets that the probe sent, and it has not been judged too high yet. */
  isOnTrial = false;
  /** The last probe ended because too much was lost. */
  wasTooHigh = false;
  /** The probe has ended, but its packets are still being acknowledged. */
  isEnding = false;

  readonly #fraction: () => number;
  readonly #growth = new BoundGrowth();
  /** The probe ended at the bound that an earlier probe had found, before anything was lost. */
  #wasPrecautionary = false;
  #upSinceRound = 0;
  #endedAt = 0;
  #waitMs = 0;
  #roundsSinceEnd = 0;

  /** @param fraction returns a random number in [0, 1) */
  constructor(fraction: () => number) {
    this.#fraction = fraction;
  }

  // ---- when -------------------------------------------------------------------------------------------------

  /** A round begins. */
  onRound(): void {
    this.#roundsSinceEnd++;
  }

  /** Whether to start the next probe.
   *  @param flightDatagrams how many datagrams fill the path. Reno takes as many rounds to grow by that much again. */
  isDue(now: number, flightDatagrams: number): boolean {
    const renoRounds = Math.min(flightDatagrams, MAX_WAIT_ROUNDS);
    if (!this.wasTooHigh && this.#roundsSinceEnd >= renoRounds) return true;
    return now > this.#endedAt + this.#waitMs;
  }

  /** A probe has ended: starts the wait for the next one. */
  scheduleNext(now: number): void {
    this.#roundsSinceEnd = this.#fraction() < 0.5 ? 0 : 1;
    this.#waitMs = MIN_WAIT_MS + this.#fraction() * WAIT_SPREAD_MS;
    if (this.wasTooHigh) this.#waitMs *= WAIT_AFTER_LOSS;
    this.#endedAt = now;
  }

  // ---- its course -------------------------------------------------------------------------------------------

  /** REFILL begins. */
  startRefill(): void {
    this.#growth.restart();
    this.#wasPrecautionary = false;
    this.isEnding = false;
  }

  /** UP begins.
   *  @param rounds how many rounds there have been so far */
  startUp(rounds: number, windowBytes: number, datagramBytes: number): void {
    this.isOnTrial = true;
    this.isEnding = false;
    this.#upSinceRound = rounds;
    this.#growth.steepen(windowBytes, datagramBytes);
  }

  /** By how many datagrams this ACK raises the long-term bound. */
  growthFor(sample: AckSample, isRoundStart: boolean, windowBytes: number, datagramBytes: number): number {
    const datagrams = this.#growth.onAcked(sample.ackedBytes);
    if (isRoundStart) this.#growth.steepen(windowBytes, datagramBytes);
    return datagrams;
  }

  /** Whether a queue has been standing for so long that the path has no free bandwidth (spec congestion 4.5). */
  isQueueStanding(rounds: number, standingRounds: number): boolean {
    return standingRounds >= MIN_STANDING_ROUNDS && rounds >= this.#upSinceRound + MAX_QUEUE_ROUNDS;
  }

  /** UP has reached the bound that an earlier probe found, before anything was lost. */
  endPrecautionary(): void {
    this.#wasPrecautionary = true;
  }

  /** The round after UP has ended, and the probe with it.
   *  @returns whether to repeat the probe at once: it stopped early, and not too much of what it sent was lost */
  finish(): boolean {
    this.isOnTrial = false;
    this.isEnding = false;
    return this.#wasPrecautionary && !this.wasTooHigh;
  }

  /** Startup resumes: the last probe no longer counts. */
  forget(): void {
    this.isEnding = false;
    this.isOnTrial = false;
  }
}
