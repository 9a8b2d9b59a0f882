import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clampPrivateKey, decodeKey, decodePublicKey, encodeKey, looksLikeKey } from '../src/key-text.js';

describe.each([
  ['a key', decodeKey],
  ['a public key', decodePublicKey],
])('the text of %s', (_what, decode) => {
  it('decodes to the bytes that were encoded', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
        expect(decode(encodeKey(key))).toEqual(key);
      }),
    );
  });

  it("agrees with the platform's base64 on which texts are canonical", () => {
    const digit = fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
    fc.assert(
      fc.property(fc.array(digit, { minLength: 43, maxLength: 43 }), (digits) => {
        const text = `${digits.join('')}=`;
        const isCanonical = Buffer.from(text, 'base64').toString('base64') === text;
        expect(decode(text) !== undefined).toBe(isCanonical);
      }),
    );
  });

  it.each([
    ['nothing', ''],
    ['one digit short', 'A'.repeat(42).concat('=')],
    ['one digit long', 'A'.repeat(44).concat('=')],
    ['no padding', 'A'.repeat(44)],
    ['a digit of the URL alphabet', '-'.concat('A'.repeat(42), '=')],
    ['unused bits that are set', 'A'.repeat(42).concat('B=')],
    ['a blank inside', 'A A'.concat('A'.repeat(40), '=')],
  ])('refuses %s', (_what, text) => {
    expect(decode(text)).toBeUndefined();
  });
});

describe('the text of a key', () => {
  it('is recognised when it may be a private key', () => {
    expect(looksLikeKey(encodeKey(new Uint8Array(32).fill(7)))).toBe(true);
    expect(looksLikeKey('keys/relay.key')).toBe(false);
    expect(looksLikeKey('example.org:51820')).toBe(false);
  });

  it('is of a key that keygen clamps as in RFC 7748 section 5', () => {
    const key = new Uint8Array(32).fill(0xff);
    clampPrivateKey(key);
    expect([key[0], key[1], key[31]]).toEqual([0xf8, 0xff, 0x7f]);
    key.fill(0);
    clampPrivateKey(key);
    expect([key[0], key[31]]).toEqual([0, 0x40]);
  });
});
