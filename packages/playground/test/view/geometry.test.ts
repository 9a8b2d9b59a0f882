import { describe, expect, it } from 'vitest';
import type { Datagram } from '../../src/model/history.js';
import { AXIS_INSET, hit, lineOf, timeAt, visible, yOf } from '../../src/view/ladder/geometry.js';

/** A ladder of one pixel a millisecond, whose axes are 100 pixels apart. */
const FRAME = { width: 100 + 2 * AXIS_INSET, height: 1000, now: 5000, spanMs: 1000 };

/** One that leaves 20 ms after it was sent and travels for 100 ms. */
const sent = (sentAt: number, parts: Partial<Datagram> = {}): Datagram =>
  ({
    target: 'relay',
    sentAt,
    departsAt: sentAt + 20,
    endsAt: sentAt + 120,
    reach: 1,
    ...parts,
  }) as Datagram;

describe('the ladder', () => {
  it('moves down from the beginning of time, and then scrolls', () => {
    for (const now of [0, 300, 5000]) {
      const frame = { ...FRAME, now };
      expect([now, timeAt(frame, yOf(frame, 1234))]).toEqual([now, expect.closeTo(1234)]);
    }
    const early = { ...FRAME, now: 300 };
    expect(yOf(early, 300) - yOf(early, 0)).toBeCloseTo(300);
    expect(yOf({ ...FRAME, now: 0 }, 0)).toBe(yOf(early, 0));
    expect(yOf({ ...FRAME, now: 9000 }, 9000)).toBe(yOf(FRAME, 5000));
  });

  it('draws a datagram from its sender to the other side, once it has left the queue', () => {
    const [left, right] = [AXIS_INSET, AXIS_INSET + 100];
    const line = lineOf(FRAME, sent(4800));
    expect(line).toMatchObject({ x0: left, x1: right, x2: right, isUnderWay: false });
    expect([line.y0, line.yDeparture, line.y1]).toEqual([4800, 4820, 4920].map((at) => yOf(FRAME, at)));
    expect(lineOf(FRAME, sent(4800, { target: 'client' }))).toMatchObject({ x0: right, x1: left });
    expect(lineOf(FRAME, sent(4800, { reach: 0.5 }))).toMatchObject({ x1: left + 50, x2: left + 50 });
  });

  it('draws what is under way as far as it has come', () => {
    const line = lineOf(FRAME, sent(4955));
    expect(line).toMatchObject({ x1: AXIS_INSET + 25, x2: AXIS_INSET + 100, isUnderWay: true });
    expect([line.y1, line.y2]).toEqual([yOf(FRAME, 5000), yOf(FRAME, 5075)]);
    const waiting = lineOf(FRAME, sent(4990));
    expect([waiting.x1, waiting.yDeparture]).toEqual([AXIS_INSET, yOf(FRAME, 5000)]);
  });

  it('leaves out what has ended above its upper edge', () => {
    const top = timeAt(FRAME, 0);
    const datagrams = [-200, -121, -119, 0, 50].map((ms) => sent(top + ms));
    expect(visible(FRAME, datagrams, 120)).toEqual(datagrams.slice(2));
    expect(visible(FRAME, [], 120)).toEqual([]);
  });

  it('finds the datagram closest to a click, within ten pixels', () => {
    const [first, second] = [sent(4700), sent(4715)];
    const x = AXIS_INSET + 50;
    const middle = (datagram: Datagram) => yOf(FRAME, datagram.sentAt + 70);
    const find = (y: number) => hit(FRAME, [first, second], x, y);
    expect([find(middle(first)), find(middle(second))]).toEqual([first, second]);
    expect([find(middle(first) + 7), find(middle(first) + 8)]).toEqual([first, second]);
    expect([find(middle(first) - 14), find(middle(first) - 15)]).toEqual([first, undefined]);
  });
});
