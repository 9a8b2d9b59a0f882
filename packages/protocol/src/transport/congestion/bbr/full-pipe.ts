/** Whether the bandwidth has stopped to grow: then the pipe is full (draft-ietf-ccwg-bbr §5.3.1.2). Bytes per millisecond. */
import type { AckSample } from '../controller.js';

/** It has when it grew by less than this in so many rounds. */
const FULL_GROWTH = 1.25;
const FULL_ROUNDS = 3;

export class FullPipe {
  /** It was full once. */
  isFull = false;
  /** It was found full since the last `reset`. */
  isFullNow = false;
  #bandwidth = 0;
  #rounds = 0;

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

  /** Looks anew. @param bandwidth from which growth counts */
  reset(bandwidth = 0): void {
    this.#bandwidth = bandwidth;
    this.#rounds = 0;
    this.isFullNow = false;
  }
}
