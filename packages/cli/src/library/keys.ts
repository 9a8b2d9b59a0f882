/** The keys that a program gives: base64 text or bytes. */
import { randomFillSync } from 'node:crypto';
import { UnderpassError } from '@underpass/runtime/errors';
import { clampPrivateKey, decodeKey, encodeKey, KEY_BYTES } from '../key-text.js';
import { publicKeyOf } from '../public-key.js';
import type { Key, KeyPair } from './api.js';

/** @param option  what messages call it
 *  @returns a copy, which the caller may wipe
 *  @throws UnderpassError, which never contains the value */
export function keyIn(value: Key, option: string): Uint8Array {
  const key = typeof value === 'string' ? decodeKey(value.trim()) : copyOf(value);
  if (key !== undefined) return key;
  throw new UnderpassError(
    'invalid-option',
    `${option} is not a key`,
    `expected ${KEY_BYTES} bytes, or their 44 characters of base64 as underpass keygen prints them`,
  );
}

export function generateKeyPair(): KeyPair {
  const privateKey = new Uint8Array(new ArrayBuffer(KEY_BYTES));
  randomFillSync(privateKey);
  clampPrivateKey(privateKey);
  const pair = { privateKey: encodeKey(privateKey), publicKey: encodeKey(publicKeyOf(privateKey)) };
  privateKey.fill(0);
  return pair;
}

function copyOf(value: unknown): Uint8Array | undefined {
  if (!(value instanceof Uint8Array) || value.length !== KEY_BYTES) return undefined;
  const key = new Uint8Array(new ArrayBuffer(KEY_BYTES));
  key.set(value);
  return key;
}
