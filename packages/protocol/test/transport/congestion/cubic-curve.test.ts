/** The window of CUBIC after each thing that can happen to it, compared with the formulas of RFC 9438. */
import { describe, expect, it } from 'vitest';
import {
  type AckSample,
  emptyAckSample,
  emptyLossSample,
  minimumWindow,
} from '../../../src/transport/congestion/controller.js';
import { Cubic } from '../../../src/transport/congestion/cubic.js';

const SIZE = 1200;
const RTT_MS = 200;

function ack(controller: Cubic, now: number, ackedBytes: number, more: Partial<AckSample> = {}): void {
  controller.onAck({
    ...emptyAckSample(),
    now,
    ackedBytes,
    newestSentAt: now - 1,
    smoothedRttMs: RTT_MS,
    ...more,
  });
}

function lose(controller: Cubic, now: number): void {
  controller.onPacketLost({ ...emptyLossSample(), now, bytes: SIZE, sentAt: now - 1 });
}

/** A controller whose window, of about `datagrams`, has just been cut for the first time.
 *  @returns it, and its window before the cut */
function cut(datagrams: number, now: number): { controller: Cubic; peak: number } {
  const controller = new Cubic(SIZE);
  ack(controller, now - 1, datagrams * SIZE);
  const peak = controller.windowBytes;
  lose(controller, now);
  expect(controller.windowBytes).toBe(0.7 * peak);
  return { controller, peak };
}

/** The window in bytes that CUBIC aims at `ms` after the curve began: that of one round trip later (§4.2).
 *  @param from the window when the curve began */
function curve(peak: number, from: number, ms: number): number {
  const k = Math.cbrt((peak - from) / SIZE / 0.4);
  return peak + 0.4 * ((ms + RTT_MS) / 1000 - k) ** 3 * SIZE;
}

/** Acknowledges a whole window at once, after which the window is what CUBIC aims at. */
function reachTarget(controller: Cubic, now: number): number {
  ack(controller, now, controller.windowBytes);
  return controller.windowBytes;
}

describe('the window of CUBIC (RFC 9438)', () => {
  it.each([1_000, 3_000, 5_000, 7_000])('is on the curve %i ms after it began (§4.2)', (ms) => {
    const { controller, peak } = cut(500, 1_000);
    ack(controller, 2_000, 0);
    expect(reachTarget(controller, 2_000 + ms)).toBeCloseTo(curve(peak, 0.7 * peak, ms), 3);
  });

  it('aims at a lower peak after a cut below the last one, to make room for others (§4.7)', () => {
    const { controller, peak } = cut(500, 1_000);
    lose(controller, 2_000);
    const peakNow = 0.7 * peak * ((1 + 0.7) / 2);
    const from = 0.7 * 0.7 * peak;
    expect(controller.windowBytes).toBeCloseTo(from, 6);
    ack(controller, 3_000, 0);
    expect(reachTarget(controller, 6_000)).toBeCloseTo(curve(peakNow, from, 3_000), 3);
  });

  it('aims at its last peak after a cut at or above it (§4.7)', () => {
    const { controller, peak } = cut(500, 1_000);
    ack(controller, 2_000, 0);
    const higher = reachTarget(controller, 10_000);
    expect(higher).toBeGreaterThan(peak);
    lose(controller, 11_000);
    ack(controller, 12_000, 0);
    expect(reachTarget(controller, 15_000)).toBeCloseTo(curve(higher, 0.7 * higher, 3_000), 3);
  });

  it('follows a new curve after each cut, which begins with the first ACK after it', () => {
    const { controller } = cut(500, 1_000);
    ack(controller, 2_000, 0);
    const before = reachTarget(controller, 4_000);
    lose(controller, 60_000);
    ack(controller, 120_000, 0);
    expect(controller.windowBytes).toBeCloseTo(0.7 * before, 6);
    expect(reachTarget(controller, 120_500)).toBeLessThan(before);
  });

  it('does not count the time in which the application was what limited it (§5.8)', () => {
    const { controller, peak } = cut(500, 1_000);
    ack(controller, 2_000, 0);
    ack(controller, 3_000, SIZE, { applicationLimited: true });
    ack(controller, 50_000, SIZE, { applicationLimited: true });
    ack(controller, 61_000, 0);
    expect(reachTarget(controller, 63_000)).toBeCloseTo(curve(peak, 0.7 * peak, 3_000), 3);
  });

  it('follows the curve if the application was what limited it before the curve began (§5.8)', () => {
    const { controller, peak } = cut(500, 1_000);
    ack(controller, 1_500, SIZE, { applicationLimited: true });
    ack(controller, 2_000, 0);
    expect(reachTarget(controller, 5_000)).toBeCloseTo(curve(peak, 0.7 * peak, 3_000), 3);
  });

  it('grows by half of it in a round trip at most (§4.2)', () => {
    const { controller } = cut(500, 1_000);
    ack(controller, 2_000, 0);
    const before = controller.windowBytes;
    expect(reachTarget(controller, 60_000)).toBeCloseTo(1.5 * before, 6);
  });

  it('grows as Reno would by half of it in a round trip at most (§4.3)', () => {
    const controller = new Cubic(SIZE);
    controller.onPersistentCongestion();
    lose(controller, 1_000);
    expect(controller.windowBytes).toBe(minimumWindow(SIZE));
    ack(controller, 1_001, 0, { smoothedRttMs: 1 });
    ack(controller, 1_002, 20 * SIZE, { smoothedRttMs: 1 });
    expect(controller.windowBytes).toBe(1.5 * minimumWindow(SIZE));
  });

  it('is in slow start up to 0.7 of it after persistent congestion, and on a new curve from there', () => {
    const { controller, peak } = cut(500, 1_000);
    ack(controller, 2_000, 0);
    const before = reachTarget(controller, 4_000);
    controller.onPersistentCongestion();
    expect(controller.windowBytes).toBe(minimumWindow(SIZE));
    const threshold = 0.7 * before;
    ack(controller, 4_100, threshold - minimumWindow(SIZE) - 1);
    expect([controller.windowBytes, controller.isInSlowStart]).toEqual([threshold - 1, true]);
    ack(controller, 4_200, 1);
    expect(controller.isInSlowStart).toBe(false);
    ack(controller, 90_000, 0);
    expect(reachTarget(controller, 93_000)).toBeCloseTo(curve(peak, threshold, 3_000), 3);
  });

  it('begins its curve at its own size if slow start ended below any peak', () => {
    const controller = new Cubic(SIZE);
    const threshold = 0.7 * controller.windowBytes;
    controller.onPersistentCongestion();
    ack(controller, 1_000, threshold - minimumWindow(SIZE));
    expect([controller.windowBytes, controller.isInSlowStart]).toEqual([threshold, false]);
    ack(controller, 2_000, 0);
    expect(reachTarget(controller, 3_500)).toBeCloseTo(curve(threshold, threshold, 1_500), 3);
  });

  it('keeps what it has gained when a cut is undone, and a packet undoes it only once', () => {
    const { controller, peak } = cut(500, 1_000);
    ack(controller, 2_000, 0);
    const higher = reachTarget(controller, 10_000);
    expect(higher).toBeGreaterThan(peak);
    controller.onSpuriousLoss(10_100, 999);
    expect(controller.windowBytes).toBe(higher);
    lose(controller, 11_000);
    controller.onSpuriousLoss(11_100, 10_999);
    controller.onSpuriousLoss(11_200, 10_999);
    expect(controller.windowBytes).toBe(higher);
  });
});
