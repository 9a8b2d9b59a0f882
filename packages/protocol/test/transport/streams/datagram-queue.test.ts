import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DATAGRAM_CHARGE_BYTES } from '../../../src/transport/limits.js';
import { DatagramQueue } from '../../../src/transport/streams/datagram-queue.js';

const LIMIT_BYTES = 30_000;
const MESSAGE_BYTES = 1000 - DATAGRAM_CHARGE_BYTES;
const message = (first: number) => new Uint8Array(MESSAGE_BYTES).fill(first);

/** Adds messages while there is room. */
function fill(queue: DatagramQueue): number {
  let count = 0;
  for (; queue.hasRoomFor(MESSAGE_BYTES); count++) queue.push(message(count), 0);
  return count;
}

describe('a queue of messages (spec datagrams 3)', () => {
  it('gives them back in order, with the time of the oldest', () => {
    const queue = new DatagramQueue({ limitBytes: LIMIT_BYTES, usedBytes: 0 });
    for (let n = 0; n < 5; n++) queue.push(message(n), 10 * n);
    for (let n = 0; n < 5; n++) {
      expect([queue.oldestAt, queue.length]).toEqual([10 * n, 5 - n]);
      expect(queue.shift()).toEqual(message(n));
    }
    expect([queue.oldest, queue.shift()]).toEqual([undefined, undefined]);
  });

  it('leaves each further flow a share (spec datagrams 3.1: "twice what it would leave free")', () => {
    const memory = { limitBytes: LIMIT_BYTES, usedBytes: 0 };
    const counts = Array.from({ length: 4 }, () => fill(new DatagramQueue(memory)));
    expect(counts).toEqual([20, 6, 2, 1]);
    expect(memory.usedBytes).toBeLessThanOrEqual(LIMIT_BYTES);
  });

  it('gives its memory back when it is read and when it is cleared', () => {
    const memory = { limitBytes: LIMIT_BYTES, usedBytes: 0 };
    const queue = new DatagramQueue(memory);
    const count = fill(queue);
    queue.shift();
    expect(memory.usedBytes).toBe((count - 1) * 1000);
    expect(queue.clear()).toBe(count - 1);
    expect([memory.usedBytes, queue.length, queue.shift()]).toEqual([0, 0, undefined]);
  });

  it('charges for empty messages too', () => {
    const memory = { limitBytes: LIMIT_BYTES, usedBytes: 0 };
    const queue = new DatagramQueue(memory);
    queue.push(new Uint8Array(0), 0);
    expect(memory.usedBytes).toBe(DATAGRAM_CHARGE_BYTES);
  });

  it('does the same as a list, whatever was added, taken and cleared before', () => {
    const step = fc.constantFrom('push', 'push', 'push', 'shift', 'shift', 'clear');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const memory = { limitBytes: 10 * LIMIT_BYTES, usedBytes: 0 };
        const queue = new DatagramQueue(memory);
        const list: { readonly bytes: Uint8Array; readonly at: number }[] = [];
        for (const [now, name] of steps.entries()) {
          if (name === 'push') {
            list.push({ bytes: message(now), at: now });
            queue.push(message(now), now);
          } else if (name === 'shift') expect(queue.shift()).toEqual(list.shift()?.bytes);
          else expect(queue.clear()).toBe(list.splice(0).length);
          expect([queue.length, queue.oldest, queue.oldestAt]).toEqual([
            list.length,
            list[0]?.bytes,
            list[0]?.at,
          ]);
          expect(memory.usedBytes).toBe(1000 * list.length);
        }
      }),
    );
  });
});
