import { createPortableSuite } from '@underpass/protocol';
import { toHex } from '@underpass/testkit/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVERY_SUITE } from './every-suite.js';

const portable = createPortableSuite();
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const text = fc.uint8Array({ maxLength: 300, size: 'max' });
const half = fc.integer({ min: 0, max: 0xffff_ffff });

describe.each(EVERY_SUITE)('the %s suite', (_, create) => {
  const suite = create();
  it('agrees with the portable one on X25519', () => {
    fc.assert(
      fc.property(bytes(32), bytes(32), (privateKey, publicKey) => {
        expect(toHex(suite.x25519(privateKey, publicKey))).toBe(
          toHex(portable.x25519(privateKey, publicKey)),
        );
        expect(toHex(suite.x25519PublicKey(privateKey))).toBe(toHex(portable.x25519PublicKey(privateKey)));
      }),
    );
  });

  it('agrees with the portable one on hashes and macs', () => {
    fc.assert(
      fc.property(text, text, fc.constantFrom(16, 32), (a, b, keyLength) => {
        const key = new Uint8Array(keyLength).fill(a.length);
        expect(toHex(suite.hash(a, b))).toBe(toHex(portable.hash(a, b)));
        expect(toHex(suite.hmac(a, b))).toBe(toHex(portable.hmac(a, b)));
        expect(toHex(suite.mac(key, b))).toBe(toHex(portable.mac(key, b)));
        expect(suite.equal(a, b)).toBe(portable.equal(a, b));
      }),
    );
  });

  it('seals what the portable one opens, and opens what it seals, to the same bytes', () => {
    fc.assert(
      fc.property(
        bytes(32),
        half,
        half,
        fc.uint8Array({ maxLength: 1500, size: 'max' }),
        fc.option(text, { nil: undefined }),
        fc.nat(20),
        (key, high, low, plaintext, additional, offset) => {
          const [ours, reference] = [suite.aead(key), portable.aead(key)];
          const [one, other] = [room(plaintext, offset), room(plaintext, offset)];
          ours.seal(high, low, one, offset, plaintext.length, additional);
          reference.seal(high, low, other, offset, plaintext.length, additional);
          expect(toHex(one)).toBe(toHex(other));
          const length = plaintext.length + 16;
          expect(ours.open(high, low, other, offset, length, additional)).toBe(true);
          expect(toHex(other.subarray(offset, offset + plaintext.length))).toBe(toHex(plaintext));
          expect(reference.open(high, low, one, offset, length, additional)).toBe(true);
        },
      ),
    );
  });

  it('refuses what the portable one refuses', () => {
    fc.assert(
      fc.property(bytes(32), half, half, text, fc.nat(), (key, high, low, plaintext, where) => {
        const sealed = room(plaintext, 0);
        portable.aead(key).seal(high, low, sealed, 0, plaintext.length);
        const bit = where % (8 * sealed.length);
        sealed[bit >>> 3] = (sealed[bit >>> 3] as number) ^ (1 << (bit & 7));
        expect(suite.aead(key).open(high, low, sealed, 0, sealed.length)).toBe(false);
      }),
    );
  });
});

function room(plaintext: Uint8Array, offset: number): Uint8Array {
  const buffer = new Uint8Array(offset + plaintext.length + 16);
  buffer.set(plaintext, offset);
  return buffer;
}
