/** Computes the public half of a private key. */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { loadSodium } from '@underpass/runtime/sodium';
import { KEY_BYTES } from './key-text.js';

/** PKCS #8 header of a raw X25519 private key (RFC 8410 §7). */
const PKCS8_PREFIX = Uint8Array.of(
  0x30,
  0x2e,
  0x02,
  0x01,
  0x00,
  0x30,
  0x05,
  0x06,
  0x03,
  0x2b,
  0x65,
  0x6e,
  0x04,
  0x22,
  0x04,
  0x20,
);

/** @param privateKey  32 bytes, clamped or not */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  const sodium = loadSodium();
  if (sodium !== undefined) {
    const publicKey = new Uint8Array(KEY_BYTES);
    sodium.scalarmultBase(publicKey, privateKey);
    return publicKey;
  }
  // OpenSSL keeps a copy of the private key until its object is collected.
  const encoded = Buffer.from(new ArrayBuffer(PKCS8_PREFIX.length + privateKey.length));
  encoded.set(PKCS8_PREFIX);
  encoded.set(privateKey, PKCS8_PREFIX.length);
  const key = createPublicKey(createPrivateKey({ key: encoded, format: 'der', type: 'pkcs8' }));
  encoded.fill(0);
  return new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(-32));
}
