/** ChaCha20-Poly1305 through sodium or node:crypto, bound to one key.
 *
 *  Runs for every packet, so it allocates nothing beyond what the libraries require. */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import {
  type Aead,
  assert,
  type CryptoSuite,
  copySecret,
  KEY_BYTES,
  TAG_BYTES,
  wipe,
  XNONCE_BYTES,
} from '@underpass/protocol';
import type { Sodium } from './sodium.js';

const NONCE_BYTES = 12;
const COUNTER_OFFSET = 4;
const ALGORITHM = 'chacha20-poly1305';
const OPTIONS = { authTagLength: TAG_BYTES } as const;

/** Owns a copy of the key and the nonce buffer, which every call reuses. The session that created it calls `destroy`
 *  when the keypair expires; that wipes the key, and any later call is a bug. It never chooses a counter. */
abstract class KeyedAead {
  protected readonly key: Uint8Array;
  protected readonly nonce = Buffer.alloc(NONCE_BYTES);
  #destroyed = false;

  constructor(key: Uint8Array) {
    assert(key.length === KEY_BYTES, 'an AEAD key has 32 bytes');
    this.key = copySecret(key);
  }

  protected setNonce(counterHigh: number, counterLow: number): void {
    assert(!this.#destroyed, 'the AEAD was destroyed');
    this.nonce.writeUInt32LE(counterLow, COUNTER_OFFSET);
    this.nonce.writeUInt32LE(counterHigh, COUNTER_OFFSET + 4);
  }

  destroy(): void {
    wipe(this.key);
    this.#destroyed = true;
  }
}

/** Seals and opens through sodium, in place and without a copy. */
export class SodiumAead extends KeyedAead implements Aead {
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

/** Seals and opens through node:crypto, which returns copies: they are written back into the buffer. */
export class NodeAead extends KeyedAead implements Aead {
  seal(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): void {
    this.setNonce(counterHigh, counterLow);
    const cipher = createCipheriv(ALGORITHM, this.key, this.nonce, OPTIONS);
    if (additional !== undefined) cipher.setAAD(additional, { plaintextLength: length });
    const end = offset + length;
    buffer.set(cipher.update(buffer.subarray(offset, end)), offset);
    cipher.final();
    buffer.set(cipher.getAuthTag(), end);
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
    const end = offset + length - TAG_BYTES;
    const decipher = createDecipheriv(ALGORITHM, this.key, this.nonce, OPTIONS);
    if (additional !== undefined) decipher.setAAD(additional, { plaintextLength: length - TAG_BYTES });
    decipher.setAuthTag(buffer.subarray(end, offset + length));
    const plaintext = decipher.update(buffer.subarray(offset, end));
    try {
      decipher.final();
    } catch {
      return false; // OpenSSL throws when the tag does not match
    }
    buffer.set(plaintext, offset);
    return true;
  }
}
