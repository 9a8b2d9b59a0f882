import { asciiBytes, base64, bytesKey, isAllZero, wipe } from '@underpass/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const bytes = fc.uint8Array({ maxLength: 100 });

describe('functions on bytes', () => {
  it('encode base64 as Node does', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(base64(value)).toBe(Buffer.from(value).toString('base64'));
      }),
    );
    expect(base64(new Uint8Array(0))).toBe('');
  });

  it('turn ASCII text into its bytes', () => {
    expect(asciiBytes('mac1----')).toEqual(new Uint8Array(Buffer.from('mac1----')));
  });

  it('give two arrays the same map key exactly when their bytes are equal', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(bytesKey(a) === bytesKey(new Uint8Array(a))).toBe(true);
        expect(bytesKey(a) === bytesKey(b)).toBe(Buffer.compare(a, b) === 0);
      }),
    );
  });

  it('find any byte that is not zero', () => {
    expect(isAllZero(new Uint8Array(32))).toBe(true);
    for (let i = 0; i < 32; i++) {
      const one = new Uint8Array(32);
      one[i] = 0x80;
      expect(isAllZero(one)).toBe(false);
    }
  });

  it('wipe the bytes they are given, in place, and no others', () => {
    const larger = Buffer.alloc(8, 7);
    wipe(larger.subarray(2, 5), undefined, larger.subarray(6, 7));
    expect([...larger]).toEqual([7, 7, 0, 0, 0, 7, 0, 7]);
  });
});
