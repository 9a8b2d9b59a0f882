import { RangeSet } from '../../range-set.js';
import { MAX_REASSEMBLY_PIECES, RECEIVE_BLOCK_BYTES } from '../limits.js';
import { BlockPool } from './block-pool.js';

/** The memory for one range: two numbers in a range set. */
const PIECE_BYTES = 16;

/** Holds the bytes of one stream that arrived, until they are read.
 *
 *  Bytes arrive in any order, and some arrive twice. The buffer copies each byte once, to its place in a list of blocks
 *  of fixed size. So the memory that it takes is that of the blocks below the stream's window, however small and
 *  scattered the pieces are. Once everything that arrived was copied to a reader, it takes none: a block would be the
 *  largest part of an idle stream's memory. ReceiveHalf owns the buffer, and has checked the stream's limit before it
 *  writes. The only limit that the buffer enforces itself is that on the number of separate pieces (spec streams 4.6). */
export class ReceiveBuffer {
  /** `#blocks[i]` holds the bytes from (`#firstBlock` + i) * RECEIVE_BLOCK_BYTES on. */
  #blocks: (Uint8Array | undefined)[] = [];
  #firstBlock = 0;
  /** The caller of `read` may still use the first block. */
  #isFirstShared = false;
  readonly #pool: BlockPool;
  /** All bytes below this offset were read. */
  #read = 0;
  /** All offsets that ever arrived. A stream without gaps has one range, which starts at 0. */
  readonly #arrived = new RangeSet();
  /** How many different bytes arrived. */
  arrivedBytes = 0;

  /** @param pool where blocks come from, and go when all their bytes were read with `readInto` */
  constructor(pool = new BlockPool()) {
    this.#pool = pool;
  }

  /** The offset of the next byte to read. */
  get readOffset(): number {
    return this.#read;
  }
  /** How much memory the buffer takes. */
  get allocatedBytes(): number {
    let blocks = 0;
    for (const block of this.#blocks) if (block !== undefined) blocks++;
    return blocks * RECEIVE_BLOCK_BYTES + this.#arrived.count * PIECE_BYTES;
  }
  /** The end of the bytes that arrived without a gap. */
  get contiguousEnd(): number {
    return this.#arrived.isEmpty || this.#arrived.start(0) > 0 ? 0 : this.#arrived.end(0);
  }

  /** Copies bytes[start, start + length) into the buffer, as the bytes of the stream at `offset`. Bytes that are there
   *  already do not change.
   *  @returns false, and copies nothing, if there would be too many separate pieces (spec streams 4.6) */
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

  /** Takes the next bytes in order, up to the end of a block at most.
   *  @returns a view that the caller may keep, or undefined if there are none */
  read(): Uint8Array | undefined {
    const available = this.contiguousEnd - this.#read;
    if (available <= 0) return undefined;
    const inBlock = this.#read % RECEIVE_BLOCK_BYTES;
    const length = Math.min(available, RECEIVE_BLOCK_BYTES - inBlock);
    const block = this.#blocks[0] as Uint8Array;
    const view = block.subarray(inBlock, inBlock + length);
    this.#read += length;
    this.#isFirstShared = true;
    if (inBlock + length === RECEIVE_BLOCK_BYTES) this.#dropFirst();
    return view;
  }

  /** Copies the next bytes in order to the beginning of `target`.
   *  @returns how many: all that there are, or as many as fit */
  readInto(target: Uint8Array): number {
    const total = Math.min(this.contiguousEnd - this.#read, target.length);
    for (let at = 0; at < total; ) {
      const inBlock = this.#read % RECEIVE_BLOCK_BYTES;
      const length = Math.min(total - at, RECEIVE_BLOCK_BYTES - inBlock);
      const block = this.#blocks[0] as Uint8Array;
      target.set(length === RECEIVE_BLOCK_BYTES ? block : block.subarray(inBlock, inBlock + length), at);
      at += length;
      this.#read += length;
      if (inBlock + length === RECEIVE_BLOCK_BYTES) this.#dropFirst();
    }
    if (this.#blocks.length === 1 && this.#holdsNothing) this.#giveFirst();
    return total;
  }

  /** Gives back all memory. */
  clear(): void {
    for (let i = this.#isFirstShared ? 1 : 0; i < this.#blocks.length; i++) {
      const block = this.#blocks[i];
      if (block !== undefined) this.#pool.give(block);
    }
    this.#blocks = [];
    this.#isFirstShared = false;
    this.#arrived.clear();
  }

  /** Whether everything that arrived was read. */
  get #holdsNothing(): boolean {
    return this.#arrived.count === 1 && this.#read === this.#arrived.end(0);
  }

  /** All bytes of the first block were read. */
  #dropFirst(): void {
    this.#giveFirst();
    this.#firstBlock++;
  }

  #giveFirst(): void {
    const block = this.#blocks.shift();
    if (block !== undefined && !this.#isFirstShared) this.#pool.give(block);
    this.#isFirstShared = false;
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
      block = this.#pool.take();
      this.#blocks[index] = block;
    }
    return block;
  }
}
