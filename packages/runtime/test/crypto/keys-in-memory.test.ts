import type { CryptoSuite } from '@underpass/protocol';
import { canSearchMemory, copiesInMemory, moveYoungObjects, placesInMemory } from '@underpass/testkit/crypto';
import { describe, expect, it } from 'vitest';
import { EVERY_SUITE } from './every-suite.js';

const KEY_BYTES = 32;
const TRIALS = 4;
const OTHER_KEYS = 8;

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

/** Uses a key, destroys its cipher, and looks for what is left. The other keys overwrite what a library left on its stack. */
function placesLeft(suite: CryptoSuite, seed: number): string[] {
  const aead = useKey(suite, seed);
  expect(copiesInMemory(keyOf(seed))).toBeGreaterThan(0);
  aead.destroy();
  for (let other = 1; other <= OTHER_KEYS; other++) useKey(suite, seed + other).destroy();
  return placesInMemory(keyOf(seed));
}

describe.skipIf(!canSearchMemory).each(EVERY_SUITE)('after a cipher is destroyed (%s)', (_, create) => {
  it('its key is nowhere in the memory of the process', () => {
    const suite = create();
    const trials: string[][] = [];
    // A cipher leaves the key in vector registers. V8 saves them in its heap when it gives up optimised code just then, and
    // the system on the stack when a signal arrives. That is chance, and happens to one key. What a suite leaves, it
    // leaves of each.
    while (trials.length < TRIALS && trials.at(-1)?.length !== 0) {
      trials.push(placesLeft(suite, 1 + trials.length * (1 + OTHER_KEYS)));
    }
    expect(trials).toContainEqual([]);
  });
});
