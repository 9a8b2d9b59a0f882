import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { createPortableSuite } from '@underpass/protocol';
import { expect, it } from 'vitest';
import { publicKeyOf } from '../src/public-key.js';

it('is what the portable suite and OpenSSL make of the private key', () => {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const secret = new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32));
  const expected = createPublicKey(publicKey.export({ format: 'pem', type: 'spki' }));
  const own = new Uint8Array(publicKeyOf(secret));
  expect(own).toEqual(new Uint8Array(expected.export({ format: 'der', type: 'spki' }).subarray(-32)));
  expect(own).toEqual(createPortableSuite().x25519PublicKey(secret));
});

it('leaves the private key as it is', () => {
  const secret = new Uint8Array(32).fill(0x48);
  publicKeyOf(secret);
  expect(secret).toEqual(new Uint8Array(32).fill(0x48));
});
