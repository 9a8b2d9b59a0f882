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
    this.#sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
      buffer.subarray(offset, offset + length + TAG_BYTES),
      buffer.subarray(offset, offset + length),
      orNull(additional),
      null,
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
    try {
      this.#sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
        buffer.subarray(offset, offset + length - TAG_BYTES),
        null,
        buffer.subarray(offset, offset + length),
        orNull(additional),
        this.nonce,
        this.key,
      );
      return true;
    } catch {
      return false; // sodium throws when the tag does not match
    }
  }
}

/** XChaCha20-Poly1305 by sodium, for cookies. */
export function sodiumXaead(sodium: Sodium): Pick<CryptoSuite, 'xaeadSeal' | 'xaeadOpen'> {
  return {
    xaeadSeal(key, nonce, plaintext, additional) {
      const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
      sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
        sealed,
        plaintext,
        orNull(additional),
        null,
        nonce,
        key,
      );
      return sealed;
    },
    xaeadOpen(key, nonce, sealed, additional) {
      assert(key.length === KEY_BYTES && nonce.length === XNONCE_BYTES, 'XChaCha20-Poly1305 key and nonce');
      if (sealed.length < TAG_BYTES) return undefined;
      const opened = new Uint8Array(sealed.length - TAG_BYTES);
      try {
        sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
          opened,
          null,
          sealed,
          orNull(additional),
          nonce,
          key,
        );
        return opened;
      } catch {
        return undefined; // sodium throws when the tag does not match
      }
    },
  };
}

/** sodium-native expects null in place of an empty array. */
function orNull(bytes: Uint8Array | undefined): Uint8Array | null {
  return bytes === undefined || bytes.length === 0 ? null : bytes;
}
