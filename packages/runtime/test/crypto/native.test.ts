import { createNativeSuite, loadSodium } from '@underpass/runtime';
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

it('says by its name what it uses', () => {
  expect(createNodeSuite().name).toBe('native (node:crypto)');
  expect(createNativeSuite(sodium).name).toBe(
    sodium === undefined ? 'native (node:crypto)' : 'native (node:crypto + sodium)',
  );
});
