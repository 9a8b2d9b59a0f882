import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readUint32, writeUint32 } from '../src/little-endian.js';

it('reads and writes unsigned integers as DataView does, at any position (spec wire 1.1)', () => {
  const value = fc.oneof(
    fc.integer({ min: 0, max: 0xffff_ffff }),
    fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
  );
  fc.assert(
    fc.property(value, fc.nat(9), (number, position) => {
      const bytes = new Uint8Array(13).fill(0xa5);
      const expected = new DataView(new Uint8Array(bytes).buffer);
      expected.setUint32(position, number, true);
      writeUint32(bytes, position, number);
      expect(bytes).toEqual(new Uint8Array(expected.buffer));
      expect(readUint32(bytes, position)).toBe(number);
    }),
  );
});
