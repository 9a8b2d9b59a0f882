import { describe, expect, it } from 'vitest';
import { PathModel, PROBE_RTT_INTERVAL_MS } from '../../../../src/transport/congestion/bbr/path-model.js';
import { type AckSample, emptyAckSample } from '../../../../src/transport/congestion/controller.js';

const FLIGHT = 10_000;

/** A model that gets one ACK per round. */
class Rounds {
  readonly model = new PathModel();
  now = 0;
  #delivered = 0;

  /** One round with this round trip. */
  round(latestRttMs: number, more: Partial<AckSample> = {}, isDraining = false): void {
    this.now += latestRttMs;
    const sample: AckSample = {
      ...emptyAckSample(),
      now: this.now,
      ackedBytes: FLIGHT,
      deliveredBytes: FLIGHT,
      priorDeliveredBytes: this.#delivered,
      totalDeliveredBytes: this.#delivered + FLIGHT,
      hasRttSample: true,
      latestRttMs,
      deliveryRate: 100,
      ...more,
    };
    this.#delivered += FLIGHT;
    this.model.updateRound(sample);
    this.model.updateBandwidth(sample);
    this.model.updateMinRtt(sample, isDraining);
  }
}

describe('rounds (§5.5.1)', () => {
  it('begin with the first ACK of a packet that was sent after the last one began', () => {
    const { model } = new Rounds();
    const ack = (priorDeliveredBytes: number, totalDeliveredBytes: number): boolean => {
      model.updateRound({ ...emptyAckSample(), priorDeliveredBytes, totalDeliveredBytes });
      return model.isRoundStart;
    };
    expect([ack(0, 1_000), ack(999, 1_500), ack(1_000, 2_000), ack(1_999, 2_500)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(model.rounds).toBe(2);
    model.startRound(5_000);
    expect([ack(4_999, 6_000), ack(5_000, 7_000)]).toEqual([false, true]);
  });
});

describe('the bandwidth (§5.5.5)', () => {
  it('is the highest of this probing cycle and the last', () => {
    const rounds = new Rounds();
    for (const deliveryRate of [100, 80]) rounds.round(50, { deliveryRate });
    expect(rounds.model.maxBandwidth).toBe(100);
    rounds.model.advanceCycle();
    rounds.round(50, { deliveryRate: 70 });
    expect(rounds.model.maxBandwidth).toBe(100);
    rounds.model.advanceCycle();
    expect(rounds.model.maxBandwidth).toBe(70);
  });

  it('counts a sample that the application limited only if it is the highest, and none of 0', () => {
    const rounds = new Rounds();
    rounds.round(50, { deliveryRate: 100 });
    rounds.model.advanceCycle();
    rounds.round(50, { deliveryRate: 90, rateApplicationLimited: true });
    rounds.round(50, { deliveryRate: 0 });
    rounds.model.advanceCycle();
    rounds.round(50, { deliveryRate: 60 });
    expect(rounds.model.maxBandwidth).toBe(60);
    rounds.round(50, { deliveryRate: 60, rateApplicationLimited: true });
    rounds.round(50, { deliveryRate: 130, rateApplicationLimited: true });
    expect(rounds.model.maxBandwidth).toBe(130);
  });
});

describe('a queue (spec congestion 4.3)', () => {
  it('shows in a round trip that exceeds the shortest by more than a sixteenth and 4 ms, for two rounds', () => {
    for (const [min, long, isLong] of [
      [160, 170, false],
      [160, 171, true],
      [20, 24, false],
      [20, 25, true],
    ] as const) {
      const rounds = new Rounds();
      rounds.round(min);
      rounds.round(long, {}, true);
      expect([min, long, rounds.model.isQueueing]).toEqual([min, long, isLong]);
      rounds.round(min, {}, true);
      expect(rounds.model.isQueueing).toBe(isLong);
      rounds.round(min, {}, true);
      expect(rounds.model.isQueueing).toBe(false);
    }
  });

  it('is not what a packet met whose round trip is about the shortest', () => {
    const rounds = new Rounds();
    rounds.round(160);
    expect([160, 170, 171].map((ms) => rounds.model.isQuiet(ms))).toEqual([true, true, false]);
  });

  it('is standing while each round has only long round trips', () => {
    const rounds = new Rounds();
    rounds.round(100, {}, true);
    for (let i = 0; i < 4; i++) rounds.round(150, {}, true);
    expect(rounds.model.standingRounds).toBe(3);
    rounds.round(100, {}, true);
    rounds.round(150, {}, true);
    expect(rounds.model.standingRounds).toBe(0);
  });
});

describe('the shortest round trip (§5.5.7)', () => {
  it('is to be measured again when nothing has confirmed it for 5 s', () => {
    const rounds = new Rounds();
    rounds.round(100);
    const measuredAt = rounds.now;
    while (rounds.now + 110 <= measuredAt + PROBE_RTT_INTERVAL_MS) {
      rounds.round(110);
      expect(rounds.model.isProbeRttDue).toBe(false);
    }
    rounds.round(110);
    expect([rounds.model.isProbeRttDue, rounds.model.minRttMs]).toEqual([true, 100]);
    rounds.model.onProbeRttDone(rounds.now);
    rounds.round(110);
    expect(rounds.model.isProbeRttDue).toBe(false);
  });

  it('is confirmed by a round trip of up to 2 % more', () => {
    for (const [ms, isConfirmed] of [
      [102, true],
      [103, false],
    ] as const) {
      const rounds = new Rounds();
      rounds.round(100);
      let wasDue = false;
      while (rounds.now < 6_000) {
        rounds.round(ms);
        wasDue ||= rounds.model.isProbeRttDue;
      }
      expect([ms, wasDue]).toEqual([ms, !isConfirmed]);
    }
  });

  it('falls at once, and rises after ten seconds in which it was not measured', () => {
    const rounds = new Rounds();
    for (const ms of [100, 80, 90]) rounds.round(ms);
    expect(rounds.model.minRttMs).toBe(80);
    const from = rounds.now;
    while (rounds.now < from + 9_000) rounds.round(130);
    expect(rounds.model.minRttMs).toBe(80);
    while (rounds.now < from + 11_000) rounds.round(130);
    expect(rounds.model.minRttMs).toBe(130);
  });
});

describe('what is acknowledged in bursts (§5.5.9)', () => {
  const ack = (now: number, ackedBytes: number) => ({ ...emptyAckSample(), now, ackedBytes });

  it('is what came beyond the bandwidth, up to the window', () => {
    const model = new PathModel();
    model.updateAggregation(ack(100, 1_000), 10, 50_000, true);
    expect(model.extraAckedBytes).toBe(1_000);
    model.updateAggregation(ack(150, 4_000), 10, 50_000, true);
    expect(model.extraAckedBytes).toBe(5_000 - 500);
    // By now, the bandwidth explains everything.
    model.updateAggregation(ack(700, 100), 10, 50_000, true);
    model.updateAggregation(ack(701, 90_000), 10, 50_000, true);
    expect(model.extraAckedBytes).toBe(50_000);
  });

  it('is measured again after a pause, in which nothing can be acknowledged', () => {
    const model = new PathModel();
    model.updateAggregation(ack(0, 5_000), 10, 50_000, true);
    model.restartAggregation(100);
    model.updateAggregation(ack(100, 2_000), 10, 50_000, true);
    expect(model.extraAckedBytes).toBe(5_000);
    model.updateAggregation(ack(100, 4_000), 10, 50_000, true);
    expect(model.extraAckedBytes).toBe(6_000);
  });

  it('counts for the current round only while the pipe is not full', () => {
    const rounds = new Rounds();
    rounds.round(50);
    rounds.model.updateAggregation(ack(0, 5_000), 10, 50_000, false);
    rounds.round(50);
    rounds.model.updateAggregation(ack(1_000, 100), 10, 50_000, false);
    expect(rounds.model.extraAckedBytes).toBe(100);
    rounds.model.updateAggregation(ack(1_000, 900), 10, 50_000, true);
    rounds.round(50);
    rounds.model.updateAggregation(ack(5_000, 100), 10, 50_000, true);
    expect(rounds.model.extraAckedBytes).toBe(1_000);
  });
});
