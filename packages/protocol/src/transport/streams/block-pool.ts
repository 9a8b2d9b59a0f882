import { RECEIVE_BLOCK_BYTES } from '../limits.js';

/** How many blocks wait to be used again: about what arrives in one turn of a fast transfer. */
export const MAX_POOLED_BLOCKS = 16;

/** The blocks of a peer's receive buffers that hold nothing now.
 *
 *  A transfer fills and empties thousands of blocks a second. Each new one is memory outside the heap, which makes the
 *  garbage collector run. A block is made only when none waits, so all blocks together never take more than those in use
 *  did at one time. PeerBudgets owns the pool, and the connection empties it when the peer has no streams. */
export class BlockPool {
  readonly #free: Uint8Array[] = [];

  /** Takes a block with arbitrary contents. */
  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(RECEIVE_BLOCK_BYTES);
  }

  /** Gives back a block, to which nobody may refer any more. */
  give(block: Uint8Array): void {
    if (this.#free.length < MAX_POOLED_BLOCKS) this.#free.push(block);
  }

  clear(): void {
    this.#free.length = 0;
  }
}
