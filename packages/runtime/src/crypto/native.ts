/** The suite that uses what the machine has: node:crypto for X25519, and for the AEAD sodium-native where it is
 *  installed. Hashes are needed for handshakes only and stay portable. */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  timingSafeEqual,
} from 'node:crypto';
import {
  type Aead,
  assert,
  type CryptoSuite,
  copyBytes,
  createPortableSuite,
  isAllZero,
  KEY_BYTES,
  TAG_BYTES,
  wipe,
} from '@underpass/protocol';
import type { Sodium } from './sodium.js';

/** RFC 8410: what stands in front of the 32 bytes of a key. */
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI_X25519 = Buffer.from('302a300506032b656e032100', 'hex');

const NONCE_BYTES = 12;
const COUNTER_OFFSET = 4;

/** @param sodium  undefined: node:crypto does the AEAD too, about four times slower */
export function createNativeSuite(sodium?: Sodium): CryptoSuite {
  return {
    ...createPortableSuite(),
    name: sodium === undefined ? 'native (node:crypto)' : 'native (node:crypto + sodium)',
    x25519,
    x25519PublicKey: (privateKey) =>
      copyBytes(
        createPublicKey(privateKeyObject(privateKey))
          .export({ format: 'der', type: 'spki' })
          .subarray(SPKI_X25519.length),
      ),
    aead: (key) => (sodium === undefined ? new NodeAead(key) : new SodiumAead(sodium, key)),
    equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  };
}

function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  const privateObject = privateKeyObject(privateKey);
  const der = Buffer.concat([SPKI_X25519, publicKey]);
  const publicObject = createPublicKey({ key: der, format: 'der', type: 'spki' });
  let shared: Uint8Array;
  try {
    shared = copyBytes(diffieHellman({ privateKey: privateObject, publicKey: publicObject }));
  } catch {
    return undefined; // OpenSSL refuses an all-zero result by itself
  }
  return isAllZero(shared) ? undefined : shared;
}

function privateKeyObject(privateKey: Uint8Array) {
  assert(privateKey.length === KEY_BYTES, 'an X25519 key has 32 bytes');
  const der = Buffer.concat([PKCS8_X25519, privateKey]);
  const object = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  wipe(der);
  return object;
}

abstract class KeyedAead {
  protected readonly key: Uint8Array;
  protected readonly nonce = Buffer.alloc(NONCE_BYTES);
  #destroyed = false;

  constructor(key: Uint8Array) {
    assert(key.length === KEY_BYTES, 'an AEAD key has 32 bytes');
    this.key = copyBytes(key);
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
      return false; // its way to say that the tag does not match
    }
  }
}

/** sodium-native takes no empty array for "nothing". */
function orNull(bytes: Uint8Array | undefined): Uint8Array | null {
  return bytes === undefined || bytes.length === 0 ? null : bytes;
}

class NodeAead extends KeyedAead implements Aead {
  seal(
    counterHigh: number,
    counterLow: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): void {
    this.setNonce(counterHigh, counterLow);
    const cipher = createCipheriv('chacha20-poly1305', this.key, this.nonce, { authTagLength: TAG_BYTES });
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
    const decipher = createDecipheriv('chacha20-poly1305', this.key, this.nonce, {
      authTagLength: TAG_BYTES,
    });
    if (additional !== undefined) decipher.setAAD(additional, { plaintextLength: length - TAG_BYTES });
    decipher.setAuthTag(buffer.subarray(end, offset + length));
    const plaintext = decipher.update(buffer.subarray(offset, end));
    try {
      decipher.final();
    } catch {
      return false; // its way to say that the tag does not match
    }
    buffer.set(plaintext, offset);
    return true;
  }
}
