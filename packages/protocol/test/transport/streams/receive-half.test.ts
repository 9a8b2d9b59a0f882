import { describe, expect, it } from 'vitest';
import { MAX_REASSEMBLY_PIECES, MIN_USEFUL_CREDIT_BYTES } from '../../../src/transport/limits.js';
import { ReceiveHalf } from '../../../src/transport/streams/receive-half.js';

const WINDOW = 16_384;
const MAX_WINDOW = 8 * WINDOW;
const RTT = 100;

const half = () => new ReceiveHalf(WINDOW);
const arrive = (to: ReceiveHalf, offset: number, length: number, fin = false) =>
  to.onData(
    offset,
    Uint8Array.from({ length }, (_, i) => offset + i),
    0,
    length,
    fin,
  );
/** Reads everything that can be read now, and gives credit for it at once. */
function readAll(from: ReceiveHalf, now = 0): number[] {
  const bytes: number[] = [];
  for (let view = from.read(); view !== undefined; view = from.read()) bytes.push(...view);
  from.replenish(now, RTT, MAX_WINDOW);
  return bytes;
}
/** Reads one view while the connection has no window to spare. */
function readOne(from: ReceiveHalf): Uint8Array | undefined {
  const view = from.read();
  from.replenish(0, RTT, 0);
  return view;
}

describe('ReceiveHalf', () => {
  it('delivers bytes in order, each once, however they arrive (spec streams 4.3)', () => {
    const to = half();
    arrive(to, 3, 3);
    expect(to.isReadable).toBe(false);
    arrive(to, 0, 4);
    arrive(to, 2, 2);
    expect(readAll(to)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(to.isReadable).toBe(false);
  });

  it('is read to its end once FIN and all bytes before it were read', () => {
    const to = half();
    arrive(to, 2, 2, true);
    expect(to.state).toBe('size-known');
    arrive(to, 0, 2);
    expect(to.state).toBe('data-received');
    expect(readAll(to)).toEqual([0, 1, 2, 3]);
    expect(to.state).toBe('data-read');
    expect(to.buffer.allocatedBytes).toBe(0);
  });

  it.each<[string, (to: ReceiveHalf) => unknown]>([
    ['its end is known', (to) => arrive(to, 10, 10, true)],
    ['it was reset', (to) => to.onReset(100)],
    ['its reader has stopped', (to) => to.stop(0)],
  ])('gets no larger window once %s (spec streams 5.2)', (_, end) => {
    const to = half();
    arrive(to, 0, 10);
    end(to);
    to.widen(MAX_WINDOW);
    readAll(to);
    expect([to.limit, to.windowBytes]).toEqual([WINDOW, WINDOW]);
    const open = half();
    open.widen(MAX_WINDOW);
    expect([open.limit, open.windowBytes]).toEqual([MAX_WINDOW, MAX_WINDOW]);
  });

  it('counts the FIN of an empty stream as read after a read that returns nothing', () => {
    const to = half();
    arrive(to, 0, 0, true);
    expect(to.isReadable).toBe(true);
    expect(to.read()).toBeUndefined();
    expect(to.state).toBe('data-read');
  });

  it('refuses bytes beyond its limit, and changes nothing (spec streams 5.1)', () => {
    const to = half();
    expect(arrive(to, WINDOW - 1, 1)).toBe('ok');
    expect(arrive(to, WINDOW, 1)).toBe('over-limit');
    expect(to.onReset(WINDOW + 1)).toBe('over-limit');
    expect(to).toMatchObject({ largest: WINDOW, state: 'receive' });
  });

  it.each<[string, (to: ReceiveHalf) => unknown]>([
    ['data beyond it', (to) => arrive(to, 10, 1)],
    ['a FIN before it', (to) => arrive(to, 0, 9, true)],
    ['a FIN behind it', (to) => arrive(to, 10, 1, true)],
    ['a reset before it', (to) => to.onReset(9)],
    ['a reset behind it', (to) => to.onReset(11)],
  ])('refuses another final size: %s (spec streams 4.4)', (_, change) => {
    const to = half();
    arrive(to, 5, 5, true);
    expect(change(to)).toBe('final-size');
    expect(arrive(to, 5, 5, true)).toBe('ok');
  });

  it('refuses a final size below what has arrived (spec streams 4.4)', () => {
    const to = half();
    arrive(to, 5, 5);
    expect(arrive(to, 0, 9, true)).toBe('final-size');
    expect(to.onReset(9)).toBe('final-size');
    expect(to.onReset(10)).toBe('ok');
  });

  it('has a packet sent again that would add one piece too many (spec streams 4.6)', () => {
    const to = new ReceiveHalf(100_000);
    for (let i = 0; i < MAX_REASSEMBLY_PIECES; i++) arrive(to, 10 + 2 * i, 1);
    expect(arrive(to, 50_000, 1)).toBe('later');
    expect(to.largest).toBe(10 + 2 * (MAX_REASSEMBLY_PIECES - 1) + 1);
    expect(arrive(to, 0, 1)).toBe('ok');
  });

  it('gives credit when it adds an eighth of the window (spec streams 5.2)', () => {
    const to = new ReceiveHalf(8 * WINDOW);
    for (let now = 0; now < 5 * RTT; now += RTT) {
      arrive(to, to.buffer.readOffset, WINDOW - 1);
      const { limit } = to;
      readAll(to, now);
      expect(to.limit).toBe(limit);
      arrive(to, to.buffer.readOffset, 1);
      readAll(to, now);
      expect(to.limit).toBe(to.buffer.readOffset + 8 * WINDOW);
    }
  });

  it('gives no credit that adds less than half of the first window (spec streams 5.2)', () => {
    const to = half();
    arrive(to, 0, WINDOW / 2 - 1);
    expect(readOne(to)).toHaveLength(WINDOW / 2 - 1);
    expect(to.limit).toBe(WINDOW);
    arrive(to, WINDOW / 2 - 1, 1);
    readOne(to);
    expect(to.limit).toBe(WINDOW / 2 + WINDOW);
  });

  it('has no window larger than the connection can spare (spec streams 5.3)', () => {
    const to = half();
    for (let round = 0; round < 20; round++) {
      arrive(to, to.largest, to.limit - to.largest);
      readAll(to, round * RTT);
      expect(to.limit - to.buffer.readOffset).toBeLessThanOrEqual(MAX_WINDOW);
    }
    expect(to.windowBytes).toBe(MAX_WINDOW);
  });

  it('shrinks its window when the connection can spare less, but keeps what was granted (spec streams 5.1, 5.3)', () => {
    const to = new ReceiveHalf(8 * WINDOW);
    arrive(to, 0, 5 * WINDOW);
    for (let n = 0; n < 4; n++) readOne(to);
    expect(to).toMatchObject({ windowBytes: WINDOW, limit: 8 * WINDOW });
    readOne(to);
    arrive(to, 5 * WINDOW, 3 * WINDOW);
    readAll(to, 0);
    expect(to.limit).toBeGreaterThan(8 * WINDOW);
  });

  it('gives no more credit once the final size is known', () => {
    const to = half();
    arrive(to, 0, WINDOW - 1, true);
    readAll(to);
    expect(to.limit).toBe(WINDOW);
  });

  it('discards bytes after the reader has stopped, and is over when the peer ends it (spec streams 4.5)', () => {
    const to = half();
    arrive(to, 0, 100);
    expect(to.stop(7)).toBe(true);
    expect(to).toMatchObject({ stopCode: 7, isReadable: false });
    expect(to.buffer.allocatedBytes).toBe(0);
    arrive(to, 100, 100);
    expect(to.buffer.allocatedBytes).toBe(0);
    expect(to.largest).toBe(200);
    expect(to.stop(8)).toBe(false);
    expect(to.onReset(200)).toBe('ok');
    expect(to.state).toBe('reset-received');
    to.acknowledgeReset();
    expect(to.isOver).toBe(true);
  });

  it('ignores a reset if all bytes have arrived, so that they can be read (spec streams 4.3)', () => {
    const to = half();
    arrive(to, 0, 4, true);
    expect(to.onReset(4)).toBe('ok');
    expect(readAll(to)).toEqual([0, 1, 2, 3]);
    expect(to.state).toBe('data-read');
  });

  it('is over as soon as its connection is', () => {
    const to = half();
    arrive(to, 0, 4);
    to.lose();
    expect(to).toMatchObject({ isOver: true, isReadable: false });
    expect(to.buffer.allocatedBytes).toBe(0);
  });

  it('is over when FIN arrives after the reader has stopped, whether or not all bytes have (spec streams 4.5)', () => {
    for (const first of [0, 50]) {
      const to = half();
      arrive(to, first, 10);
      to.stop(7);
      expect(to.isOver).toBe(false);
      expect(arrive(to, 90, 10, true)).toBe('ok');
      expect(to).toMatchObject({ state: 'reset-read', isOver: true, largest: 100 });
      // A FIN behind bytes that were discarded says how many these were.
      expect(arrive(to, 90, 11, true)).toBe('final-size');
    }
  });

  it('is over at once if its reader stops behind FIN', () => {
    const to = half();
    arrive(to, 10, 10, true);
    expect(to.stop(7)).toBe(true);
    expect(to).toMatchObject({ state: 'reset-read', isOver: true });
    const complete = half();
    arrive(complete, 0, 10, true);
    expect(complete.stop(7)).toBe(true);
    expect(complete.isOver).toBe(true);
  });

  it.each<[string, (to: ReceiveHalf) => unknown]>([
    ['everything was read', (to) => readAll(to)],
    ['its reader has stopped', (to) => to.stop(0)],
    ['it was lost', (to) => to.lose()],
  ])('takes no bytes and no other end once %s', (_, end) => {
    const to = half();
    arrive(to, 0, 10, true);
    end(to);
    const { state } = to;
    expect([arrive(to, 0, 10, true), arrive(to, 4, 6), to.onReset(10)]).toEqual(['ok', 'ok', 'ok']);
    expect([arrive(to, 4, 7), to.onReset(9)]).toEqual(['final-size', 'final-size']);
    expect(to).toMatchObject({ state, isReadable: false, largest: 10 });
    expect(to.buffer.allocatedBytes).toBe(0);
    expect(to.stop(1)).toBe(false);
  });

  it('takes no bytes once it was reset, and checks the size that the reset stated (spec streams 4.4)', () => {
    const to = half();
    arrive(to, 0, 10);
    expect(to.onReset(100)).toBe('ok');
    expect(to).toMatchObject({ state: 'reset-received', largest: 100, finalSize: 100, isReadable: false });
    expect([arrive(to, 90, 10), arrive(to, 90, 10, true), to.onReset(100)]).toEqual(['ok', 'ok', 'ok']);
    expect([arrive(to, 90, 11), arrive(to, 90, 9, true), to.onReset(99)]).toEqual([
      'final-size',
      'final-size',
      'final-size',
    ]);
    expect(to.state).toBe('reset-received');
  });

  it('may be reset at its limit (spec streams 5.1)', () => {
    const to = half();
    expect(to.onReset(WINDOW)).toBe('ok');
    expect(to.state).toBe('reset-received');
  });

  it('is untouched until something arrives or its reader stops (spec streams 3.8)', () => {
    expect(half().isUntouched).toBe(true);
    const changes: ((to: ReceiveHalf) => unknown)[] = [
      (to) => arrive(to, 0, 1),
      (to) => arrive(to, 0, 0, true),
      (to) => to.stop(0),
      (to) => to.onReset(0),
    ];
    for (const change of changes) {
      const to = half();
      change(to);
      expect(to.isUntouched).toBe(false);
    }
  });

  it('is read to its end by copies too', () => {
    const to = half();
    arrive(to, 0, 10, true);
    const target = new Uint8Array(6);
    expect([to.readInto(target), to.state]).toEqual([6, 'data-received']);
    expect([to.readInto(target), to.state]).toEqual([4, 'data-read']);
    expect(target).toEqual(Uint8Array.of(6, 7, 8, 9, 4, 5));
    expect(to.buffer.allocatedBytes).toBe(0);
  });

  it('keeps its end when a copy of the frame with FIN arrives', () => {
    const to = half();
    arrive(to, 5, 5, true);
    arrive(to, 5, 5, true);
    expect(to).toMatchObject({ state: 'size-known', finalSize: 10, largest: 10 });
    arrive(to, 0, 3);
    expect(to.largest).toBe(10);
    arrive(to, 3, 2);
    expect(to.state).toBe('data-received');
  });

  it('is widened only if that permits a useful number of bytes more (spec streams 5.6)', () => {
    const to = half();
    to.widen(WINDOW + MIN_USEFUL_CREDIT_BYTES - 1);
    expect([to.limit, to.windowBytes]).toEqual([WINDOW, WINDOW]);
    to.widen(WINDOW + MIN_USEFUL_CREDIT_BYTES);
    expect(to.limit).toBe(WINDOW + MIN_USEFUL_CREDIT_BYTES);
    // A smaller window than before takes nothing back.
    arrive(to, 0, WINDOW);
    readOne(to);
    const { limit } = to;
    to.widen(WINDOW);
    expect(to.limit).toBe(limit);
  });
});
