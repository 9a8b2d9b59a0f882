import { blake2s } from '@noble/hashes/blake2.js';
import { toHex } from '@underpass/testkit/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blake2sMac } from '../../src/crypto/blake2s-mac.js';

function reference(key: Uint8Array, input: Uint8Array): string {
  return toHex(blake2s(input, { key, dkLen: 16 })) as string;
}

describe('the MAC (spec handshake 1.1)', () => {
  it("equals noble's for every length up to four blocks", () => {
    for (let length = 0; length <= 256; length++) {
      const input = Uint8Array.from({ length }, (_, i) => 251 * i + length);
      for (const keyBytes of [16, 32]) {
        const key = Uint8Array.from({ length: keyBytes }, (_, i) => 255 - i);
        expect([length, toHex(blake2sMac(key, input))]).toEqual([length, reference(key, input)]);
      }
    }
  });

  it("equals noble's for random keys and inputs, including views of a larger buffer", () => {
    const bytes = (minLength: number, maxLength: number) =>
      fc.uint8Array({ minLength, maxLength, size: 'max' });
    fc.assert(
      fc.property(bytes(16, 32), bytes(0, 300), fc.nat(7), (key, input, offset) => {
        const larger = new Uint8Array(offset + input.length + 3).fill(0xaa);
        larger.set(input, offset);
        const view = larger.subarray(offset, offset + input.length);
        expect(toHex(blake2sMac(key, view))).toBe(reference(key, input));
      }),
      { numRuns: 1000 },
    );
  });

  it('leaves the key and the input unchanged, and returns a new array', () => {
    const key = new Uint8Array(32).fill(1);
    const input = new Uint8Array(100).fill(2);
    const first = blake2sMac(key, input);
    const before = toHex(first);
    blake2sMac(input.subarray(0, 32), key);
    expect(toHex(first)).toBe(before);
    expect([...key, ...input].every((byte, i) => byte === (i < 32 ? 1 : 2))).toBe(true);
  });

  it('refuses a key that is too short or too long', () => {
    for (const length of [0, 15, 33]) {
      expect(() => blake2sMac(new Uint8Array(length), new Uint8Array(1))).toThrow();
    }
  });
});
