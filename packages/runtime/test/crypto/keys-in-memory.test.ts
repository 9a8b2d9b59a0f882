import type { CryptoSuite } from '@underpass/protocol';
import { canSearchMemory, copiesInMemory, moveYoungObjects } from '@underpass/testkit/crypto';
import { describe, expect, it } from 'vitest';
import { EVERY_SUITE } from './every-suite.js';

const KEY_BYTES = 32;

/** The keys of these tests. Small steps of the seed give keys with different prefixes. */
const keyOf =
  (seed: number) =>
  (index: number): number =>
    (((seed + index) * 2654435761) >>> 24) & 0xff;

/** Seals and opens once with the key, and wipes everything but the cipher. */
function useKey(suite: CryptoSuite, seed: number) {
  const keyByte = keyOf(seed);
  // `map` would return an array inside V8's heap, whose bytes stay where it was when V8 moves it.
  const key = new Uint8Array(new ArrayBuffer(KEY_BYTES));
  for (let i = 0; i < KEY_BYTES; i++) key[i] = keyByte(i);
  const aead = suite.aead(key);
  moveYoungObjects();
  key.fill(0);
  const packet = new Uint8Array(1350);
  aead.seal(0, 1, packet, 0, 1334);
  aead.open(0, 1, packet, 0, 1350);
  return aead;
}

describe.skipIf(!canSearchMemory).each(EVERY_SUITE)('after a cipher is destroyed (%s)', (_, create) => {
  it('its key is nowhere in the memory of the process', () => {
    const suite = create();
    const aead = useKey(suite, 1);
    expect(copiesInMemory(keyOf(1))).toBeGreaterThan(0);
    aead.destroy();
    // The next calls overwrite what this one left on the stack. One alone may not: V8 may have optimised it meanwhile.
    for (let seed = 2; seed < 10; seed++) useKey(suite, seed).destroy();
    expect(copiesInMemory(keyOf(1))).toBe(0);
  });
});
