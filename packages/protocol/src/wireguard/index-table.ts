/** Whom a receiver index stands for (spec session 3.1). */
import { assert } from '../assert.js';
import { readUint32 } from '../little-endian.js';
import { MAX_INDEX_DRAWS } from './constants.js';

export class IndexTable<T> {
  readonly #random: (length: number) => Uint8Array;
  readonly #entries = new Map<number, T>();

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
  }

  get size(): number {
    return this.#entries.size;
  }
  get(index: number): T | undefined {
    return this.#entries.get(index);
  }

  /** Draws a free index for the entry. */
  add(entry: T): number {
    for (let draw = 0; draw < MAX_INDEX_DRAWS; draw++) {
      const index = readUint32(this.#random(4), 0);
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
