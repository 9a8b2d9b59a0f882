import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeadlineHeap } from '../src/deadline-heap.js';

const ITEMS = 12;
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ set: fc.nat(ITEMS), at: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ set: fc.nat(ITEMS), at: fc.constant(Number.POSITIVE_INFINITY) }) },
  { weight: 2, arbitrary: fc.record({ delete: fc.nat(ITEMS) }) },
  { weight: 2, arbitrary: fc.record({ takeDueBy: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ clear: fc.constant(true) }) },
);

describe('DeadlineHeap', () => {
  it('agrees with a plain map of deadlines after any sequence of changes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const heap = new DeadlineHeap<number>();
        const model = new Map<number, number>();
        for (const action of steps) {
          if ('set' in action) {
            heap.set(action.set, action.at);
            if (action.at === Number.POSITIVE_INFINITY) model.delete(action.set);
            else model.set(action.set, action.at);
          } else if ('delete' in action) {
            heap.delete(action.delete);
            model.delete(action.delete);
          } else if ('clear' in action) {
            heap.clear();
            model.clear();
          } else {
            const earliestAt = heap.earliestAt;
            const taken = heap.takeDue(action.takeDueBy);
            expect(taken !== undefined).toBe(earliestAt <= action.takeDueBy);
            if (taken !== undefined) {
              expect(model.get(taken)).toBe(earliestAt);
              model.delete(taken);
            }
          }
          expect(heap.size).toBe(model.size);
          expect(heap.earliestAt).toBe(Math.min(...model.values()));
          if (model.size > 0) expect(model.get(heap.earliest as number)).toBe(heap.earliestAt);
          else expect(heap.earliest).toBeUndefined();
        }
        drain(heap, model);
      }),
      { numRuns: 500 },
    );
  });

  it('has no deadlines after `clear`, and accepts new ones', () => {
    const heap = new DeadlineHeap<string>();
    heap.set('a', 1);
    heap.set('b', 2);
    heap.clear();
    expect(heap.takeDue(10)).toBeUndefined();
    heap.set('b', 3);
    expect([heap.size, heap.earliest, heap.earliestAt]).toEqual([1, 'b', 3]);
  });
});

/** Empties the heap, and checks that each item comes out once and in the order of the deadlines. */
function drain(heap: DeadlineHeap<number>, model: Map<number, number>): void {
  let before = Number.NEGATIVE_INFINITY;
  for (let item = heap.takeDue(1000); item !== undefined; item = heap.takeDue(1000)) {
    const at = model.get(item) as number;
    expect(at).toBeGreaterThanOrEqual(before);
    before = at;
    model.delete(item);
  }
  expect(model.size).toBe(0);
}
