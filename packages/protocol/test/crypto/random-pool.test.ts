import { expect, it } from 'vitest';
import { RANDOM_POOL_BYTES, RandomPool } from '../../src/crypto/random-pool.js';

/** A source whose bytes count up, across calls too. */
function counting() {
  let drawn = 0;
  const lengths: number[] = [];
  const random = (length: number): Uint8Array => {
    lengths.push(length);
    return Uint8Array.from({ length }, () => drawn++ % 251);
  };
  return { random, lengths };
}

it('draws many bytes at once, and hands out each of them once', () => {
  const { random, lengths } = counting();
  const pool = new RandomPool(random);
  const taken = Array.from({ length: 200 }, () => pool.take(24));
  expect(lengths).toEqual([RANDOM_POOL_BYTES, RANDOM_POOL_BYTES]);
  const perPool = Math.floor(RANDOM_POOL_BYTES / 24);
  for (const [i, bytes] of taken.entries()) {
    const start = i < perPool ? 24 * i : RANDOM_POOL_BYTES + 24 * (i - perPool);
    expect([...bytes]).toEqual(Array.from({ length: 24 }, (_, k) => (start + k) % 251));
  }
});

it('makes a number of up to 65535 from two bytes', () => {
  const pool = new RandomPool((length) => new Uint8Array(length).fill(0xff));
  expect(pool.uint16()).toBe(65_535);
});
