/** The frames of streams that are in remembered packets: what to acknowledge when a packet arrives, what to send again
 *  when it is lost.
 *
 *  A ring beside the packets' own: a packet holds one such frame in a bulk transfer and hundreds when many streams have
 *  little to say. Frames are numbered in the order of sending; a packet knows its first and how many. They are forgotten
 *  with their packet. */
import { assert } from '../../assert.js';
import { MAX_SENT_FRAMES } from '../limits.js';
import { NO_BYTES, NO_FLOATS, NO_SHORTS, resized, slotsFor, trimmedSlotsFor } from './ring.js';

export const SentFrameKind = {
  stream: 0,
  streamFin: 1,
  reset: 2,
  stop: 3,
  maxStreamData: 4,
} as const;
export type SentFrameKind = (typeof SentFrameKind)[keyof typeof SentFrameKind];

/** Sum of the columns below. */
export const BYTES_PER_FRAME = 19;

export class SentFrames {
  streamId = NO_FLOATS;
  /** Offset of a STREAM frame's first byte. */
  start = NO_FLOATS;
  length = NO_SHORTS;
  kind = NO_BYTES;

  /** One less than the slots. */
  #mask = -1;
  #first = 0;
  #next = 0;
  /** Behind the frames of the packet that is being built. */
  #end = 0;

  /** The number of the first frame of the packet that is being built. */
  get next(): number {
    return this.#next;
  }
  get count(): number {
    return this.#end - this.#first;
  }
  get allocatedBytes(): number {
    return this.streamId.buffer.byteLength;
  }

  hasRoomFor(frames: number): boolean {
    return this.count + frames <= MAX_SENT_FRAMES;
  }

  slot(frame: number): number {
    return frame & this.#mask;
  }

  begin(): void {
    this.#end = this.#next;
  }

  add(kind: SentFrameKind, streamId: number, start: number, length: number): void {
    assert(this.hasRoomFor(1), 'more frames sent than are remembered');
    this.#resize(slotsFor(this.count + 1, this.#slots));
    const i = this.slot(this.#end++);
    this.kind[i] = kind;
    this.streamId[i] = streamId;
    this.start[i] = start;
    this.length[i] = length;
  }

  /** @returns how many frames the packet that was built has */
  commit(): number {
    const count = this.#end - this.#next;
    this.#next = this.#end;
    return count;
  }

  forgetBelow(frame: number): void {
    this.#first = frame;
    this.#resize(slotsFor(this.count, this.#slots));
  }

  trim(): void {
    this.#resize(trimmedSlotsFor(this.count, this.#slots));
  }

  get #slots(): number {
    return this.#mask + 1;
  }

  #resize(slots: number): void {
    if (slots === this.#slots) return;
    const { streamId, start, length, kind } = this;
    Object.assign(
      this,
      resized({ streamId, start, length, kind }, this.#mask, slots, this.#first, this.#end),
    );
    this.#mask = slots - 1;
  }
}
