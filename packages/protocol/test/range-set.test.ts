import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RangeSet } from '../src/range-set.js';

const SIZE = 60;
const step = fc.record({ add: fc.boolean(), start: fc.nat(SIZE), length: fc.nat(12) });

describe('RangeSet', () => {
  it('agrees with a plain set of numbers after any additions and removals', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const set = new RangeSet();
        const model = new Set<number>();
        for (const { add, start, length } of steps) {
          const end = start + length;
          if (add) {
            let fresh = 0;
            for (let n = start; n < end; n++) if (!model.has(n)) fresh++;
            const splits = set.wouldSplit(start, end);
            const count = set.count;
            expect(set.add(start, end)).toBe(fresh);
            if (length > 0) expect(set.count > count).toBe(splits);
            for (let n = start; n < end; n++) model.add(n);
          } else {
            set.remove(start, end);
            for (let n = start; n < end; n++) model.delete(n);
          }
          check(set, model);
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** Compares lists, because a million single comparisons by `expect` would take many times as long as the set. */
function check(set: RangeSet, model: ReadonlySet<number>): void {
  const listed: number[] = [];
  for (let i = 0; i < set.count; i++) {
    if (i > 0) expect(set.start(i)).toBeGreaterThan(set.end(i - 1));
    for (let n = set.start(i); n < set.end(i); n++) listed.push(n);
  }
  expect(listed).toEqual([...model].sort((a, b) => a - b));
  const [found, expected]: [(boolean | number)[], (boolean | number)[]] = [[], []];
  for (let n = 0; n < SIZE + 15; n++) {
    found.push(set.has(n));
    expected.push(model.has(n));
    if (n >= 50) continue;
    let missing = n;
    while (missing < 50 && model.has(missing)) missing++;
    let present = n;
    while (present < 50 && !model.has(present)) present++;
    found.push(set.nextMissing(n, 50), set.nextPresent(n, 50));
    expected.push(missing, present);
  }
  expect(found).toEqual(expected);
}
