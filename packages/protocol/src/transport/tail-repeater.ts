import {
  TAIL_REPEAT_BURST_BYTES,
  TAIL_REPEAT_BYTES_PER_MS,
  TAIL_REPEAT_DELAY_MS,
  TAIL_REPEAT_SHARE,
  TAIL_REPEAT_UNSURE_MS,
} from './limits.js';

const NONE = -1;
/** A repeat takes a second packet if something else leaves too little room for it in the first, such as an ACK. */
const MAX_REPEAT_PACKETS = 2;

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
  /** What the budget was charged for the present repeat and has not been sent yet. */
  #chargedBytes = 0;
  /** How many more packets may carry parts of the present repeat. */
  #repeatPackets = 0;
  /** The budget: how many bytes may be repeated now. It is below zero if the last repeat was larger than its original. */
  #credit = TAIL_REPEAT_BURST_BYTES;
  #creditAt = 0;
  /** Until then the path is suspected of losing packets. Undefined if nothing has been sent over it. */
  #unsureUntil: number | undefined;

  /** An ack-eliciting packet was sent.
   *  @param isTail whether it has stream data and leaves nothing more to send */
  onPacketSent(now: number, packetNumber: number, sizeBytes: number, isTail: boolean): void {
    this.#unsureUntil ??= now + TAIL_REPEAT_UNSURE_MS;
    this.#credit = Math.min(
      this.#credit + TAIL_REPEAT_SHARE * sizeBytes + TAIL_REPEAT_BYTES_PER_MS * (now - this.#creditAt),
      TAIL_REPEAT_BURST_BYTES,
    );
    this.#creditAt = now;
    if (this.#repeatPackets > 0) {
      this.#repeatPackets = isTail ? 0 : this.#repeatPackets - 1;
      // It may carry more than its original did, such as an ACK.
      this.#credit -= Math.max(0, sizeBytes - this.#chargedBytes);
      this.#chargedBytes = Math.max(0, this.#chargedBytes - sizeBytes);
      return;
    }
    this.cancel();
    const dueAt = now + TAIL_REPEAT_DELAY_MS;
    if (!isTail || this.#isTrusted(dueAt) || this.#credit < sizeBytes) return;
    this.#credit -= sizeBytes;
    this.#chargedBytes = sizeBytes;
    this.#packetNumber = packetNumber;
    this.dueAt = dueAt;
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

  /** The next packet carries the data of the packet that `takeDue` returned. It is not repeated again. */
  beginRepeat(): void {
    this.#repeatPackets = MAX_REPEAT_PACKETS;
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
