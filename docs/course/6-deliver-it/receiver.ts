/** Step 6: the receiving side. */
import type { AckPacket, DataPacket } from './reliable.ts';

/** How much is held for a program that doesn't read. */
export const WINDOW_BYTES = 65_536;
const MAX_RANGES = 16;

/** Puts pieces in order, and holds back at most a window of them. */
export class Receiver {
  #pieces = new Map<number, DataPacket>();
  #ranges: (readonly [number, number])[] = [];
  #readOffset = 0;
  #isAckDue = false;
  isFinished = false;

  handlePacket(packet: DataPacket): void {
    const end = packet.offset + packet.bytes.length;
    if (end > this.#readOffset + WINDOW_BYTES) return; // more than we offered to hold
    this.#isAckDue = true;
    this.#noteNumber(packet.number);
    const isNew = packet.offset >= this.#readOffset && !this.#pieces.has(packet.offset) && !this.isFinished;
    if (isNew && (packet.bytes.length > 0 || packet.isLast)) this.#pieces.set(packet.offset, packet);
  }

  /** @returns the next piece in order, or undefined if it has not come */
  read(): Uint8Array | undefined {
    const piece = this.#pieces.get(this.#readOffset);
    if (piece === undefined) return undefined;
    this.#pieces.delete(this.#readOffset);
    this.#readOffset += piece.bytes.length;
    this.isFinished = piece.isLast;
    this.#isAckDue = true; // there is room for more
    return piece.bytes;
  }

  pollAck(): AckPacket | undefined {
    if (!this.#isAckDue) return undefined;
    this.#isAckDue = false;
    return { ranges: [...this.#ranges], limit: this.#readOffset + WINDOW_BYTES };
  }

  #noteNumber(number: number): void {
    let [first, last] = [number, number];
    const apart = this.#ranges.filter(([a, b]) => {
      const touches = a <= last + 1 && b >= first - 1;
      if (touches) [first, last] = [Math.min(a, first), Math.max(b, last)];
      return !touches;
    });
    // When there are too many, the oldest go. Their packets will be sent again, which does no harm.
    this.#ranges = [...apart, [first, last] as const].sort((x, y) => y[0] - x[0]).slice(0, MAX_RANGES);
  }
}
