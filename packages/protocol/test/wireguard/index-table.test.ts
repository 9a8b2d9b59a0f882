import { describe, expect, it } from 'vitest';
import { IndexTable } from '../../src/wireguard/index-table.js';

describe('the index table (spec session 3.1)', () => {
  it('draws again when an index is taken', () => {
    const draws = [1, 1, 2].map((low) => Uint8Array.of(low, 0, 0, 0));
    const table = new IndexTable<string>(() => draws.shift() as Uint8Array);
    expect(table.add('first')).toBe(1);
    expect(table.add('second')).toBe(2);
    expect(table.get(1)).toBe('first');
    table.delete(1);
    expect(table.get(1)).toBeUndefined();
    expect(table.size).toBe(1);
  });

  it('fails if the source of randomness repeats itself', () => {
    const table = new IndexTable<string>(() => new Uint8Array(4));
    table.add('first');
    expect(() => table.add('second')).toThrow('randomness repeats itself');
  });
});
