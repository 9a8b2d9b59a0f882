/** Step 6: bytes that arrive whole and in order, over a network that loses, repeats and reorders. No socket and no clock in here:
 *  time is an argument, packets are return values. So a test can run an hour of bad weather in a second. */

import { Receiver, WINDOW_BYTES } from './receiver.ts';

export { Receiver };

export interface DataPacket {
  /** Every packet has a new number, a repetition too. So an acknowledgement says which transmission arrived. */
  readonly number: number;
  /** Where the bytes belong in the stream. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

export interface AckPacket {
  /** Numbers of received packets, [first, last], the newest first. */
  readonly ranges: readonly (readonly [number, number])[];
  /** The sender may not send bytes at this offset or behind it. */
  readonly limit: number;
}

const PIECE_BYTES = 1_000;
const MAX_BUFFERED_BYTES = 65_536;
/** A fixed number, and so the wrong one for nearly every network: step 7 is about that. */
const MAX_IN_FLIGHT = 64;
/** A packet counts as lost when one sent so much later has arrived. With less, reordering would look like loss. */
const REORDERING = 3;
const FIRST_RTT_MS = 300;

interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
  isAcknowledged: boolean;
}

/** Holds each piece until the other side has it. A piece is waiting, in flight, lost, or done. */
export class Sender {
  #waiting: Piece[] = [];
  #lost: Piece[] = [];
  #inFlight = new Map<number, { readonly piece: Piece; readonly sentAtMs: number }>();
  #nextNumber = 0;
  #nextOffset = 0;
  #buffered = 0;
  #largestAcknowledged = -1;
  #limit = WINDOW_BYTES;
  #rttMs = FIRST_RTT_MS;
  #lastSentMs = 0;
  #timeouts = 0;
  #mustProbe = false;

  /** @returns how many of the bytes were taken. The program keeps the rest and tries again later */
  write(bytes: Uint8Array, isLast = false): number {
    const taken = Math.min(bytes.length, MAX_BUFFERED_BYTES - this.#buffered);
    const isEndAlone = isLast && bytes.length === 0;
    for (let start = 0; start < taken || (isEndAlone && start === 0); start += PIECE_BYTES) {
      const piece = bytes.slice(start, Math.min(start + PIECE_BYTES, taken));
      const ends = isLast && start + piece.length === bytes.length;
      this.#waiting.push({ offset: this.#nextOffset, bytes: piece, isLast: ends, isAcknowledged: false });
      this.#nextOffset += piece.length;
    }
    this.#buffered += taken;
    return taken;
  }

  /** @returns the next packet to send, or undefined if there is nothing that may be sent now */
  poll(nowMs: number): DataPacket | undefined {
    if (this.#inFlight.size >= MAX_IN_FLIGHT) return undefined;
    let piece = this.#lost.shift();
    while (piece?.isAcknowledged) piece = this.#lost.shift();
    const [next] = this.#waiting;
    if (piece === undefined && next !== undefined && next.offset + next.bytes.length <= this.#limit) {
      piece = this.#waiting.shift();
    }
    if (piece === undefined && this.#mustProbe) {
      // Without bytes: asks for nothing but an acknowledgement, which says how far we may go.
      piece = { offset: this.#nextOffset, bytes: new Uint8Array(0), isLast: false, isAcknowledged: false };
    }
    if (piece === undefined) return undefined;
    this.#mustProbe = false;
    this.#lastSentMs = nowMs;
    this.#inFlight.set(this.#nextNumber, { piece, sentAtMs: nowMs });
    return { number: this.#nextNumber++, offset: piece.offset, bytes: piece.bytes, isLast: piece.isLast };
  }

  handleAck(ack: AckPacket, nowMs: number): void {
    // Nobody can have received what was never sent. A receiver that says so wants us to send faster than the network can carry.
    if (ack.ranges.some(([, last]) => last >= this.#nextNumber)) return;
    this.#limit = Math.max(this.#limit, ack.limit);
    this.#timeouts = 0;
    for (const [number, { piece, sentAtMs }] of this.#inFlight) {
      if (!ack.ranges.some(([first, last]) => number >= first && number <= last)) continue;
      this.#inFlight.delete(number);
      if (!piece.isAcknowledged) this.#buffered -= piece.bytes.length;
      piece.isAcknowledged = true;
      if (number > this.#largestAcknowledged) {
        this.#largestAcknowledged = number;
        this.#rttMs += (nowMs - sentAtMs - this.#rttMs) / 8;
      }
    }
    for (const [number, { piece }] of this.#inFlight) {
      if (number > this.#largestAcknowledged - REORDERING) break;
      this.#inFlight.delete(number);
      this.#lost.push(piece);
    }
  }

  /** @returns when `handleTimeout` must be called. Behind the last packet comes no other that could reveal its loss: only a
   *           timer can. Each time that it fires without an answer it takes twice as long, so that we don't flood a dead path */
  nextTimeoutMs(): number | undefined {
    if (this.#inFlight.size === 0 && this.#waiting.length === 0) return undefined;
    return this.#lastSentMs + 3 * this.#rttMs * 2 ** Math.min(this.#timeouts, 6);
  }

  handleTimeout(nowMs: number): void {
    this.#timeouts++;
    this.#lastSentMs = nowMs;
    this.#mustProbe = true;
    for (const [number, { piece }] of this.#inFlight) {
      this.#inFlight.delete(number);
      if (piece.bytes.length > 0 || piece.isLast) this.#lost.push(piece);
    }
  }
}
