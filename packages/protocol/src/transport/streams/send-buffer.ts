/** Written bytes of one stream until they are acknowledged: which to send next, which to send again.
 *
 *  It keeps references to the application's chunks and copies once, into the packet; small ones it gathers in blocks first. */
import { assert } from '../../assert.js';
import { RangeSet } from '../../range-set.js';

/** Emptied slots at the front of the chunk list that are tolerated before it is compacted. */
const MAX_EMPTY_SLOTS = 64;
/** A chunk of its own costs some hundred bytes beside its contents: a smaller one is added to the last (spec streams 5.5). */
const SMALL_WRITE_BYTES = 2048;
const MIN_BLOCK_BYTES = 64;
const MAX_BLOCK_BYTES = 4096;

export class SendBuffer {
  #chunks: (Uint8Array | undefined)[] = [];
  /** Offset of each chunk's first byte. */
  #starts: number[] = [];
  #head = 0;
  /** The last chunk is the beginning of it, if small ones were gathered there. */
  #block = new Uint8Array(0);
  /** The chunk that was read last: new data is read in order. */
  #cursor = 0;
  /** Everything below is acknowledged. */
  #acknowledged = 0;
  /** Everything below has been sent at least once. */
  #sent = 0;
  #written = 0;
  readonly #acknowledgedAbove = new RangeSet();
  readonly #lost = new RangeSet();

  get written(): number {
    return this.#written;
  }
  get sent(): number {
    return this.#sent;
  }
  /** Chunks and blocks that are held. */
  get chunks(): number {
    return this.#chunks.length - this.#head;
  }
  /** Bytes held in memory. */
  get bufferedBytes(): number {
    return this.#written - this.#acknowledged;
  }
  /** Separate ranges of bytes that are acknowledged behind a gap, or lost. */
  get notedPieces(): number {
    return this.#acknowledgedAbove.count + this.#lost.count;
  }
  get hasLost(): boolean {
    return !this.#lost.isEmpty;
  }
  get isAllAcknowledged(): boolean {
    return this.#acknowledged === this.#written;
  }
  /** Nothing that was sent waits for an acknowledgement. */
  get isSentAcknowledged(): boolean {
    return this.#acknowledged === this.#sent;
  }
  /** First lost byte. */
  get lostStart(): number {
    return this.#lost.start(0);
  }
  get lostEnd(): number {
    return this.#lost.end(0);
  }

  write(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    if (chunk.length >= SMALL_WRITE_BYTES || !this.#gather(chunk)) {
      this.#chunks.push(chunk);
      this.#starts.push(this.#written);
    }
    this.#written += chunk.length;
  }

  /** Copies [start, start + length) to `target` and notes it as sent. */
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

  /** What of [start, end) is still wanted is to be sent again. */
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

  /** Nothing that was sent has arrived: all of it is to be sent for the first time again. */
  rewind(): void {
    assert(this.#acknowledged === 0, 'nothing was acknowledged');
    this.#sent = 0;
    this.#cursor = this.#head;
    this.#lost.clear();
    this.#acknowledgedAbove.clear();
  }

  /** Gives all memory back. */
  clear(): void {
    this.#chunks = [];
    this.#starts = [];
    this.#block = new Uint8Array(0);
    this.#head = 0;
    this.#cursor = 0;
    this.#acknowledged = this.#written;
    this.#lost.clear();
    this.#acknowledgedAbove.clear();
  }

  /** @returns false when there is no last chunk with room for it */
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

  #release(): void {
    while (this.#head < this.#chunks.length) {
      const chunk = this.#chunks[this.#head] as Uint8Array;
      if ((this.#starts[this.#head] as number) + chunk.length > this.#acknowledged) break;
      this.#chunks[this.#head++] = undefined;
    }
    if (this.#head === this.#chunks.length || this.#head > MAX_EMPTY_SLOTS) {
      this.#chunks.splice(0, this.#head);
      this.#starts.splice(0, this.#head);
      this.#cursor = Math.max(0, this.#cursor - this.#head);
      this.#head = 0;
    }
  }
}
