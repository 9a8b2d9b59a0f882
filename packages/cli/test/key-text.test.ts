import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clampPrivateKey,
  decodeKey,
  decodePublicKey,
  encodeKey,
  encodeKeyBytes,
  isClamped,
  isSameKey,
  looksLikeKey,
} from '../src/key-text.js';

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

it('the text of a key as bytes is the same as the string', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
      expect(Buffer.from(encodeKeyBytes(key)).toString()).toBe(encodeKey(key));
    }),
  );
});

describe('the text of a key', () => {
  it('is recognised when it may be a private key', () => {
    expect(looksLikeKey(encodeKey(new Uint8Array(32).fill(7)))).toBe(true);
    expect(looksLikeKey('keys/relay.key')).toBe(false);
    expect(looksLikeKey('example.org:51820')).toBe(false);
  });

  it('is recognised with blanks around it, and by its length', () => {
    const text = encodeKey(new Uint8Array(32).fill(7));
    expect(looksLikeKey(` ${text}\n`)).toBe(true);
    expect([39, 40, 46, 47].map((length) => looksLikeKey('A'.repeat(length)))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('is of the same key if all bytes are equal', () => {
    const key = new Uint8Array(32).fill(7);
    expect(isSameKey(key, Uint8Array.from(key))).toBe(true);
    expect(isSameKey(key, key.with(31, 8))).toBe(false);
    expect(isSameKey(key, key.subarray(1))).toBe(false);
  });

  it.each([
    [0, 0x40, true],
    [0xf8, 0x7f, true],
    [1, 0x40, false],
    [4, 0x40, false],
    [0, 0, false],
    [0, 0x80, false],
    [0, 0xc0, false],
    [1, 0, false],
  ])('shows whether the key is clamped: %i … %i', (first, last, expected) => {
    expect(isClamped(new Uint8Array(32).fill(0xff).with(0, first).with(31, last))).toBe(expected);
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
