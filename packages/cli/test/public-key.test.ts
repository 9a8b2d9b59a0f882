import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { createPortableSuite } from '@underpass/protocol';
import { expect, it } from 'vitest';
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
