/** Sends the last data of a burst a second time (spec recovery 8): nothing comes after it whose acknowledgement would show its loss, so
 *  without the copy only the probe timer would. */
import {
  TAIL_REPEAT_BURST_BYTES,
  TAIL_REPEAT_BYTES_PER_MS,
  TAIL_REPEAT_DELAY_MS,
  TAIL_REPEAT_SHARE,
  TAIL_REPEAT_UNSURE_MS,
} from './limits.js';

const NONE = -1;

export class TailRepeater {
  /** When `takeDue` has something, or infinity. */
  dueAt = Number.POSITIVE_INFINITY;
  #packetNumber = NONE;
  #credit = TAIL_REPEAT_BURST_BYTES;
  #creditAt = 0;
  /** Until then the path is not known as one that loses nothing; undefined before anything went over it. */
  #unsureUntil: number | undefined;
  /** The next packet carries a repeat: it is not repeated again. */
  isRepeating = false;

  /** A packet went out. @param isTail with stream data, and nothing is left to send behind it */
  onPacketSent(now: number, packetNumber: number, sizeBytes: number, isTail: boolean): void {
    this.#unsureUntil ??= now + TAIL_REPEAT_UNSURE_MS;
    this.#credit = Math.min(
      this.#credit + TAIL_REPEAT_SHARE * sizeBytes + TAIL_REPEAT_BYTES_PER_MS * (now - this.#creditAt),
      TAIL_REPEAT_BURST_BYTES,
    );
    this.#creditAt = now;
    if (this.isRepeating) {
      this.isRepeating = false;
      return;
    }
    this.cancel();
    if (!isTail || now > this.#unsureUntil || this.#credit < sizeBytes) return;
    this.#credit -= sizeBytes;
    this.#packetNumber = packetNumber;
    this.dueAt = now + TAIL_REPEAT_DELAY_MS;
  }

  /** A packet, not a search for the MTU, was declared lost. */
  onPacketLost(now: number): void {
    this.#unsureUntil = now + TAIL_REPEAT_UNSURE_MS;
  }

  /** What is sent from now on goes over another path. */
  onNewPath(): void {
    this.#unsureUntil = undefined;
  }

  /** @returns the packet whose data is to be sent again now, or -1 */
  takeDue(now: number): number {
    if (now < this.dueAt) return NONE;
    const packetNumber = this.#packetNumber;
    this.cancel();
    return packetNumber;
  }

  cancel(): void {
    this.#packetNumber = NONE;
    this.dueAt = Number.POSITIVE_INFINITY;
  }
}
