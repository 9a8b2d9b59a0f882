/** The frames of streams that are in remembered packets: what to acknowledge when a packet arrives, what to send again
 *  when it is lost.
 *
 *  A ring beside the packets' own: a packet holds one such frame in a bulk transfer and hundreds when many streams have
 *  little to say. Frames are numbered in the order of sending; a packet knows its first and how many. They are forgotten
 *  with their packet. */
import { assert } from '../../assert.js';
import { MAX_SENT_FRAMES } from '../limits.js';
import { grownRing } from './ring.js';

export const SentFrameKind = {
  stream: 0,
  streamFin: 1,
  reset: 2,
  stop: 3,
  maxStreamData: 4,
} as const;
export type SentFrameKind = (typeof SentFrameKind)[keyof typeof SentFrameKind];

const INITIAL_CAPACITY = 128;
/** Sum of the columns below. */
export const BYTES_PER_FRAME = 19;

export class SentFrames {
  kind = new Uint8Array(INITIAL_CAPACITY);
  streamId = new Float64Array(INITIAL_CAPACITY);
  /** Offset of a STREAM frame's first byte. */
  start = new Float64Array(INITIAL_CAPACITY);
  length = new Uint16Array(INITIAL_CAPACITY);

  #mask = INITIAL_CAPACITY - 1;
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
    return this.kind.byteLength + this.streamId.byteLength + this.start.byteLength + this.length.byteLength;
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
    if (this.count > this.#mask) this.#grow();
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
  }

  #grow(): void {
    const oldMask = this.#mask;
    const capacity = 2 * (oldMask + 1);
    const first = this.#first;
    const end = this.#end;
    this.kind = grownRing(this.kind, oldMask, capacity, first, end);
    this.streamId = grownRing(this.streamId, oldMask, capacity, first, end);
    this.start = grownRing(this.start, oldMask, capacity, first, end);
    this.length = grownRing(this.length, oldMask, capacity, first, end);
    this.#mask = capacity - 1;
  }
}
