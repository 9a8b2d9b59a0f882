import { describe, expect, it } from 'vitest';
import {
  TAIL_REPEAT_BURST_BYTES,
  TAIL_REPEAT_BYTES_PER_MS,
  TAIL_REPEAT_DELAY_MS,
  TAIL_REPEAT_SHARE,
  TAIL_REPEAT_UNSURE_MS,
} from '../../src/transport/limits.js';
import { TailRepeater } from '../../src/transport/tail-repeater.js';

const EVERY_MS = TAIL_REPEAT_DELAY_MS + 1;

/** Sends packets that each end a burst.
 *  @returns how many of them are repeated */
function repeatsOf(packets: number, sizeBytes: number): number {
  const tail = new TailRepeater();
  let repeats = 0;
  for (let n = 0; n < packets; n++) {
    tail.onPacketSent(n * EVERY_MS, n, sizeBytes, true, true);
    if (tail.takeDue(n * EVERY_MS + TAIL_REPEAT_DELAY_MS) === n) repeats++;
  }
  return repeats;
}

describe('TailRepeater', () => {
  it('uses its whole budget for repeats, and no more (spec recovery 8)', () => {
    const share = TAIL_REPEAT_SHARE * 1200 + TAIL_REPEAT_BYTES_PER_MS * EVERY_MS;
    const budget = (TAIL_REPEAT_BURST_BYTES + 2000 * share) / 1200;
    expect(repeatsOf(2000, 1200)).toBeLessThanOrEqual(budget);
    expect(repeatsOf(2000, 1200)).toBeGreaterThan(budget - 10);
  });

  it('charges a repeat for everything that its packet carries (spec recovery 8: "MUST count in full")', () => {
    const [sizeBytes, repeatBytes, packets] = [112, 128, 500];
    const tail = new TailRepeater();
    let [sent, repeated] = [0, 0];
    for (let n = 0; n < packets; n++) {
      tail.onPacketSent(n * EVERY_MS, n, sizeBytes, true, true);
      sent += sizeBytes;
      const repeatAt = n * EVERY_MS + TAIL_REPEAT_DELAY_MS;
      if (tail.takeDue(repeatAt) !== n) continue;
      tail.beginRepeat(n);
      tail.onPacketSent(repeatAt, n, repeatBytes, true, true);
      sent += repeatBytes;
      repeated += repeatBytes;
      const budget = TAIL_REPEAT_BURST_BYTES + TAIL_REPEAT_SHARE * sent + TAIL_REPEAT_BYTES_PER_MS * repeatAt;
      expect(repeated).toBeLessThanOrEqual(budget + repeatBytes - sizeBytes);
    }
    expect(repeated).toBeGreaterThan(TAIL_REPEAT_BURST_BYTES);
  });

  it('goes on to the next burst after a repeat, whatever followed it', () => {
    const tail = new TailRepeater();
    tail.onPacketSent(0, 0, 96, true, true);
    expect(tail.takeDue(TAIL_REPEAT_DELAY_MS)).toBe(0);
    tail.beginRepeat(0);
    // The application has written much more by then.
    for (let n = 1; n < 5; n++) tail.onPacketSent(10, n, 1200, true, false);
    tail.onPacketSent(10, 5, 96, true, true);
    expect(tail.takeDue(10 + TAIL_REPEAT_DELAY_MS)).toBe(5);
  });

  it.each([
    ['before its repeat is due', 1],
    ['while its repeat waits for room', TAIL_REPEAT_DELAY_MS],
  ])('goes on to the next burst when a packet is acknowledged or lost %s', (_, settledAt) => {
    const tail = new TailRepeater();
    tail.onPacketSent(0, 0, 96, true, true);
    if (tail.takeDue(settledAt) === 0) tail.beginRepeat(0);
    tail.onSettled(0);
    expect(tail.takeDue(TAIL_REPEAT_DELAY_MS)).toBe(-1);
    tail.onPacketSent(100, 1, 96, true, true);
    expect(tail.takeDue(100 + TAIL_REPEAT_DELAY_MS)).toBe(1);
  });

  it('repeats nothing later than a minute after the first packet on a path (spec recovery 8: "MUST NOT repeat anything")', () => {
    const lastAt = TAIL_REPEAT_UNSURE_MS - TAIL_REPEAT_DELAY_MS;
    const sentAt = (at: number): TailRepeater => {
      const tail = new TailRepeater();
      tail.onPacketSent(0, 0, 96, true, true);
      tail.onPacketSent(at, 1, 96, true, true);
      return tail;
    };
    expect(sentAt(lastAt).takeDue(TAIL_REPEAT_UNSURE_MS)).toBe(1);
    expect(sentAt(lastAt + 0.1).dueAt).toBe(Number.POSITIVE_INFINITY);
    // The process was stopped, and comes too late.
    expect(sentAt(lastAt).takeDue(TAIL_REPEAT_UNSURE_MS + 0.1)).toBe(-1);
  });

  it('repeats every packet of somebody typing (spec recovery 8)', () => {
    const tail = new TailRepeater();
    for (let n = 0; n < 500; n++) {
      tail.onPacketSent(n * 80, n, 96, true, true);
      expect(tail.takeDue(n * 80 + TAIL_REPEAT_DELAY_MS)).toBe(n);
    }
  });
});
