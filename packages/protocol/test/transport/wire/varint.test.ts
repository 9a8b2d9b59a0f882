import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  announcedVarintLength,
  MAX_VARINT,
  readVarint,
  varintLength,
  writeVarint,
} from '../../../src/transport/wire/varint.js';

const value = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.constantFrom(0, 63, 64, 16383, 16384, 2 ** 30 - 1, 2 ** 30, MAX_VARINT),
);

describe('varint (spec streams 1.3)', () => {
  it('encodes the examples of RFC 9000 §A.1', () => {
    const example = (hex: string) =>
      readVarint(
        Uint8Array.from(hex.match(/../g) ?? [], (h) => Number.parseInt(h, 16)),
        0,
      );
    expect(example('7bbd')).toBe(15293);
    expect(example('9d7f3e7d')).toBe(494878333);
    expect(example('25')).toBe(37);
    expect(example('4025')).toBe(37);
    expect(example('c000000000000025')).toBe(37);
  });

  it('reads back every value that it writes, in the length that the first byte gives', () => {
    fc.assert(
      fc.property(value, (n) => {
        const bytes = new Uint8Array(8);
        const length = writeVarint(bytes, 0, n);
        expect(length).toBe(varintLength(n));
        expect(announcedVarintLength(bytes[0] as number)).toBe(length);
        expect(readVarint(bytes, 0)).toBe(n);
      }),
    );
  });

  it('refuses values that a JavaScript number cannot hold exactly', () => {
    expect(readVarint(Uint8Array.of(0xc0, 0x20, 0, 0, 0, 0, 0, 0), 0)).toBe(-1);
    expect(readVarint(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 0)).toBe(-1);
    expect(readVarint(Uint8Array.of(0xc0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 0)).toBe(MAX_VARINT);
  });
});
