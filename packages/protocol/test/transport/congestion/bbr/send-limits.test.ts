import { describe, expect, it } from 'vitest';
import { FullPipe } from '../../../../src/transport/congestion/bbr/full-pipe.js';
import { InflightBounds } from '../../../../src/transport/congestion/bbr/inflight-bounds.js';
import { PathModel } from '../../../../src/transport/congestion/bbr/path-model.js';
import { SendLimits } from '../../../../src/transport/congestion/bbr/send-limits.js';
import {
  type AckSample,
  emptyAckSample,
  emptyLossSample,
  initialWindow,
} from '../../../../src/transport/congestion/controller.js';

const SIZE = 1_200;
const RTT = 100;
const BANDWIDTH = 1_000;
const FLIGHT = RTT * BANDWIDTH;

/** Limits for a path whose bandwidth and round trip are known, unless `isKnown` is false. */
function setUp({ isFull = true, isKnown = true } = {}) {
  const model = new PathModel();
  const bounds = new InflightBounds();
  const pipe = new FullPipe();
  pipe.isFull = isFull;
  const limits = new SendLimits(SIZE, model, bounds, pipe);
  const sample = (more: Partial<AckSample> = {}): AckSample => ({
    ...emptyAckSample(),
    now: 1_000,
    deliveryRate: BANDWIDTH,
    latestRttMs: RTT,
    hasRttSample: true,
    totalDeliveredBytes: 10 * FLIGHT,
    ...more,
  });
  if (isKnown) {
    model.updateBandwidth(sample());
    model.updateMinRtt(sample(), false);
    limits.updateBandwidth(sample());
  }
  return { model, bounds, pipe, limits, sample };
}

describe('the pacing rate (§5.6.2; spec congestion 4.2)', () => {
  it('is a little below the bandwidth times the gain', () => {
    const { limits } = setUp();
    limits.setPacingRate(0.5);
    expect(limits.pacingRate).toBeCloseTo(0.99 * 0.5 * BANDWIDTH);
  });

  it('only rises until the pipe is full', () => {
    const { limits, pipe } = setUp({ isFull: false });
    limits.setPacingRate(2);
    limits.setPacingRate(1);
    expect(limits.pacingRate).toBeCloseTo(0.99 * 2 * BANDWIDTH);
    pipe.isFull = true;
    limits.setPacingRate(1);
    expect(limits.pacingRate).toBeCloseTo(0.99 * BANDWIDTH);
  });

  it('follows from the first round trip once there is one, and not from later ones', () => {
    const { limits, sample } = setUp({ isKnown: false });
    const guessed = limits.pacingRate;
    limits.updateBandwidth(sample({ hasRttSample: false, latestRttMs: 7 }));
    expect(limits.pacingRate).toBe(guessed);
    limits.updateBandwidth(sample({ latestRttMs: 50 }));
    expect(limits.pacingRate).toBeCloseTo((2.77 * initialWindow(SIZE)) / 50);
    limits.updateBandwidth(sample({ latestRttMs: 500 }));
    expect(limits.pacingRate).toBeCloseTo((2.77 * initialWindow(SIZE)) / 50);
    // Nothing is known about the bandwidth yet, so there is no other rate.
    limits.setPacingRate(1);
    expect(limits.pacingRate).toBeGreaterThan(0);
  });
});

describe('what fills the path', () => {
  it('is the bandwidth times the shortest round trip, or the initial window until both are known', () => {
    expect(setUp().limits.bandwidthDelay(2)).toBe(2 * FLIGHT);
    expect(setUp({ isKnown: false }).limits.bandwidthDelay(2)).toBe(initialWindow(SIZE));
    const { limits } = setUp();
    limits.windowBytes = FLIGHT / 2;
    expect(limits.targetInflight).toBe(FLIGHT / 2);
    limits.windowBytes = 5 * FLIGHT;
    expect(limits.targetInflight).toBe(FLIGHT);
  });

  it('is no more than the short-term bound permits', () => {
    const { limits, bounds, sample } = setUp();
    bounds.shortTermBandwidth = BANDWIDTH / 4;
    limits.updateBandwidth(sample());
    expect([limits.bandwidth, limits.bandwidthDelay(1)]).toEqual([BANDWIDTH / 4, FLIGHT / 4]);
  });

  it('is raised to three batches and to four datagrams, and by two datagrams in UP (§5.6.4.2)', () => {
    const { limits } = setUp();
    limits.pacingRate = 10_000;
    expect([limits.inflightFor('cruise', 1), limits.inflightFor('cruise', 40_000)]).toEqual([30_000, 40_000]);
    expect(limits.inflightFor('up', 40_000)).toBe(40_000 + 2 * SIZE);
    limits.pacingRate = 1;
    expect(limits.inflightFor('cruise', 1)).toBe(3 * 2 * SIZE);
    limits.pacingRate = 1e9;
    expect(limits.inflightFor('cruise', 1)).toBe(3 * 65_536);
  });
});

describe('the window (§5.6.4)', () => {
  it('grows by what is acknowledged, up to twice what fills the path', () => {
    const { limits, sample } = setUp();
    limits.windowBytes = FLIGHT;
    limits.setWindow('cruise', sample({ ackedBytes: 5_000 }));
    expect(limits.windowBytes).toBe(FLIGHT + 5_000);
    limits.setWindow('cruise', sample({ ackedBytes: 5 * FLIGHT }));
    expect(limits.windowBytes).toBe(2 * FLIGHT);
    limits.setWindow('up', sample({ ackedBytes: 5 * FLIGHT }));
    expect(limits.windowBytes).toBe(2.25 * FLIGHT + 2 * SIZE);
    // It falls at once when the target does.
    limits.setWindow('down', sample());
    expect(limits.windowBytes).toBe(2 * FLIGHT);
  });

  it('leaves room for what is acknowledged in bursts, on top of twice what fills the path', () => {
    const { limits, model, sample } = setUp();
    model.updateAggregation(sample({ ackedBytes: 40_000 }), BANDWIDTH, FLIGHT, true);
    limits.windowBytes = 5 * FLIGHT;
    limits.setWindow('cruise', sample());
    expect(limits.windowBytes).toBe(2 * FLIGHT + 40_000);
  });

  it('may exceed that until the pipe is full, but does not grow there', () => {
    const { limits, sample } = setUp({ isFull: false });
    limits.windowBytes = 2 * FLIGHT - 1;
    limits.setWindow('startup', sample({ ackedBytes: 5_000 }));
    limits.setWindow('startup', sample({ ackedBytes: 5_000 }));
    expect(limits.windowBytes).toBe(2 * FLIGHT + 4_999);
    limits.setWindow('startup', sample({ ackedBytes: 5_000, totalDeliveredBytes: 1_000 }));
    expect(limits.windowBytes).toBe(2 * FLIGHT + 9_999);
  });

  it.each([
    ['down', 50_000],
    ['up', 50_000],
    ['refill', 50_000],
    ['cruise', 0.85 * 50_000],
    ['probe-rtt', 0.85 * 50_000],
    ['startup', 2 * FLIGHT],
    ['drain', 2 * FLIGHT],
  ] as const)('keeps to the long-term bound in %s: %i bytes', (state, expected) => {
    const { limits, bounds, sample } = setUp();
    bounds.longTermBytes = 50_000;
    limits.windowBytes = 3 * FLIGHT;
    limits.setWindow(state, sample());
    expect(limits.windowBytes).toBeCloseTo(expected);
  });

  it('keeps to the short-term bound in every state, but has at least four datagrams (spec congestion 4.6)', () => {
    const { limits, bounds, sample } = setUp();
    bounds.shortTermBytes = 30_000;
    for (const state of ['startup', 'drain', 'cruise', 'up'] as const) {
      limits.windowBytes = FLIGHT;
      limits.setWindow(state, sample());
      expect(limits.windowBytes).toBe(30_000);
    }
    bounds.shortTermBytes = 100;
    limits.setWindow('cruise', sample());
    expect(limits.windowBytes).toBe(4 * SIZE);
  });

  it('is half of what fills the path in ProbeRTT', () => {
    const { limits, sample } = setUp();
    limits.windowBytes = FLIGHT;
    limits.setWindow('probe-rtt', sample());
    expect([limits.windowBytes, limits.probeRttWindow]).toEqual([FLIGHT / 2, FLIGHT / 2]);
  });

  it('is what it was before a cut once that is over, and the larger one of two cuts', () => {
    const { limits, bounds } = setUp();
    limits.windowBytes = 90_000;
    limits.save('cruise');
    bounds.noteLoss({ ...emptyLossSample(), bytes: SIZE });
    limits.windowBytes = 50_000;
    limits.save('cruise');
    limits.restore();
    expect(limits.windowBytes).toBe(90_000);
    limits.windowBytes = 95_000;
    limits.restore();
    expect(limits.windowBytes).toBe(95_000);
    limits.windowBytes = 40_000;
    limits.save('probe-rtt');
    limits.restore();
    expect(limits.windowBytes).toBe(90_000);
    bounds.endLossRound();
    limits.windowBytes = 30_000;
    limits.save('cruise');
    limits.windowBytes = 10_000;
    limits.restore();
    expect(limits.windowBytes).toBe(30_000);
  });
});
