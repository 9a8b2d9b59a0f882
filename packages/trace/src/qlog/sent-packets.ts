import type { AckedRange } from './qlog-frames.js';

/** How many packets are remembered. The oldest are forgotten first. */
export const MAX_TRACKED_PACKETS = 65_536;

/** Which packets were sent to a peer and are not acknowledged.
 *
 *  It learns of packets and acknowledgements from the datagrams. Of losses it is given only their number, as the
 *  endpoint counts them. Recovery declares the lowest unacknowledged numbers lost first (spec recovery 3.1), so that
 *  says which ones they are. */
export class SentPackets {
  /** Ack-eliciting packets, by number, with the bytes of their datagrams. In the order in which they were sent. */
  readonly #unacknowledged = new Map<number, number>();
  #largestAcked = -1;
  #lost = 0;

  add(packetNumber: number, bytes: number): void {
    this.#unacknowledged.set(packetNumber, bytes);
    for (const oldest of this.#unacknowledged.keys()) {
      if (this.#unacknowledged.size <= MAX_TRACKED_PACKETS) return;
      this.#unacknowledged.delete(oldest);
    }
  }

  acknowledge(ranges: readonly AckedRange[]): void {
    for (const [low, high] of ranges) {
      this.#largestAcked = Math.max(this.#largestAcked, high);
      // A range may be long, and most of it was acknowledged before.
      for (const packetNumber of this.#unacknowledged.keys()) {
        if (packetNumber > high) break;
        if (packetNumber >= low) this.#unacknowledged.delete(packetNumber);
      }
    }
  }

  /** @param total  how many packets were lost since the beginning
   *  @returns the numbers and sizes of those that were lost since the last call */
  takeLost(total: number): [packetNumber: number, bytes: number][] {
    const lost: [number, number][] = [];
    for (const [packetNumber, bytes] of this.#unacknowledged) {
      if (lost.length >= total - this.#lost || packetNumber > this.#largestAcked) break;
      lost.push([packetNumber, bytes]);
    }
    this.#lost = total;
    for (const [packetNumber] of lost) this.#unacknowledged.delete(packetNumber);
    return lost;
  }
}
