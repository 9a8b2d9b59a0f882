import { assert } from '../../assert.js';
import { RangeSet } from '../../range-set.js';

/** How many empty slots the front of the chunk list may have before the list is compacted. */
const MAX_EMPTY_SLOTS = 64;
/** A chunk of its own costs some hundred bytes beyond its contents, so a smaller write is added to the last chunk
 *  (spec streams 5.5). */
const SMALL_WRITE_BYTES = 2048;
const MIN_BLOCK_BYTES = 64;
const MAX_BLOCK_BYTES = 4096;
/** Of a stream that has gathered nothing. One for all, because each would take some hundred bytes. */
const NO_BLOCK = new Uint8Array(0);

/** Holds the bytes written to one stream until they are acknowledged, and knows which to send next and which to send
 *  again.
 *
 *  The buffer keeps references to the application's chunks and copies their bytes only once, into a packet. Small
 *  chunks are gathered in blocks first, which copies them once more but saves the overhead of each.
 *
 *  Offsets divide the stream: everything below `#acknowledged` is acknowledged, everything below `sent` was sent at
 *  least once, and everything below `written` was written. Between the first two, one set has what was acknowledged out
 *  of order, and another what was lost. SendHalf owns the buffer and decides what to send. */
export class SendBuffer {
  #chunks: (Uint8Array | undefined)[] = [];
  /** The offset of each chunk's first byte. */
  #starts: number[] = [];
  /** The index of the first chunk that is still held. */
  #head = 0;
  /** The block in which small chunks are gathered. The last chunk is then a view of its beginning. */
  #block = NO_BLOCK;
  /** The index of the chunk that is probably read next, because new data is read in order. */
  #cursor = 0;
  /** All bytes below this offset are acknowledged. */
  #acknowledged = 0;
  /** All bytes below this offset were sent at least once. */
  #sent = 0;
  #written = 0;
  readonly #acknowledgedAbove = new RangeSet();
  readonly #lost = new RangeSet();

  /** How many bytes were written. */
  get written(): number {
    return this.#written;
  }
  /** How many bytes were sent at least once. */
  get sent(): number {
    return this.#sent;
  }
  /** How many chunks are held. Those gathered in a block count as one. */
  get chunks(): number {
    return this.#chunks.length - this.#head;
  }
  /** How many bytes were written and not yet acknowledged. */
  get bufferedBytes(): number {
    return this.#written - this.#acknowledged;
  }
  /** How many separate ranges of bytes are lost, or acknowledged beyond a gap. */
  get notedPieces(): number {
    return this.#acknowledgedAbove.count + this.#lost.count;
  }
  /** Whether lost bytes wait to be sent again. */
  get hasLost(): boolean {
    return !this.#lost.isEmpty;
  }
  /** Whether everything that was written is acknowledged. */
  get isAllAcknowledged(): boolean {
    return this.#acknowledged === this.#written;
  }
  /** Whether everything that was sent is acknowledged. */
  get isSentAcknowledged(): boolean {
    return this.#acknowledged === this.#sent;
  }
  /** The first lost byte. */
  get lostStart(): number {
    return this.#lost.start(0);
  }
  /** The end of the range of lost bytes that begins at `lostStart`. */
  get lostEnd(): number {
    return this.#lost.end(0);
  }

  /** Adds bytes. The caller must not change them until they are acknowledged. */
  write(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    if (chunk.length >= SMALL_WRITE_BYTES || !this.#gather(chunk)) {
      this.#chunks.push(chunk);
      this.#starts.push(this.#written);
    }
    this.#written += chunk.length;
  }

  /** Copies the bytes [start, start + length) to `target`, and marks them as sent. */
  copyToPacket(start: number, length: number, target: Uint8Array, position: number): void {
    let i = this.#findChunk(start);
    let from = start;
    let at = position;
    const end = start + length;
    while (from < end) {
      const chunk = this.#chunks[i] as Uint8Array;
      const skip = from - (this.#starts[i] as number);
      const take = Math.min(chunk.length - skip, end - from);
      target.set(skip === 0 && take === chunk.length ? chunk : chunk.subarray(skip, skip + take), at);
      from += take;
      at += take;
      if (skip + take === chunk.length) i++;
    }
    this.#cursor = i;
    if (end > this.#sent) this.#sent = end;
    else this.#lost.remove(start, end);
  }

  /** The bytes [start, end) were acknowledged. */
  onAcknowledged(start: number, end: number): void {
    if (!this.#lost.isEmpty) this.#lost.remove(start, end);
    if (start > this.#acknowledged) {
      this.#acknowledgedAbove.add(start, end);
      return;
    }
    if (end <= this.#acknowledged) return;
    this.#acknowledged = end;
    const above = this.#acknowledgedAbove;
    while (!above.isEmpty && above.start(0) <= this.#acknowledged) {
      this.#acknowledged = Math.max(this.#acknowledged, above.end(0));
      above.dropLowest();
    }
    this.#release();
  }

  /** The bytes [start, end) were lost. Those that are not acknowledged by now are to be sent again. */
  onLost(start: number, end: number): void {
    const to = Math.min(end, this.#sent);
    let from = Math.max(start, this.#acknowledged);
    while (from < to) {
      from = this.#acknowledgedAbove.nextMissing(from, to);
      const until = this.#acknowledgedAbove.nextPresent(from, to);
      this.#lost.add(from, until);
      from = until;
    }
  }

  /** Starts over: all bytes count as never sent. None may have been acknowledged. */
  rewind(): void {
    assert(this.#acknowledged === 0, 'nothing was acknowledged');
    this.#sent = 0;
    this.#cursor = this.#head;
    this.#lost.clear();
    this.#acknowledgedAbove.clear();
  }

  /** Discards all bytes and gives back all memory. */
  clear(): void {
    this.#chunks = [];
    this.#starts = [];
    this.#block = NO_BLOCK;
    this.#head = 0;
    this.#cursor = 0;
    this.#acknowledged = this.#written;
    this.#lost.clear();
    this.#acknowledgedAbove.clear();
  }

  /** Adds a small chunk to the last one.
   *  @returns false if there is no last chunk with room for it */
  #gather(chunk: Uint8Array): boolean {
    const i = this.#chunks.length - 1;
    const last = i < this.#head ? undefined : this.#chunks[i];
    if (last === undefined || last.length + chunk.length > MAX_BLOCK_BYTES) return false;
    const length = last.length + chunk.length;
    if (last.buffer !== this.#block.buffer || length > this.#block.length) {
      this.#block = new Uint8Array(Math.min(Math.max(2 * length, MIN_BLOCK_BYTES), MAX_BLOCK_BYTES));
      this.#block.set(last);
    }
    this.#block.set(chunk, last.length);
    this.#chunks[i] = this.#block.subarray(0, length);
    return true;
  }

  /** The index of the chunk with this offset. */
  #findChunk(offset: number): number {
    const starts = this.#starts;
    const guess = this.#cursor;
    if (guess >= this.#head && guess < starts.length && (starts[guess] as number) <= offset) {
      if (guess + 1 === starts.length || (starts[guess + 1] as number) > offset) return guess;
    }
    let low = this.#head;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Lets go of chunks that are acknowledged completely. */
  #release(): void {
    while (this.#head < this.#chunks.length) {
      const chunk = this.#chunks[this.#head] as Uint8Array;
      if ((this.#starts[this.#head] as number) + chunk.length > this.#acknowledged) break;
      this.#chunks[this.#head++] = undefined;
    }
    if (this.#head === this.#chunks.length) this.#block = NO_BLOCK;
    if (this.#head === this.#chunks.length || this.#head > MAX_EMPTY_SLOTS) {
      this.#chunks.splice(0, this.#head);
      this.#starts.splice(0, this.#head);
      this.#cursor = Math.max(0, this.#cursor - this.#head);
      this.#head = 0;
    }
  }
}
