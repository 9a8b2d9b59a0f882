/** The suite of sodium-native: the curve, ChaCha20-Poly1305 and the cookies' XChaCha20-Poly1305. The rest is
 *  node:crypto's. */
import { type Aead, assert, type CryptoSuite, KEY_BYTES, TAG_BYTES, XNONCE_BYTES } from '@underpass/protocol';
import { KeyedAead } from './keyed-aead.js';
import { createNodeSuite } from './node-suite.js';
import type { Sodium } from './sodium.js';
import { sodiumX25519 } from './x25519.js';

export function createSodiumSuite(sodium: Sodium): CryptoSuite {
  return {
    ...createNodeSuite(),
    name: 'sodium',
    ...sodiumX25519(sodium),
    ...sodiumXaead(sodium),
    aead: (key) => new SodiumAead(sodium, key),
  };
}

/** Seals and opens in place and without a copy. */
class SodiumAead extends KeyedAead implements Aead {
  readonly #sodium: Sodium;

  constructor(sodium: Sodium, key: Uint8Array) {
    super(key);
    this.#sodium = sodium;
  }

  seal(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): void {
    this.setNonce(counterHigh, counterLow);
    this.#sodium.aead.encrypt(
      buffer.subarray(offset, offset + length + TAG_BYTES),
      buffer.subarray(offset, offset + length),
      orUndefined(additional),
      this.nonce,
      this.key,
    );
  }

  open(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): boolean {
    this.setNonce(counterHigh, counterLow);
    if (length < TAG_BYTES) return false;
    return this.#sodium.aead.decrypt(
      buffer.subarray(offset, offset + length - TAG_BYTES),
      buffer.subarray(offset, offset + length),
      orUndefined(additional),
      this.nonce,
      this.key,
    );
  }
}

/** XChaCha20-Poly1305 by sodium, for cookies. */
export function sodiumXaead({ xaead }: Sodium): Pick<CryptoSuite, 'xaeadSeal' | 'xaeadOpen'> {
  return {
    xaeadSeal(key, nonce, plaintext, additional) {
      const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
      xaead.encrypt(sealed, plaintext, orUndefined(additional), nonce, key);
      return sealed;
    },
    xaeadOpen(key, nonce, sealed, additional) {
      assert(key.length === KEY_BYTES && nonce.length === XNONCE_BYTES, 'XChaCha20-Poly1305 key and nonce');
      if (sealed.length < TAG_BYTES) return undefined;
      const opened = new Uint8Array(sealed.length - TAG_BYTES);
      return xaead.decrypt(opened, sealed, orUndefined(additional), nonce, key) ? opened : undefined;
    },
  };
}

/** sodium-native expects undefined in place of an empty array. */
function orUndefined(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes?.length === 0 ? undefined : bytes;
}
