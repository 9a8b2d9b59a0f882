import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { MAX_REASSEMBLY_PIECES, RECEIVE_BLOCK_BYTES } from '../../../src/transport/limits.js';
import { BlockPool, MAX_POOLED_BLOCKS } from '../../../src/transport/streams/block-pool.js';
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

  it('copies the bytes in order to a reader, and uses its memory again without changing what others have', () => {
    const piece = fc.tuple(fc.nat(SIZE - 1), fc.integer({ min: 1, max: 9000 }), fc.boolean());
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 40 }),
        fc.integer({ min: 1000, max: SIZE }),
        (pieces, room) => {
          const pool = new BlockPool();
          const target = new Uint8Array(room);
          const views: { readonly at: number; readonly view: Uint8Array }[] = [];
          // Two streams that share a pool, and lag behind each other.
          for (const buffer of [new ReceiveBuffer(pool), new ReceiveBuffer(pool)]) {
            let read = 0;
            const drain = (copies: boolean) => {
              for (;;) {
                const view = copies ? target.subarray(0, buffer.readInto(target)) : buffer.read();
                if (view === undefined || view.length === 0) return;
                expect(Buffer.compare(view, source.subarray(read, read + view.length))).toBe(0);
                if (!copies) views.push({ at: read, view });
                read += view.length;
              }
            };
            for (const [offset, length, copies] of pieces) {
              const take = Math.min(length, SIZE - offset);
              expect(buffer.write(offset, source, offset, take)).toBe(true);
              drain(copies);
            }
            buffer.write(0, source, 0, SIZE);
            drain(true);
            expect(read).toBe(SIZE);
            buffer.clear();
          }
          for (const { at, view } of views) {
            expect(Buffer.compare(view, source.subarray(at, at + view.length))).toBe(0);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('takes no new memory for bytes that are copied to a reader in time', () => {
    const pool = new BlockPool();
    const taken = vi.spyOn(pool, 'take');
    const buffer = new ReceiveBuffer(pool);
    const target = new Uint8Array(SIZE);
    for (let round = 0; round < 20; round++) {
      buffer.write(round * SIZE, source, 0, SIZE);
      expect(buffer.readInto(target)).toBe(SIZE);
    }
    const blocks = new Set(taken.mock.results.map(({ value }) => value));
    expect(blocks.size).toBe(SIZE / RECEIVE_BLOCK_BYTES);
  });

  it('holds no block once everything that arrived was copied to a reader', () => {
    const buffer = new ReceiveBuffer();
    const target = new Uint8Array(200);
    buffer.write(0, source, 0, 100);
    expect(buffer.allocatedBytes).toBeGreaterThan(RECEIVE_BLOCK_BYTES);
    expect(buffer.readInto(target)).toBe(100);
    expect(buffer.allocatedBytes).toBeLessThan(RECEIVE_BLOCK_BYTES);

    buffer.write(150, source, 150, 50);
    expect(buffer.readInto(target)).toBe(0);
    expect(buffer.allocatedBytes).toBeGreaterThan(RECEIVE_BLOCK_BYTES);
    buffer.write(100, source, 100, 50);
    expect(buffer.readInto(target)).toBe(100);
    expect(target.slice(0, 100)).toEqual(source.slice(100, 200));
    expect(buffer.allocatedBytes).toBeLessThan(RECEIVE_BLOCK_BYTES);
  });

  it('takes the memory of the blocks that have bytes, and 16 bytes for each separate piece', () => {
    const buffer = new ReceiveBuffer();
    expect(buffer.allocatedBytes).toBe(0);
    buffer.write(0, source, 0, 10);
    expect(buffer.allocatedBytes).toBe(RECEIVE_BLOCK_BYTES + 16);
    // The block between the two has no bytes yet.
    buffer.write(2 * RECEIVE_BLOCK_BYTES, source, 0, 10);
    expect(buffer.allocatedBytes).toBe(2 * RECEIVE_BLOCK_BYTES + 2 * 16);
    expect(buffer.arrivedBytes).toBe(20);
    buffer.write(5, source, 5, 10);
    expect([buffer.allocatedBytes, buffer.arrivedBytes]).toEqual([2 * RECEIVE_BLOCK_BYTES + 2 * 16, 25]);
    buffer.clear();
    expect(buffer.allocatedBytes).toBe(0);
  });

  it('gives the pool what it clears, except a block that a reader still has', () => {
    const pool = new BlockPool();
    const given = vi.spyOn(pool, 'give');
    const buffer = new ReceiveBuffer(pool);
    buffer.write(0, source, 0, 10);
    buffer.write(2 * RECEIVE_BLOCK_BYTES, source, 0, 10);
    buffer.clear();
    expect(given).toHaveBeenCalledTimes(2);
    const other = new ReceiveBuffer(pool);
    other.write(0, source, 0, RECEIVE_BLOCK_BYTES + 10);
    const view = other.read();
    other.read();
    other.clear();
    expect(given).toHaveBeenCalledTimes(2);
    expect(view).toEqual(source.slice(0, RECEIVE_BLOCK_BYTES));
  });

  it('gives a pool no more blocks than it keeps', () => {
    const pool = new BlockPool();
    const given = Array.from({ length: MAX_POOLED_BLOCKS + 3 }, () => new Uint8Array(RECEIVE_BLOCK_BYTES));
    for (const block of given) pool.give(block);
    const taken = Array.from({ length: MAX_POOLED_BLOCKS + 3 }, () => pool.take());
    expect(taken.filter((block) => given.includes(block as (typeof given)[number]))).toHaveLength(
      MAX_POOLED_BLOCKS,
    );
    pool.give(given[0] as Uint8Array);
    pool.clear();
    expect(pool.take()).not.toBe(given[0]);
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
