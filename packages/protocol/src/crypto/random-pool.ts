/** Small random values that are needed often and are no secrets: nonces and draws. The system is asked for many at once, because
 *  asking costs more than the bytes. */
import { assert } from '../assert.js';

export const RANDOM_POOL_BYTES = 4096;

export class RandomPool {
  readonly #random: (length: number) => Uint8Array;
  #bytes: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
  }

  /** @returns that many bytes, as a view that nobody else gets */
  take(length: number): Uint8Array {
    assert(length <= RANDOM_POOL_BYTES, 'the pool is larger than what is taken from it');
    if (this.#used + length > this.#bytes.length) {
      this.#bytes = this.#random(RANDOM_POOL_BYTES);
      this.#used = 0;
    }
    this.#used += length;
    return this.#bytes.subarray(this.#used - length, this.#used);
  }

  /** @returns 0 to 65535 */
  uint16(): number {
    const [low = 0, high = 0] = this.take(2);
    return low | (high << 8);
  }
}
