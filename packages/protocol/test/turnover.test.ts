import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { TurnoverMap, TurnoverSet } from '../src/turnover.js';

describe('a map whose members come and go', () => {
  it('is a map', () => {
    const map = new TurnoverMap<string, number>();
    map.set('a', 1);
    map.set('b', 2);
    map.set('a', 3);
    expect([map.size, map.get('a'), map.get('c'), map.has('b'), map.has('c')]).toEqual([
      2,
      3,
      undefined,
      true,
      false,
    ]);
    expect([[...map], [...map.keys()], [...map.values()]]).toEqual([
      [
        ['a', 3],
        ['b', 2],
      ],
      ['a', 'b'],
      [3, 2],
    ]);
    expect([map.delete('a'), map.delete('a'), [...map]]).toEqual([true, false, [['b', 2]]]);
    map.clear();
    map.clear();
    expect([map.size, map.get('b'), [...map]]).toEqual([0, undefined, []]);
  });

  it('keeps its members and their order, however many come and go', () => {
    const map = new TurnoverMap<number, string>();
    const real = new Map<number, string>();
    for (let i = 0; i < 5_000; i++) {
      for (const each of [map, real]) each.set(i, `${i}`);
      for (const each of [map, real]) each.delete((i * 7919) % 5_000);
      for (const each of [map, real]) each.set(i % 10, `again ${i}`);
      expect(map.size).toBe(real.size);
    }
    expect(map.size).toBeGreaterThan(1_000);
    expect([...map]).toEqual([...real]);
  });

  it('can lose members while it is read', () => {
    const set = new TurnoverSet<number>();
    for (let i = 0; i < 200; i++) set.add(i);
    const seen: number[] = [];
    for (const member of set) {
      seen.push(member);
      set.delete(member);
      set.delete(member + 1);
    }
    expect([seen, set.size]).toEqual([Array.from({ length: 100 }, (_, i) => 2 * i), 0]);
  });

  it('keeps nothing alive that has left it, even when its own memory is old', () => {
    const MEMBER_BYTES = 8 * 1024;
    const MEMBERS = 4_000;
    const keptBytes = (collection: { add(member: object): unknown; delete(member: object): unknown }) => {
      let last: object = {};
      collection.add(last);
      collect('major');
      collect('major');
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < MEMBERS; i++) {
        const next = new Array(MEMBER_BYTES / 8).fill(i);
        collection.add(next);
        collection.delete(last);
        last = next;
      }
      collect('minor');
      collect('minor');
      return process.memoryUsage().heapUsed - before;
    };
    // A Set keeps half of them with the V8 of Node 22 to 26, and with that of Node 20 a tenth.
    expect(keptBytes(new TurnoverSet<object>())).toBeLessThan((MEMBERS * MEMBER_BYTES) / 20);
  });
});

/** Collects garbage: of the young generation, or all of it. */
const collect = exposedCollector();

function exposedCollector(): (type: 'minor' | 'major') => void {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as (options: { type: 'minor' | 'major' }) => void;
  setFlagsFromString('--no-expose-gc');
  return (type) => collectGarbage({ type });
}
