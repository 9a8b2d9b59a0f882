/** Received bytes of one stream until they are read: put in order in blocks of fixed size, each copied once.
 *
 *  Memory is whole blocks below the stream's window, however small or scattered the pieces are. */
import { RangeSet } from '../../range-set.js';
import { MAX_REASSEMBLY_PIECES, RECEIVE_BLOCK_BYTES } from '../limits.js';

/** Two numbers in a range set. */
const PIECE_BYTES = 16;

export class ReceiveBuffer {
  /** blocks[i] holds the bytes from (firstBlock + i) * RECEIVE_BLOCK_BYTES. */
  #blocks: (Uint8Array | undefined)[] = [];
  #firstBlock = 0;
  /** Everything below has been handed to the reader. */
  #read = 0;
  /** Everything that ever arrived; a stream without gaps has one range that starts at 0. */
  readonly #arrived = new RangeSet();
  /** Different bytes that arrived. */
  arrivedBytes = 0;

  get readOffset(): number {
    return this.#read;
  }
  /** Memory that is held. */
  get allocatedBytes(): number {
    let blocks = 0;
    for (const block of this.#blocks) if (block !== undefined) blocks++;
    return blocks * RECEIVE_BLOCK_BYTES + this.#arrived.count * PIECE_BYTES;
  }
  /** End of what can be read without a gap. */
  get contiguousEnd(): number {
    return this.#arrived.isEmpty || this.#arrived.start(0) > 0 ? 0 : this.#arrived.end(0);
  }

  /** Keeps bytes[start, start + length) as the stream's bytes from `offset`; what is there already stays as it is.
   *  @returns false when that would make one piece too many (spec streams 4.6) */
  write(offset: number, bytes: Uint8Array, start: number, length: number): boolean {
    const end = offset + length;
    const arrived = this.#arrived;
    const isAwaited = offset <= this.contiguousEnd;
    if (arrived.count >= MAX_REASSEMBLY_PIECES && !isAwaited && arrived.wouldSplit(offset, end)) return false;
    let from = offset;
    while (from < end) {
      from = arrived.nextMissing(from, end);
      const until = arrived.nextPresent(from, end);
      this.#copy(from, until, bytes, start + (from - offset));
      from = until;
    }
    this.arrivedBytes += arrived.add(offset, end);
    return true;
  }

  /** The next bytes in order, at most to the end of a block; undefined when there are none. */
  read(): Uint8Array | undefined {
    const available = this.contiguousEnd - this.#read;
    if (available <= 0) return undefined;
    const inBlock = this.#read % RECEIVE_BLOCK_BYTES;
    const length = Math.min(available, RECEIVE_BLOCK_BYTES - inBlock);
    const block = this.#blocks[0] as Uint8Array;
    const view = block.subarray(inBlock, inBlock + length);
    this.#read += length;
    if (inBlock + length === RECEIVE_BLOCK_BYTES) {
      this.#blocks.shift();
      this.#firstBlock++;
    }
    return view;
  }

  /** Gives all memory back. */
  clear(): void {
    this.#blocks = [];
    this.#arrived.clear();
  }

  #copy(from: number, until: number, bytes: Uint8Array, start: number): void {
    let offset = from;
    let at = start;
    while (offset < until) {
      const blockNumber = Math.floor(offset / RECEIVE_BLOCK_BYTES);
      const inBlock = offset - blockNumber * RECEIVE_BLOCK_BYTES;
      const take = Math.min(until - offset, RECEIVE_BLOCK_BYTES - inBlock);
      this.#block(blockNumber - this.#firstBlock).set(bytes.subarray(at, at + take), inBlock);
      offset += take;
      at += take;
    }
  }

  #block(index: number): Uint8Array {
    while (this.#blocks.length <= index) this.#blocks.push(undefined);
    let block = this.#blocks[index];
    if (block === undefined) {
      block = new Uint8Array(RECEIVE_BLOCK_BYTES);
      this.#blocks[index] = block;
    }
    return block;
  }
}
