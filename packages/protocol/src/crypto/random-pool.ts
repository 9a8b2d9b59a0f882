import { assert } from '../assert.js';

export const RANDOM_POOL_BYTES = 4096;

/** A supply of small random values that are needed often and need not stay secret: nonces, and numbers to decide by
 *  chance.
 *
 *  A call to the system costs more than the bytes it returns. So the pool draws 4096 bytes at a time and hands them out
 *  in order, each byte once. It never wipes them, which is why keys are not drawn from it. */
export class RandomPool {
  readonly #random: (length: number) => Uint8Array;
  #bytes: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
  }

  /** Takes the next bytes.
   *  @param length at most RANDOM_POOL_BYTES
   *  @returns a view of bytes that no other caller gets */
  take(length: number): Uint8Array {
    assert(length <= RANDOM_POOL_BYTES, 'no more bytes are taken at once than the pool holds');
    if (this.#used + length > this.#bytes.length) {
      this.#bytes = this.#random(RANDOM_POOL_BYTES);
      this.#used = 0;
    }
    this.#used += length;
    return this.#bytes.subarray(this.#used - length, this.#used);
  }

  /** Takes a random whole number from 0 to 65535. */
  uint16(): number {
    const [low = 0, high = 0] = this.take(2);
    return low | (high << 8);
  }
}
