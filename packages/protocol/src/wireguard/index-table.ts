import { assert } from '../assert.js';
import { readUint32 } from '../little-endian.js';
import { MAX_INDEX_DRAWS } from './constants.js';
import { indexOfShard, type Shard, WHOLE } from './shard.js';

/** Finds what a receiver index stands for (spec session 3.1).
 *
 *  An index is 32 random bits. We draw one for each handshake, and the other side puts it into every message that it
 *  sends us for that handshake or its keypair. So the table leads from a message to its handshake or keypair. One table
 *  serves all sessions of a WireGuard. An entry stays until the owner of the handshake or keypair deletes it. */
export class IndexTable<T> {
  readonly #random: (length: number) => Uint8Array;
  readonly #shard: Shard;
  readonly #entries = new Map<number, T>();

  /** @param shard the one that every index names (spec session 3.3) */
  constructor(random: (length: number) => Uint8Array, shard = WHOLE) {
    this.#random = random;
    this.#shard = shard;
  }

  get size(): number {
    return this.#entries.size;
  }
  get(index: number): T | undefined {
    return this.#entries.get(index);
  }

  /** Adds an entry under a random index that is free, and returns the index. */
  add(entry: T): number {
    for (let draw = 0; draw < MAX_INDEX_DRAWS; draw++) {
      const index = indexOfShard(readUint32(this.#random(4), 0), this.#shard);
      if (this.#entries.has(index)) continue;
      this.#entries.set(index, entry);
      return index;
    }
    assert(false, 'the source of randomness repeats itself');
  }

  delete(index: number): void {
    this.#entries.delete(index);
  }
}
