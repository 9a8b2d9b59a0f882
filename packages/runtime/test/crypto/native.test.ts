import { createNativeSuite, loadSodium, type Sodium } from '@underpass/runtime';
import { describeLowOrder, describeSuite } from '@underpass/testkit/crypto';
import { describe, expect, it } from 'vitest';

const createNodeSuite = () => createNativeSuite();
describeSuite('node:crypto', createNodeSuite);
describeLowOrder('node:crypto', createNodeSuite);

const sodium = loadSodium();
describe.skipIf(sodium === undefined)('with sodium-native, which is optional', () => {
  const createSodiumSuite = () => createNativeSuite(sodium);
  describeSuite('sodium', createSodiumSuite);
  describeLowOrder('sodium', createSodiumSuite);
});

it('wipes the key of a destroyed cipher', () => {
  const keys: Uint8Array[] = [];
  const suite = createNativeSuite({
    crypto_aead_chacha20poly1305_ietf_encrypt: (...[, , , , , key]) => keys.push(key),
  } as Sodium);
  const aead = suite.aead(new Uint8Array(32).fill(7));
  aead.seal(0, 0, new Uint8Array(16), 0, 0);
  expect(keys).toEqual([new Uint8Array(32).fill(7)]);
  aead.destroy();
  expect(keys).toEqual([new Uint8Array(32)]);
});

it('names the libraries that it uses', () => {
  expect(createNodeSuite().name).toBe('native (node:crypto)');
  expect(createNativeSuite(sodium).name).toBe(
    sodium === undefined ? 'native (node:crypto)' : 'native (node:crypto + sodium)',
  );
});
