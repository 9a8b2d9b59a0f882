/** Keys that a program gives or draws. */
import { describe, expect, it } from 'vitest';
import { decodeKey, encodeKey, isClamped } from '../../src/key-text.js';
import { generateKeyPair, keyIn } from '../../src/library/keys.js';
import { publicKeyOf } from '../../src/public-key.js';

const BYTES = Uint8Array.from({ length: 32 }, (_, i) => i);

describe('a key that a program gives', () => {
  it.each([
    ['as text', encodeKey(BYTES)],
    ['as a line of a file', ` ${encodeKey(BYTES)}\n`],
    ['as bytes', BYTES],
    ['as a part of a buffer', Buffer.concat([Buffer.alloc(3), BYTES]).subarray(3)],
  ])('may come %s', (_, given) => {
    const key = keyIn(given, 'privateKey');
    expect(key).toEqual(BYTES);
    key.fill(0); // a copy
    expect(keyIn(given, 'privateKey')).toEqual(BYTES);
  });

  it.each<[unknown]>([['hunter2'], [new Uint8Array(31)], [new Uint8Array(33)], [[...BYTES]], [undefined]])(
    'cannot be %j',
    (given) => {
      expect(() => keyIn(given as string, 'presharedKey')).toThrow(
        expect.objectContaining({ code: 'invalid-option', message: 'presharedKey is not a key' }),
      );
    },
  );
});

describe('a pair of keys', () => {
  it('belongs together, is clamped as those of wg genkey, and is another one each time', () => {
    const pairs = Array.from({ length: 8 }, generateKeyPair);
    for (const { privateKey, publicKey } of pairs) {
      const bytes = decodeKey(privateKey) as Uint8Array;
      expect([isClamped(bytes), encodeKey(publicKeyOf(bytes))]).toEqual([true, publicKey]);
    }
    expect(new Set(pairs.map(({ privateKey }) => privateKey)).size).toBe(8);
  });
});
