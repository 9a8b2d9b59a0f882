import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeAddressed, encodeAddressed } from '../src/addressed-message.js';

const address = fc.record({
  address: fc.oneof(fc.ipV4(), fc.constantFrom('2001:db8::1', '::1', 'fe80::1:2')),
  port: fc.integer({ min: 1, max: 65_535 }),
});
const payload = fc.uint8Array({ maxLength: 64 });

describe('a message with an address (spec forwarding 5.7)', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(address, payload, (from, bytes) => {
        const decoded = decodeAddressed(encodeAddressed(from, bytes));
        expect(decoded?.target).toEqual({ host: from.address, port: from.port, protocol: 'udp' });
        expect(decoded?.payload).toEqual(bytes);
      }),
    );
  });

  it('may have a name', () => {
    const bytes = Uint8Array.of(3, 3, ...Buffer.from('dns'), 0, 53, 1, 2);
    expect(decodeAddressed(bytes)).toEqual({
      target: { host: 'dns', port: 53, protocol: 'udp' },
      payload: Uint8Array.of(1, 2),
    });
  });

  it.each([
    ['nothing', []],
    ['an unknown type', [2, 1, 2, 3, 4, 0, 53]],
    ['port 0', [1, 1, 2, 3, 4, 0, 0]],
    ['an empty name', [3, 0, 0, 53]],
    ['a name with a space', [3, 1, 0x20, 0, 53]],
    ['a truncated address', [4, 1, 2, 3, 4, 0, 53]],
  ])('with %s is none', (_name, bytes) => {
    expect(decodeAddressed(Uint8Array.from(bytes))).toBeUndefined();
  });

  it('is read or not, whatever the bytes, their truncations and their flipped bits are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        decodeAddressed(bytes);
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(address, payload, (from, content) => {
        const bytes = encodeAddressed(from, content);
        for (let length = 0; length < bytes.length - content.length; length++) {
          expect(decodeAddressed(bytes.subarray(0, length))).toBeUndefined();
        }
        for (let bit = 0; bit < 8 * bytes.length; bit++) {
          const flipped = bytes.slice();
          flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
          decodeAddressed(flipped);
        }
      }),
      { numRuns: 50 },
    );
  });
});
