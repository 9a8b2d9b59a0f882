import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_REASSEMBLY_PIECES, RECEIVE_BLOCK_BYTES } from '../../../src/transport/limits.js';
import { ReceiveBuffer } from '../../../src/transport/streams/receive-buffer.js';

const SIZE = 3 * RECEIVE_BLOCK_BYTES;
const byteAt = (offset: number) => (offset * 13 + (offset >> 8)) & 0xff;
const source = Uint8Array.from({ length: SIZE }, (_, i) => byteAt(i));

describe('ReceiveBuffer', () => {
  it('returns the bytes in order, each once, however the pieces overlap and repeat', () => {
    const piece = fc.tuple(fc.nat(SIZE - 1), fc.integer({ min: 1, max: 9000 }));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const buffer = new ReceiveBuffer();
        let read = 0;
        const drain = () => {
          for (let view = buffer.read(); view !== undefined; view = buffer.read()) {
            expect(Buffer.compare(view, source.subarray(read, read + view.length))).toBe(0);
            read += view.length;
          }
        };
        for (const [offset, length] of pieces) {
          const take = Math.min(length, SIZE - offset);
          expect(buffer.write(offset, source, offset, take)).toBe(true);
          drain();
        }
        buffer.write(0, source, 0, SIZE);
        drain();
        expect(read).toBe(SIZE);
      }),
      { numRuns: 200 },
    );
  });

  it('never changes bytes that the reader already has', () => {
    const buffer = new ReceiveBuffer();
    buffer.write(0, source, 0, 100);
    const view = buffer.read();
    buffer.write(0, new Uint8Array(150).fill(0xff), 0, 150);
    expect(view).toEqual(source.slice(0, 100));
    expect(buffer.read()).toEqual(new Uint8Array(50).fill(0xff));
  });

  it('refuses one piece too many, but accepts bytes that join pieces (spec streams 4.6)', () => {
    const buffer = new ReceiveBuffer();
    for (let i = 0; i < MAX_REASSEMBLY_PIECES; i++) expect(buffer.write(2 * i + 1, source, 0, 1)).toBe(true);
    expect(buffer.write(2 * MAX_REASSEMBLY_PIECES + 1, source, 0, 1)).toBe(false);
    expect(buffer.write(2, source, 0, 1)).toBe(true);
    expect(buffer.write(2 * MAX_REASSEMBLY_PIECES + 1, source, 0, 1)).toBe(true);
  });
});
