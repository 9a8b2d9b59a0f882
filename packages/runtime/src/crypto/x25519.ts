/** X25519 through sodium-native or node:crypto. */
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type JsonWebKeyInput,
  type KeyObject,
} from 'node:crypto';
import { assert, type CryptoSuite, isAllZero, KEY_BYTES } from '@underpass/protocol';
import type { Sodium } from './sodium.js';

export type X25519 = Pick<CryptoSuite, 'x25519' | 'x25519PublicKey'>;

export function sodiumX25519(sodium: Sodium): X25519 {
  return {
    x25519(privateKey, publicKey) {
      const shared = new Uint8Array(KEY_BYTES);
      const isDerived = sodium.scalarmult(shared, privateKey, publicKey);
      return isDerived && !isAllZero(shared) ? shared : undefined;
    },
    x25519PublicKey(privateKey) {
      const publicKey = new Uint8Array(KEY_BYTES);
      sodium.scalarmultBase(publicKey, privateKey);
      return publicKey;
    },
  };
}

/** X25519 through node:crypto. */
export const nodeX25519: X25519 = {
  x25519(privateKey, publicKey) {
    assertLengths(privateKey, publicKey);
    const { importPrivate, importPublic } = keyFormat();
    const keys = { privateKey: importPrivate(privateKey), publicKey: importPublic(publicKey) };
    let shared: Uint8Array;
    try {
      shared = diffieHellman(keys);
    } catch {
      return undefined; // OpenSSL throws when the result is all zero
    }
    return isAllZero(shared) ? undefined : shared;
  },
  x25519PublicKey(privateKey) {
    assertLengths(privateKey);
    const { x } = createPublicKey(keyFormat().importPrivate(privateKey)).export({ format: 'jwk' });
    assert(x !== undefined, 'a public key has its x');
    return Buffer.from(x, 'base64url');
  },
};

/** How this Node takes keys. */
interface KeyFormat {
  importPrivate(key: Uint8Array): KeyObject;
  importPublic(key: Uint8Array): KeyObject;
}

/** The bytes as they are, which Node takes since a later 24. Its types don't know the format yet. */
const RAW_KEYS: KeyFormat = {
  importPrivate: (key) => createPrivateKey(rawKey(key, 'raw-private') as unknown as JsonWebKeyInput),
  importPublic: (key) => createPublicKey(rawKey(key, 'raw-public') as unknown as JsonWebKeyInput),
};

function rawKey(key: Uint8Array, format: string): object {
  return { key, format, asymmetricKeyType: 'x25519' };
}

/** For an older Node, JWK (RFC 8037): OpenSSL takes ten times as long to decode DER there, longer than tweetnacl takes for
 *  everything. The price is that a private key also exists as a string, which cannot be overwritten, until it is
 *  collected (docs/threat-model.md). OpenSSL computes the public half itself, but the format requires one, and Node takes
 *  any until version 26. */
const JWK_KEYS: KeyFormat = {
  importPrivate: (key) =>
    createPrivateKey({
      key: { kty: 'OKP', crv: 'X25519', d: base64url(key), x: ANY_PUBLIC_KEY },
      format: 'jwk',
    }),
  importPublic: (key) =>
    createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: base64url(key) }, format: 'jwk' }),
};

const ANY_PUBLIC_KEY = base64url(new Uint8Array(KEY_BYTES));

let chosen: KeyFormat | undefined;

function keyFormat(): KeyFormat {
  chosen ??= takesRawKeys() ? RAW_KEYS : JWK_KEYS;
  return chosen;
}

function takesRawKeys(): boolean {
  try {
    RAW_KEYS.importPrivate(new Uint8Array(KEY_BYTES));
    return true;
  } catch {
    return false;
  }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
}

function assertLengths(...keys: Uint8Array[]): void {
  for (const key of keys) assert(key.length === KEY_BYTES, 'an X25519 key has 32 bytes');
}
