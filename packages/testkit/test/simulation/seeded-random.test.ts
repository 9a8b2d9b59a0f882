import { EventQueue, SeededRandom } from '@underpass/testkit';
import { describe, expect, test } from 'vitest';

describe('seeded randomness', () => {
  test('is the same for equal seeds and different for others', () => {
    expect(new SeededRandom(1).bytes(32)).toEqual(new SeededRandom(1).bytes(32));
    expect(new SeededRandom(1).bytes(32)).not.toEqual(new SeededRandom(2).bytes(32));
  });

  test('derives generators that do not depend on what was drawn before', () => {
    const fresh = new SeededRandom(1);
    const used = new SeededRandom(1);
    used.bytes(100);
    expect(used.derive('a').bytes(32)).toEqual(fresh.derive('a').bytes(32));
    expect(fresh.derive('a').bytes(32)).not.toEqual(fresh.derive('b').bytes(32));
  });

  test('draws numbers within their bounds, and reaches both bounds', () => {
    const random = new SeededRandom(3);
    const drawn = Array.from({ length: 1000 }, () => random.integer(-2, 2));
    expect(new Set(drawn)).toEqual(new Set([-2, -1, 0, 1, 2]));
    for (let i = 0; i < 1000; i++) {
      const magnitude = random.magnitude(1, 1000);
      expect(Number.isInteger(magnitude) && magnitude >= 1 && magnitude <= 1000).toBe(true);
    }
  });

  test('is roughly uniform', () => {
    const random = new SeededRandom(4);
    const counts = new Array<number>(256).fill(0);
    for (const byte of random.bytes(256 * 400)) counts[byte] = (counts[byte] as number) + 1;
    expect(Math.min(...counts)).toBeGreaterThan(300);
    expect(Math.max(...counts)).toBeLessThan(500);
  });
});

test('the event queue runs events by time, and those of the same moment in the order of scheduling', () => {
  const queue = new EventQueue();
  const random = new SeededRandom(5);
  const ran: { at: number; order: number }[] = [];
  for (let order = 0; order < 500; order++) {
    const at = random.integer(0, 50);
    queue.schedule(at, () => ran.push({ at: queue.now, order }));
  }
  while (queue.runNext());
  const sorted = [...ran].sort((a, b) => a.at - b.at || a.order - b.order);
  expect(ran).toHaveLength(500);
  expect(ran).toEqual(sorted);
});
