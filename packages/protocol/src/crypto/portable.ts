/** The suite that runs wherever JavaScript does: tweetnacl for the curve and for comparison, our own code for the short
 *  MAC, and noble for everything else. */

import { chacha20poly1305, xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { blake2s } from '@noble/hashes/blake2.js';
import { hmac } from '@noble/hashes/hmac.js';
import nacl from 'tweetnacl';
import { assert } from '../assert.js';
import { writeUint32 } from '../little-endian.js';
import { blake2sMac } from './blake2s-mac.js';
import { copySecret, isAllZero, wipe } from './bytes.js';
import { type Aead, type CryptoSuite, KEY_BYTES, TAG_BYTES, XNONCE_BYTES } from './suite.js';

export function createPortableSuite(): CryptoSuite {
  return {
    name: 'portable',
    x25519(privateKey, publicKey) {
      const shared = nacl.scalarMult(privateKey, publicKey);
      return isAllZero(shared) ? undefined : shared; // RFC 7748 §6.1
    },
    x25519PublicKey: (privateKey) => nacl.scalarMult.base(privateKey),
    hash: blake2sOfParts,
    mac: blake2sMac,
    hmac: (key, input) => hmac(blake2s, key, input),
    aead: (key) => new PortableAead(key),
    xaeadSeal: (key, nonce, plaintext, additional) =>
      xchacha20poly1305(key, nonce, additional).encrypt(plaintext),
    xaeadOpen(key, nonce, sealed, additional) {
      assert(key.length === KEY_BYTES && nonce.length === XNONCE_BYTES, 'XChaCha20-Poly1305 key and nonce');
      if (sealed.length < TAG_BYTES) return undefined;
      return orUndefined(() => xchacha20poly1305(key, nonce, additional).decrypt(sealed));
    },
    equal: (a, b) => a.length === b.length && (a.length === 0 || nacl.verify(a, b)),
  };
}

function blake2sOfParts(...parts: Uint8Array[]): Uint8Array {
  const state = blake2s.create();
  for (const part of parts) state.update(part);
  return state.digest();
}

/** ChaCha20-Poly1305 under one key. It owns a copy of the key until `destroy`, and reuses one nonce array for all
 *  calls. The caller chooses the counters, and is responsible for never sealing twice with the same one. */
class PortableAead implements Aead {
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(12);
  #destroyed = false;

  constructor(key: Uint8Array) {
    assert(key.length === KEY_BYTES, 'an AEAD key has 32 bytes');
    this.#key = copySecret(key);
  }

  seal(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): void {
    this.#setNonce(counterHigh, counterLow);
    const end = offset + length;
    chacha20poly1305(this.#key, this.#nonce, additional).encrypt(
      buffer.subarray(offset, end),
      buffer.subarray(offset, end + TAG_BYTES),
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
    if (length < TAG_BYTES) return false;
    this.#setNonce(counterHigh, counterLow);
    const sealed = buffer.subarray(offset, offset + length);
    const plaintext = buffer.subarray(offset, offset + length - TAG_BYTES);
    // noble checks the tag before it writes, so a failure leaves the buffer unchanged.
    return (
      orUndefined(() => chacha20poly1305(this.#key, this.#nonce, additional).decrypt(sealed, plaintext)) !==
      undefined
    );
  }

  destroy(): void {
    wipe(this.#key);
    this.#destroyed = true;
  }

  #setNonce(counterHigh: number, counterLow: number): void {
    assert(!this.#destroyed, 'the AEAD was destroyed');
    writeUint32(this.#nonce, 4, counterLow);
    writeUint32(this.#nonce, 8, counterHigh);
  }
}

/** Returns undefined if the tag does not match. noble reports that by throwing. */
function orUndefined(open: () => Uint8Array): Uint8Array | undefined {
  try {
    return open();
  } catch {
    return undefined;
  }
}
