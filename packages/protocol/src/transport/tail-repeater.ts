import {
  TAIL_REPEAT_BURST_BYTES,
  TAIL_REPEAT_BYTES_PER_MS,
  TAIL_REPEAT_DELAY_MS,
  TAIL_REPEAT_SHARE,
  TAIL_REPEAT_UNSURE_MS,
} from './limits.js';

const NONE = -1;

/** Decides when the last data of a burst is sent a second time (spec recovery 8).
 *
 *  If the last packet of a burst is lost, no later packet is acknowledged that would show it, and only the probe timer
 *  would notice. So a few milliseconds after a packet that leaves nothing more to send, its data is repeated in a new
 *  packet, unless more was sent by then. This happens only on a path that is new or has lost packets lately, and only
 *  within a budget.
 *
 *  The connection owns this object and has every packet reported to it. When `takeDue` returns a packet, the connection
 *  has its data sent again. Times are in milliseconds. */
export class TailRepeater {
  /** When `takeDue` has something to return; Infinity if there is nothing to repeat. */
  dueAt = Number.POSITIVE_INFINITY;
  /** The packet to repeat. */
  #packetNumber = NONE;
  /** The size of the last packet to repeat, for which the budget was charged. */
  #chargedBytes = 0;
  /** The packet whose data is to be sent again with the next packet that has data. */
  #repeating = NONE;
  /** The budget: how many bytes may be repeated now. It is below zero if the last repeat was larger than its original. */
  #credit = TAIL_REPEAT_BURST_BYTES;
  #creditAt = 0;
  /** Until then the path is suspected of losing packets. Undefined if nothing has been sent over it. */
  #unsureUntil: number | undefined;

  /** An ack-eliciting packet was sent.
   *  @param hasData whether it has stream data
   *  @param isLast whether it leaves nothing more to send */
  onPacketSent(
    now: number,
    packetNumber: number,
    sizeBytes: number,
    hasData: boolean,
    isLast: boolean,
  ): void {
    this.#unsureUntil ??= now + TAIL_REPEAT_UNSURE_MS;
    this.#credit = Math.min(
      this.#credit + TAIL_REPEAT_SHARE * sizeBytes + TAIL_REPEAT_BYTES_PER_MS * (now - this.#creditAt),
      TAIL_REPEAT_BURST_BYTES,
    );
    this.#creditAt = now;
    if (this.#repeating !== NONE && hasData) {
      this.#repeating = NONE;
      // It may carry more than its original did, such as an ACK.
      this.#credit -= Math.max(0, sizeBytes - this.#chargedBytes);
      return;
    }
    this.cancel();
    const dueAt = now + TAIL_REPEAT_DELAY_MS;
    if (!hasData || !isLast || this.#isTrusted(dueAt) || this.#credit < sizeBytes) return;
    this.#credit -= sizeBytes;
    this.#chargedBytes = sizeBytes;
    this.#packetNumber = packetNumber;
    this.dueAt = dueAt;
  }

  /** A packet was acknowledged or declared lost: there is nothing left of it to repeat. The repeat may have waited for
   *  room in the window until now. */
  onSettled(packetNumber: number): void {
    if (packetNumber === this.#packetNumber) this.cancel();
    if (packetNumber === this.#repeating) this.#repeating = NONE;
  }

  /** A packet was declared lost, other than a probe of the MTU search. */
  onPacketLost(now: number): void {
    this.#unsureUntil = now + TAIL_REPEAT_UNSURE_MS;
  }

  /** The path has changed: nothing is known about the new one. */
  onNewPath(): void {
    this.#unsureUntil = undefined;
  }

  /** Takes the repeat that is due. If it is so late that the path is no longer suspected, there is none.
   *  @returns the number of the packet whose data to send again, or -1 */
  takeDue(now: number): number {
    if (now < this.dueAt) return NONE;
    const packetNumber = this.#packetNumber;
    this.cancel();
    return this.#isTrusted(now) ? NONE : packetNumber;
  }

  /** The data of the packet that `takeDue` returned waits to be sent again. It is not repeated a third time. */
  beginRepeat(packetNumber: number): void {
    this.#repeating = packetNumber;
  }

  /** Forgets the packet that was to be repeated. */
  cancel(): void {
    this.#packetNumber = NONE;
    this.dueAt = Number.POSITIVE_INFINITY;
  }

  /** Whether the path is no longer suspected of losing packets then. */
  #isTrusted(at: number): boolean {
    return at > (this.#unsureUntil ?? Number.POSITIVE_INFINITY);
  }
}
