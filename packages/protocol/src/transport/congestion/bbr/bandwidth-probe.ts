/** Looking for more bandwidth (draft-ietf-ccwg-bbr §5.3.3): when the next probe is due, and which ACKs speak of the last one.
 *
 *  A probe is REFILL and then UP. ACKs lag a round trip behind what we send, so the first round after UP still reports packets of the
 *  probe: until that round ends the probe is not over, whatever the state. `Bbr` changes the states and reports each change here. */
import type { AckSample } from '../controller.js';
import { BoundGrowth } from './bound-growth.js';

/** The next probe comes 2 to 3 s after the last, or after as many rounds as Reno needs to grow by one flight. */
const MIN_WAIT_MS = 2_000;
const WAIT_SPREAD_MS = 1_000;
/** After a probe that ended in losses we wait this many times as long, which is what CUBIC needs to recover (spec congestion 4.5). */
const WAIT_AFTER_LOSS = 4;
const MAX_WAIT_ROUNDS = 63;
/** A probe ends after this many rounds if a queue stands... */
const MAX_QUEUE_ROUNDS = 3;
/** ... and stood in each of the last two: one long round may be the path's own wander. */
const MIN_STANDING_ROUNDS = 2;

export class BandwidthProbe {
  /** Losses that show now are of packets the probe sent, and none has counted against it yet. */
  isOnTrial = false;
  /** The last probe ended because too much was lost. */
  wasTooHigh = false;
  /** The packets of a probe that has ended are still being acknowledged. */
  isEnding = false;

  readonly #fraction: () => number;
  readonly #growth = new BoundGrowth();
  /** It ended at the bound that an earlier probe had found, before anything was lost. */
  #wasPrecautionary = false;
  #upSinceRound = 0;
  #endedAt = 0;
  #waitMs = 0;
  #roundsSinceEnd = 0;

  /** @param fraction random, in [0, 1) */
  constructor(fraction: () => number) {
    this.#fraction = fraction;
  }

  // ---- when -------------------------------------------------------------------------------------------------

  onRound(): void {
    this.#roundsSinceEnd++;
  }

  /** @param flightDatagrams how many datagrams fill the path: Reno takes as many rounds to grow by one flight */
  isDue(now: number, flightDatagrams: number): boolean {
    const renoRounds = Math.min(flightDatagrams, MAX_WAIT_ROUNDS);
    if (!this.wasTooHigh && this.#roundsSinceEnd >= renoRounds) return true;
    return now > this.#endedAt + this.#waitMs;
  }

  /** Starts the wait for the next probe. */
  scheduleNext(now: number): void {
    this.#roundsSinceEnd = this.#fraction() < 0.5 ? 0 : 1;
    this.#waitMs = MIN_WAIT_MS + this.#fraction() * WAIT_SPREAD_MS;
    if (this.wasTooHigh) this.#waitMs *= WAIT_AFTER_LOSS;
    this.#endedAt = now;
  }

  // ---- its course -------------------------------------------------------------------------------------------

  startRefill(): void {
    this.#growth.restart();
    this.#wasPrecautionary = false;
    this.isEnding = false;
  }

  startUp(rounds: number, windowBytes: number, datagramBytes: number): void {
    this.isOnTrial = true;
    this.isEnding = false;
    this.#upSinceRound = rounds;
    this.#growth.steepen(windowBytes, datagramBytes);
  }

  /** By how many datagrams the long-term bound rises with this ACK. */
  growthFor(sample: AckSample, isRoundStart: boolean, windowBytes: number, datagramBytes: number): number {
    const datagrams = this.#growth.onAcked(sample.ackedBytes);
    if (isRoundStart) this.#growth.steepen(windowBytes, datagramBytes);
    return datagrams;
  }

  /** A queue has stood for so long that the path has nothing more to give (spec congestion 4.5). */
  isQueueStanding(rounds: number, standingRounds: number): boolean {
    return standingRounds >= MIN_STANDING_ROUNDS && rounds >= this.#upSinceRound + MAX_QUEUE_ROUNDS;
  }

  /** UP has reached the bound that an earlier probe found, before anything was lost. */
  endPrecautionary(): void {
    this.#wasPrecautionary = true;
  }

  /** A round began, and with it the probe that was ending is over. Returns true when it is worth repeating: it stopped early, and
   *  nothing that it sent was lost. */
  finish(): boolean {
    this.isOnTrial = false;
    this.isEnding = false;
    return this.#wasPrecautionary && !this.wasTooHigh;
  }

  /** Startup resumes: whatever was probed no longer counts. */
  forget(): void {
    this.isEnding = false;
    this.isOnTrial = false;
  }
}
