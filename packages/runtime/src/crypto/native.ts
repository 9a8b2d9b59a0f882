/** The suite that uses what the machine has. With sodium-native installed, sodium does the curve, the AEAD and the
 *  cookies' XChaCha20. Without it node:crypto does the curve and the AEAD. node:crypto always does BLAKE2s and HMAC.
 *  Keyed BLAKE2s, which neither has, stays portable, and so does XChaCha20 without sodium. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { type CryptoSuite, createPortableSuite } from '@underpass/protocol';
import { NodeAead, SodiumAead, sodiumXaead } from './native-aead.js';
import { nodeX25519, sodiumX25519 } from './native-x25519.js';
import type { Sodium } from './sodium.js';

const BLAKE2S = 'blake2s256';

/** @param sodium  undefined to use node:crypto for the curve and the AEAD too, which takes about four times as long */
export function createNativeSuite(sodium?: Sodium): CryptoSuite {
  const portable = createPortableSuite();
  const { xaeadSeal, xaeadOpen } = sodium === undefined ? portable : sodiumXaead(sodium);
  return {
    name: sodium === undefined ? 'native (node:crypto)' : 'native (node:crypto + sodium)',
    ...(sodium === undefined ? nodeX25519 : sodiumX25519(sodium)),
    hash(...parts) {
      const state = createHash(BLAKE2S);
      for (const part of parts) state.update(part);
      return state.digest();
    },
    mac: portable.mac,
    hmac: (key, input) => createHmac(BLAKE2S, key).update(input).digest(),
    aead: (key) => (sodium === undefined ? new NodeAead(key) : new SodiumAead(sodium, key)),
    xaeadSeal,
    xaeadOpen,
    equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  };
}
