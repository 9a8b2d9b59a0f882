import { describe, expect, it } from 'vitest';
import {
  type CongestionController,
  initialWindow,
  minimumWindow,
} from '../../../src/transport/congestion/controller.js';
import { Pacer } from '../../../src/transport/congestion/pacer.js';

const SIZE = 1200;

function controller(of: Partial<CongestionController>): CongestionController {
  return { windowBytes: 0, isInSlowStart: false, pacingRate: undefined, ...of } as CongestionController;
}

/** How many bytes may leave before there is something to wait for. */
function burst(pacer: Pacer): number {
  let bytes = 0;
  for (; pacer.delayMs === 0; bytes += SIZE) pacer.onPacketSent(SIZE);
  return bytes;
}

describe('the rate of the pacer (spec recovery 6)', () => {
  it.each([
    ['that of the controller', { pacingRate: 700, windowBytes: 1 }, 50, 700],
    ['a quarter more than a window per round trip', { windowBytes: 40_000 }, 50, 1_000],
    ['two windows per round trip in slow start', { windowBytes: 40_000, isInSlowStart: true }, 50, 1_600],
    ['finite on a path without a delay', { windowBytes: 40_000 }, 0, 5_000_000],
  ])('is %s', (_what, of, smoothedRttMs, bytesPerMs) => {
    const pacer = new Pacer(SIZE);
    pacer.update(0, 0, controller(of), smoothedRttMs);
    expect(pacer.bytesPerMs).toBeCloseTo(bytesPerMs, 6);
  });
});

describe('the bucket of the pacer (spec recovery 6)', () => {
  it('begins with ten datagrams', () => {
    const pacer = new Pacer(SIZE);
    pacer.update(0, 0, controller({ pacingRate: 1 }), 50);
    expect(burst(pacer)).toBe(10 * SIZE);
  });

  it('holds what leaves in 4 ms if that is more than ten datagrams', () => {
    const pacer = new Pacer(SIZE);
    pacer.update(1_000, 0, controller({ pacingRate: 30 * SIZE }), 50);
    expect(burst(pacer)).toBe(120 * SIZE);
  });

  it('fills with the time, and waits until there are two datagrams in it', () => {
    const pacer = new Pacer(SIZE);
    const paced = controller({ pacingRate: SIZE / 10 });
    pacer.update(1_000, 0, paced, 50);
    expect(burst(pacer)).toBe(10 * SIZE);
    expect(pacer.delayMs).toBeCloseTo(20, 9);
    pacer.update(1_009, 0, paced, 50);
    expect(pacer.delayMs).toBeCloseTo(11, 9);
    pacer.update(1_011, 0, paced, 50);
    expect(pacer.delayMs).toBe(0);
    pacer.onPacketSent(2 * SIZE); // overdrawn
    expect(pacer.delayMs).toBeCloseTo(29, 9);
  });

  it('does not fill, and loses nothing, if it is asked for an earlier time', () => {
    const pacer = new Pacer(SIZE);
    const paced = controller({ pacingRate: SIZE });
    pacer.update(1_000, 0, paced, 50);
    pacer.update(900, 0, paced, 50);
    expect(pacer.delayMs).toBe(0);
    pacer.update(1_000, 0, paced, 50);
    expect(burst(pacer)).toBe(10 * SIZE);
  });

  it('counts in datagrams of the current size', () => {
    const pacer = new Pacer(SIZE);
    pacer.onDatagramBytes(2 * SIZE);
    pacer.update(1_000, 0, controller({ pacingRate: SIZE }), 50);
    pacer.onPacketSent(18 * SIZE);
    expect(pacer.delayMs).toBe(0);
    pacer.onPacketSent(SIZE);
    expect(pacer.delayMs).toBe(3);
  });
});

describe('windows in datagrams (RFC 9002 §7.2)', () => {
  it.each([
    [1_200, 12_000, 2_400],
    [1_472, 14_720, 2_944],
    [1_473, 14_720, 2_946],
    [9_000, 18_000, 18_000],
  ])('for datagrams of %i bytes begin with %i and have at least %i', (bytes, initial, minimum) => {
    expect(initialWindow(bytes)).toBe(initial);
    expect(minimumWindow(bytes)).toBe(minimum);
  });
});
