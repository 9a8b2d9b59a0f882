import type { AckSample } from '../controller.js';

/** The pipe is full if the bandwidth grew by less than this factor in this many rounds. */
const FULL_GROWTH = 1.25;
const FULL_ROUNDS = 3;

/** Finds out whether we send as much as the path can carry: whether its pipe is full (draft-ietf-ccwg-bbr §5.3.1.2).
 *
 *  While the pipe is not full, sending faster makes the path deliver faster. So the pipe counts as full when the
 *  measured bandwidth has stopped growing for three rounds. Bbr owns this object, passes it each ACK, and has it look
 *  again in each probe for bandwidth. Bandwidth is in bytes per millisecond. */
export class FullPipe {
  /** Startup is over: the pipe was found full, or Bbr saw too many losses. Bbr clears this when it resumes Startup. */
  isFull = false;
  /** The pipe was found full since the last `reset`. */
  isFullNow = false;
  /** The bandwidth that growth is compared with. */
  #bandwidth = 0;
  /** Rounds without enough growth. */
  #rounds = 0;

  /** Handles an ACK. Only the first of a round counts, and only if the sender had enough to send. */
  check(sample: AckSample, isRoundStart: boolean): void {
    if (this.isFullNow || !isRoundStart || sample.rateApplicationLimited) return;
    if (sample.deliveryRate >= this.#bandwidth * FULL_GROWTH) {
      this.reset(sample.deliveryRate);
      return;
    }
    this.#rounds++;
    this.isFullNow = this.#rounds >= FULL_ROUNDS;
    if (this.isFullNow) this.isFull = true;
  }

  /** Starts looking again.
   *  @param bandwidth the one that growth is compared with */
  reset(bandwidth = 0): void {
    this.#bandwidth = bandwidth;
    this.#rounds = 0;
    this.isFullNow = false;
  }
}
