/** The suite of node:crypto, which also supplies hashing and comparison to the other native suites. Keyed BLAKE2s and
 *  XChaCha20, which it does not have, stay portable. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { type CryptoSuite, createPortableSuite } from '@underpass/protocol';
import { NodeAead } from './node-aead.js';
import { nodeX25519 } from './x25519.js';

const BLAKE2S = 'blake2s256';

export function createNodeSuite(): CryptoSuite {
  const { mac, xaeadSeal, xaeadOpen } = createPortableSuite();
  return {
    name: 'node',
    ...nodeX25519,
    hash(...parts) {
      const state = createHash(BLAKE2S);
      for (const part of parts) state.update(part);
      return state.digest();
    },
    mac,
    hmac: (key, input) => createHmac(BLAKE2S, key).update(input).digest(),
    aead: (key) => new NodeAead(key),
    xaeadSeal,
    xaeadOpen,
    equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  };
}
