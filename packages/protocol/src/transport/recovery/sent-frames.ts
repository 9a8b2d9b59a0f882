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

/** The memory for one frame: the sum of the columns below. */
export const BYTES_PER_FRAME = 19;

/** The frames of streams in the packets that are remembered: what to acknowledge when a packet arrives, and what to
 *  send again when it is lost.
 *
 *  It is a ring of its own beside that of the packets, because a packet has one such frame in a bulk transfer and
 *  hundreds of them when many streams have little to send. Frames are numbered in the order in which they were sent.
 *  PacketLog owns this object: it remembers for each packet the first frame and their number, and has frames forgotten
 *  with their packet. Streams are named by id, so nothing here keeps a stream alive. */
export class SentFrames {
  streamId = NO_FLOATS;
  /** STREAM: the offset of its first byte. */
  start = NO_FLOATS;
  /** STREAM: the length of its data. */
  length = NO_SHORTS;
  kind = NO_BYTES;

  /** The number of slots less one. */
  #mask = -1;
  #first = 0;
  #next = 0;
  /** One more than the number of the last frame of the packet that is being built. */
  #end = 0;

  /** The number of the first frame of the packet that is being built. */
  get next(): number {
    return this.#next;
  }
  /** How many frames are remembered. */
  get count(): number {
    return this.#end - this.#first;
  }
  /** How much memory the columns take. */
  get allocatedBytes(): number {
    return this.streamId.buffer.byteLength;
  }

  /** Whether this many more frames can be remembered. */
  hasRoomFor(frames: number): boolean {
    return this.count + frames <= MAX_SENT_FRAMES;
  }

  /** The index of a remembered frame in each column. */
  slot(frame: number): number {
    return frame & this.#mask;
  }

  /** Begins a packet. Frames that were added since the last `commit` are discarded. */
  begin(): void {
    this.#end = this.#next;
  }

  /** Adds a frame to the packet that is being built. */
  add(kind: SentFrameKind, streamId: number, start: number, length: number): void {
    assert(this.hasRoomFor(1), 'more frames sent than are remembered');
    this.#resize(slotsFor(this.count + 1, this.#slots));
    const i = this.slot(this.#end++);
    this.kind[i] = kind;
    this.streamId[i] = streamId;
    this.start[i] = start;
    this.length[i] = length;
  }

  /** Ends the packet.
   *  @returns how many frames it has */
  commit(): number {
    const count = this.#end - this.#next;
    this.#next = this.#end;
    return count;
  }

  /** Forgets all frames with lower numbers. */
  forgetBelow(frame: number): void {
    this.#first = frame;
    this.#resize(slotsFor(this.count, this.#slots));
  }

  /** Gives back memory that will not be needed soon. */
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
