import { describe, expect, it } from 'vitest';
import { InflightBounds } from '../../../../src/transport/congestion/bbr/inflight-bounds.js';
import {
  type AckSample,
  emptyAckSample,
  emptyLossSample,
  type LossSample,
} from '../../../../src/transport/congestion/controller.js';

const SIZE = 1_000;
const NONE = Number.POSITIVE_INFINITY;

const loss = (packetNumber: number, more: Partial<LossSample> = {}): LossSample => ({
  ...emptyLossSample(),
  packetNumber,
  bytes: SIZE,
  ...more,
});
const ack = (more: Partial<AckSample> = {}): AckSample => ({ ...emptyAckSample(), ...more });

/** Passes an ACK through, as Bbr does. */
function pass(bounds: InflightBounds, sample: AckSample, isQuiet = false): void {
  bounds.beginAck(sample, isQuiet);
  if (bounds.isLossRoundStart) bounds.endLossRound();
  bounds.endAck(sample);
}

describe('a loss round (§5.5.10)', () => {
  it('counts runs of lost packets, and ends with a packet that was sent after its first loss was found', () => {
    const bounds = new InflightBounds();
    for (const n of [5, 6, 7, 9, 12, 13]) bounds.noteLoss(loss(n, { totalDeliveredBytes: 9_000 }));
    expect([bounds.lossEvents, bounds.hasLostInRound]).toEqual([3, true]);
    pass(bounds, ack({ priorDeliveredBytes: 8_999, totalDeliveredBytes: 10_000 }));
    expect([bounds.isLossRoundStart, bounds.lossEvents]).toEqual([false, 3]);
    pass(bounds, ack({ priorDeliveredBytes: 9_000, totalDeliveredBytes: 11_000 }));
    expect([bounds.isLossRoundStart, bounds.lossEvents, bounds.hasLostInRound]).toEqual([true, 0, false]);
    pass(bounds, ack({ priorDeliveredBytes: 10_999 }));
    expect(bounds.isLossRoundStart).toBe(false);
    // A run may continue over its end.
    bounds.noteLoss(loss(14));
    expect(bounds.lossEvents).toBe(0);
    bounds.noteLoss(loss(0));
    expect(bounds.lossEvents).toBe(1);
  });

  it('remembers the most that was delivered within a round trip, since it began', () => {
    const bounds = new InflightBounds();
    bounds.noteLoss(loss(0, { totalDeliveredBytes: 5_000 }));
    for (const deliveredBytes of [4_000, 9_000, 6_000]) {
      pass(bounds, ack({ deliveredBytes, priorDeliveredBytes: 0 }));
    }
    expect(bounds.latestBytes).toBe(9_000);
    pass(bounds, ack({ deliveredBytes: 3_000, priorDeliveredBytes: 5_000, totalDeliveredBytes: 8_000 }));
    expect(bounds.latestBytes).toBe(3_000);
    bounds.resetSignals();
    expect([bounds.latestBytes, bounds.hasLostInRound]).toEqual([0, false]);
  });
});

describe('the short-term bounds (§5.5.10.3)', () => {
  /** Bounds of a round in which this was delivered, at this rate. */
  function adapted(deliveredBytes: number, deliveryRate: number): InflightBounds {
    const bounds = new InflightBounds();
    bounds.beginAck(ack({ deliveredBytes, deliveryRate, priorDeliveredBytes: -1 }), false);
    bounds.adaptShortTerm(1_000, 100_000);
    return bounds;
  }

  it('fall to what was delivered, but to no less than 0.7 of what they were', () => {
    const high = adapted(90_000, 950);
    expect([high.shortTermBytes, high.shortTermBandwidth]).toEqual([90_000, 950]);
    const low = adapted(10_000, 100);
    expect([low.shortTermBytes, low.shortTermBandwidth]).toEqual([70_000, 700]);
    low.adaptShortTerm(5_000, 500_000);
    expect([low.shortTermBytes, low.shortTermBandwidth].map(Math.round)).toEqual([49_000, 490]);
    low.resetShortTerm();
    expect([low.shortTermBytes, low.shortTermBandwidth]).toEqual([NONE, NONE]);
  });
});

describe('spurious losses (§5.5.11)', () => {
  it('restore all bounds from before them, unless these are higher by now', () => {
    const bounds = new InflightBounds();
    Object.assign(bounds, { longTermBytes: 100_000, shortTermBytes: 90_000, shortTermBandwidth: 900 });
    bounds.noteLoss(loss(3));
    bounds.noteLoss(loss(4));
    Object.assign(bounds, { longTermBytes: 50_000, shortTermBytes: 95_000, shortTermBandwidth: 500 });
    bounds.noteLoss(loss(9));
    bounds.undo();
    expect(bounds).toMatchObject({ longTermBytes: 100_000, shortTermBytes: 95_000, shortTermBandwidth: 900 });
    expect(bounds.hasLostInRound).toBe(false);
  });
});

describe('the long-term bound (§5.5.10.2)', () => {
  it('falls to what was in flight, but to no less than 0.7 of what we would like to have', () => {
    const bounds = new InflightBounds();
    bounds.onInflightTooHigh(60_000, 50_000);
    expect(bounds.longTermBytes).toBe(60_000);
    bounds.onInflightTooHigh(20_000, 50_000);
    expect(bounds.longTermBytes).toBe(35_000);
  });

  it('leaves a share to others: 15 %, at least a datagram, and no more than leaves the minimum', () => {
    const bounds = new InflightBounds();
    expect(bounds.withHeadroom(SIZE, 4_000)).toBe(NONE);
    for (const [longTermBytes, expected] of [
      [100_000, 85_000],
      [5_500, 4_500],
      [4_500, 4_000],
    ] as const) {
      bounds.longTermBytes = longTermBytes;
      expect(bounds.withHeadroom(SIZE, 4_000)).toBe(expected);
    }
  });

  it('is where the losses passed the threshold, within the packet that was lost', () => {
    const bounds = new InflightBounds();
    const at = (bytesInFlightAtSend: number, lostSinceSendBytes: number) =>
      bounds.inflightAtLoss(loss(0, { bytesInFlightAtSend, lostSinceSendBytes }));
    // 2 % of 50,000 bytes were lost before it.
    expect(at(51_000, 2_000)).toBe(50_000);
    expect(at(51_000, 9_000)).toBe(50_000);
    expect(at(51_000, 1_000)).toBeCloseTo(50_000 + 1_000 / 0.98);
  });
});

describe('losses that show congestion (spec congestion 4.3)', () => {
  /** Whether this many of 1000 packets in flight are too many. */
  const judge = (bounds: InflightBounds, lost: number, isQueueing: boolean) => {
    const sample = ack({ bytesInFlightAtSend: 1_000 * SIZE, lostSinceSendBytes: lost * SIZE });
    return [bounds.isTooHigh(sample, isQueueing, SIZE), bounds.isCongested(sample, isQueueing, SIZE)];
  };
  /** Bounds that have seen this many of 100 packets lost without a queue, again and again. */
  function learned(lostOf100: number): InflightBounds {
    const bounds = new InflightBounds();
    for (let i = 0; i < 200; i++) {
      for (let n = 0; n < lostOf100; n++) bounds.noteLoss(loss(2 * n));
      const ackedBytes = (100 - lostOf100) * SIZE;
      pass(bounds, ack({ ackedBytes, bytesInFlightAtSend: 100 * SIZE }), true);
    }
    return bounds;
  }

  it('are more than the noise of the path next to a queue, and more than half of everything without one', () => {
    const noisy = learned(10);
    expect(judge(noisy, 110, true)).toEqual([false, false]);
    expect(judge(noisy, 400, true)).toEqual([true, true]);
    expect(judge(noisy, 400, false)).toEqual([false, false]);
    expect(judge(noisy, 700, false)).toEqual([true, true]);
    const quiet = learned(0);
    expect(judge(quiet, 10, true)[0]).toBe(false);
    expect(judge(quiet, 60, true)).toEqual([true, true]);
  });

  it('teach nothing about the noise if they met a queue', () => {
    const bounds = learned(0);
    for (let i = 0; i < 200; i++) {
      for (let n = 0; n < 10; n++) bounds.noteLoss(loss(2 * n));
      pass(bounds, ack({ ackedBytes: 90 * SIZE, bytesInFlightAtSend: 100 * SIZE }), false);
    }
    expect(judge(bounds, 110, true)).toEqual([true, true]);
  });
});
