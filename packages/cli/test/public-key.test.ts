import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { createPortableSuite } from '@underpass/protocol';
import { loadSodium } from '@underpass/runtime/sodium';
import { expect, it, onTestFinished, vi } from 'vitest';
import { publicKeyOf } from '../src/public-key.js';

it('computes the same public key as the portable suite and OpenSSL', () => {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const secret = new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32));
  const expected = createPublicKey(publicKey.export({ format: 'pem', type: 'spki' }));
  const own = new Uint8Array(publicKeyOf(secret));
  expect(own).toEqual(new Uint8Array(expected.export({ format: 'der', type: 'spki' }).subarray(-32)));
  expect(own).toEqual(createPortableSuite().x25519PublicKey(secret));
});

it('does not change the private key', () => {
  const secret = new Uint8Array(32).fill(0x48);
  publicKeyOf(secret);
  expect(secret).toEqual(new Uint8Array(32).fill(0x48));
});

it('computes the same without sodium, and wipes what it wrote the private key into', () => {
  const { platform, arch } = process;
  const place = `sodium-native/prebuilds/${platform}-${arch}/sodium-native.node`;
  const secret = Uint8Array.from({ length: 32 }, (_, i) => i);
  const expected = new Uint8Array(publicKeyOf(secret));
  if (loadSodium() !== undefined) {
    const require = createRequire(new URL('../../runtime/src/index.ts', import.meta.url));
    const binary = require(place) as Record<string, unknown>;
    const { crypto_scalarmult } = binary;
    binary.crypto_scalarmult = undefined;
    onTestFinished(() => void Object.assign(binary, { crypto_scalarmult }));
    expect(loadSodium()).toBeUndefined();
  }
  const held: Buffer[] = [];
  const { from } = Buffer;
  vi.spyOn(Buffer, 'from').mockImplementation(((...parameters: [ArrayBuffer]) => {
    const made = from.apply(Buffer, parameters as never);
    held.push(made);
    return made;
  }) as never);
  const own = publicKeyOf(secret);
  vi.restoreAllMocks();
  expect(own).toEqual(expected);
  expect(secret[31]).toBe(31);
  expect(held[0]).toHaveLength(48);
  expect(held[0]?.every((byte) => byte === 0)).toBe(true);
});
