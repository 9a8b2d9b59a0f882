import { describe, expect, it } from 'vitest';
import { MIN_SLOTS, resized, slotsFor, trimmedSlotsFor } from '../../../src/transport/recovery/ring.js';

describe('the slots of a ring', () => {
  it.each([
    [1, 0, MIN_SLOTS],
    [MIN_SLOTS, MIN_SLOTS, MIN_SLOTS],
    [MIN_SLOTS + 1, MIN_SLOTS, 2 * MIN_SLOTS],
    [4096, 4096, 4096],
    [4097, 4096, 8192],
    // It shrinks to an eighth when an eighth of that is enough, but not below what a busy connection needs.
    [64, 4096, 512],
    [65, 4096, 4096],
    [0, 1024, 128],
    [0, 512, 512],
    [0, 65_536, 128],
  ])('for %i numbers in %i slots are %i', (count, slots, expected) => {
    expect(slotsFor(count, slots)).toBe(expected);
  });

  it.each([
    [0, 4096, MIN_SLOTS],
    [MIN_SLOTS, 4096, MIN_SLOTS],
    [MIN_SLOTS + 1, 4096, 4096],
    [0, 0, 0],
  ])('that will not be used soon for %i numbers in %i slots are %i', (count, slots, expected) => {
    expect(trimmedSlotsFor(count, slots)).toBe(expected);
  });
});

describe('a ring that is resized', () => {
  it.each([
    ['grows', 8, 16, 5, 13],
    ['grows around its end', 8, 32, 30, 37],
    ['shrinks', 32, 8, 29, 37],
    ['is empty', 8, 16, 9, 9],
  ])('keeps every number in its slot when it %s', (_how, before, after, first, next) => {
    const columns = { wide: new Float64Array(before), narrow: new Uint8Array(before) };
    for (let n = first; n < next; n++) {
      columns.wide[n & (before - 1)] = 1000 + n;
      columns.narrow[n & (before - 1)] = n;
    }
    const moved = resized(columns, before - 1, after, first, next);
    expect([moved.wide.length, moved.narrow.length]).toEqual([after, after]);
    for (let n = first; n < next; n++) {
      expect([moved.wide[n & (after - 1)], moved.narrow[n & (after - 1)]]).toEqual([1000 + n, n]);
    }
  });
});
