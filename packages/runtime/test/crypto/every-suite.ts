/** The suites that this machine can run, apart from the portable one. Optional packages may be missing. */
import type { CryptoSuite } from '@underpass/protocol';
import {
  createNodeSuite,
  createOpenSslSuite,
  createSodiumSuite,
  createWasmSuite,
  loadOpenSsl,
  loadSodium,
} from '@underpass/runtime';

const sodium = loadSodium();
const openssl = loadOpenSsl();
const wasm = await createWasmSuite();

export const EVERY_SUITE: readonly (readonly [string, () => CryptoSuite])[] = [
  ['node', createNodeSuite],
  ['wasm', () => wasm],
  ...(sodium === undefined ? [] : [['sodium', () => createSodiumSuite(sodium)] as const]),
  ...(openssl === undefined ? [] : [['openssl', () => createOpenSslSuite(openssl)] as const]),
];
