/** X25519 through sodium-native or node:crypto. */
import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { assert, type CryptoSuite, isAllZero, KEY_BYTES } from '@underpass/protocol';
import type { Sodium } from './sodium.js';

export type X25519 = Pick<CryptoSuite, 'x25519' | 'x25519PublicKey'>;

export function sodiumX25519(sodium: Sodium): X25519 {
  return {
    x25519(privateKey, publicKey) {
      const shared = new Uint8Array(KEY_BYTES);
      try {
        sodium.crypto_scalarmult(shared, privateKey, publicKey);
      } catch {
        assertLengths(privateKey, publicKey);
        return undefined; // sodium throws when the result is all zero
      }
      return isAllZero(shared) ? undefined : shared;
    },
    x25519PublicKey(privateKey) {
      const publicKey = new Uint8Array(KEY_BYTES);
      sodium.crypto_scalarmult_base(publicKey, privateKey);
      return publicKey;
    },
  };
}

/** Keys are passed as JWK (RFC 8037), because OpenSSL takes ten times as long to decode DER, longer than tweetnacl
 *  takes for everything. The price is that a private key also exists as a string, which cannot be overwritten, until it
 *  is collected (docs/threat-model.md). */
export const nodeX25519: X25519 = {
  x25519(privateKey, publicKey) {
    assertLengths(privateKey, publicKey);
    const privateObject = privateKeyObject(privateKey);
    const publicObject = createPublicKey({
      key: { kty: 'OKP', crv: 'X25519', x: base64url(publicKey) },
      format: 'jwk',
    });
    let shared: Uint8Array;
    try {
      shared = diffieHellman({ privateKey: privateObject, publicKey: publicObject });
    } catch {
      return undefined; // OpenSSL throws when the result is all zero
    }
    return isAllZero(shared) ? undefined : shared;
  },
  x25519PublicKey(privateKey) {
    const { x } = createPublicKey(privateKeyObject(privateKey)).export({ format: 'jwk' });
    assert(x !== undefined, 'a public key has its x');
    return Buffer.from(x, 'base64url');
  },
};

/** OpenSSL computes the public half itself, but the format requires one. */
const ANY_PUBLIC_KEY = base64url(new Uint8Array(KEY_BYTES));

function privateKeyObject(privateKey: Uint8Array) {
  assert(privateKey.length === KEY_BYTES, 'an X25519 key has 32 bytes');
  return createPrivateKey({
    key: { kty: 'OKP', crv: 'X25519', d: base64url(privateKey), x: ANY_PUBLIC_KEY },
    format: 'jwk',
  });
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
}

function assertLengths(...keys: Uint8Array[]): void {
  for (const key of keys) assert(key.length === KEY_BYTES, 'an X25519 key has 32 bytes');
}
