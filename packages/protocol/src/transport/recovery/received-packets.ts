import type { Deadline } from '../../deadline.js';
import { RangeSet } from '../../range-set.js';
import {
  ACK_DELAY_UNITS_PER_MS,
  ACK_ELICITING_THRESHOLD,
  MAX_ACK_DELAY_MS,
  MAX_RECEIVED_RANGES,
} from '../limits.js';
import { FrameType } from '../wire/frames.js';
import { varintLength, writeVarint } from '../wire/varint.js';

/** Remembers which packets arrived, and decides when an acknowledgement is due (spec recovery 1; RFC 9000 §13.2).
 *
 *  It holds the numbers that arrived as ranges, at most 64 of them, and forgets the lowest beyond that. It also forgets
 *  what the peer knows to be acknowledged. Numbers that it has forgotten count as duplicates.
 *
 *  The connection owns it. It asks whether a packet is a duplicate, records the packet once it has processed all of it,
 *  and has the ACK frame written when one is due, or when a packet is sent anyway. An ACK that was written may be taken
 *  back, so it counts only after `ackSent`. */
export class ReceivedPackets {
  readonly #ranges = new RangeSet();
  /** Numbers below this were forgotten. They count as seen. */
  #floor = 0;
  #largest = -1;
  #largestArrivedAt = 0;
  /** How many ack-eliciting packets arrived since the last ACK was written. */
  #unacknowledged = 0;
  /** An ACK is due now, without waiting. */
  #atOnce = false;
  #ackDueAt = Number.POSITIVE_INFINITY;
  /** A packet arrived since the last ACK was written. */
  #news = false;

  /** The largest number that arrived; -1 if there is none. */
  get largest(): number {
    return this.#largest;
  }
  /** How many ranges an ACK would have to describe. */
  get rangeCount(): number {
    return this.#ranges.count;
  }

  /** Whether the packet has arrived before, or may have (spec recovery 1.2). */
  isDuplicate(packetNumber: number): boolean {
    return packetNumber < this.#floor || this.#ranges.has(packetNumber);
  }

  /** Records a packet that is not a duplicate and was processed completely. */
  record(now: number, packetNumber: number, ackEliciting: boolean): void {
    const expected = this.#largest + 1;
    this.#ranges.add(packetNumber, packetNumber + 1);
    if (this.#ranges.count > MAX_RECEIVED_RANGES) {
      this.#floor = this.#ranges.end(0);
      this.#ranges.dropLowest();
    }
    if (packetNumber > this.#largest) {
      this.#largest = packetNumber;
      this.#largestArrivedAt = now;
    }
    this.#news = true;
    if (!ackEliciting) return;
    this.#unacknowledged++;
    if (packetNumber !== expected || this.#unacknowledged >= ACK_ELICITING_THRESHOLD) this.#atOnce = true;
    if (this.#ackDueAt === Number.POSITIVE_INFINITY) this.#ackDueAt = now + MAX_ACK_DELAY_MS;
  }

  /** Whether an ACK must be sent now, even in a packet of its own. */
  isAckDue(now: number): boolean {
    return this.#unacknowledged > 0 && (this.#atOnce || now >= this.#ackDueAt);
  }

  /** Whether a packet that is sent anyway should carry an ACK. */
  get hasNews(): boolean {
    return this.#news;
  }

  /** When an ACK will be due, if one is scheduled. */
  pollTimeout(): Deadline | undefined {
    if (this.#unacknowledged === 0 || this.#atOnce) return undefined;
    return { at: this.#ackDueAt, reason: 'acknowledgement' };
  }

  /** Writes an ACK frame with as many ranges as fit into `room` bytes, the highest first. Call `ackSent` if it is sent.
   *  @returns the position after the frame, or `position` if not even one range fits */
  writeAck(now: number, bytes: Uint8Array, position: number, room: number): number {
    const ranges = this.#ranges;
    const top = ranges.count - 1;
    if (top < 0) return position;
    const delay = Math.max(0, Math.floor((now - this.#largestArrivedAt) * ACK_DELAY_UNITS_PER_MS));
    const firstRange = ranges.end(top) - 1 - ranges.start(top);
    let length = 1 + varintLength(this.#largest) + varintLength(delay) + 2 + varintLength(firstRange);
    if (length > room) return position;
    let further = 0;
    for (let i = top - 1; i >= 0; i--) {
      const gap = ranges.start(i + 1) - ranges.end(i) - 1;
      const more = varintLength(gap) + varintLength(ranges.end(i) - 1 - ranges.start(i));
      if (length + more > room) break;
      length += more;
      further++;
    }
    bytes[position] = FrameType.ack;
    let at = writeVarint(bytes, position + 1, this.#largest);
    at = writeVarint(bytes, at, delay);
    at = writeVarint(bytes, at, further);
    at = writeVarint(bytes, at, firstRange);
    for (let i = top - 1; i >= top - further; i--) {
      at = writeVarint(bytes, at, ranges.start(i + 1) - ranges.end(i) - 1);
      at = writeVarint(bytes, at, ranges.end(i) - 1 - ranges.start(i));
    }
    return at;
  }

  /** The ACK that was written goes out: none is due after it. */
  ackSent(): void {
    this.#unacknowledged = 0;
    this.#atOnce = false;
    this.#ackDueAt = Number.POSITIVE_INFINITY;
    this.#news = false;
  }

  /** The peer acknowledged a packet whose ACK frame had this largest number. It has seen the ranges up to there, so
   *  they are not sent again (RFC 9000 §13.2.4). The largest number that arrived always stays. */
  onAckAcknowledged(largestInAck: number): void {
    const keepFrom = Math.min(largestInAck + 1, this.#largest);
    if (keepFrom <= this.#floor) return;
    this.#ranges.remove(0, keepFrom);
    this.#floor = keepFrom;
  }
}
