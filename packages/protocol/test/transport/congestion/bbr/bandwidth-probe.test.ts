import { describe, expect, it } from 'vitest';
import { BandwidthProbe } from '../../../../src/transport/congestion/bbr/bandwidth-probe.js';
import { BoundGrowth } from '../../../../src/transport/congestion/bbr/bound-growth.js';

/** A probe whose random numbers are all the same. */
const probeOf = (fraction: number) => new BandwidthProbe(() => fraction);
const MANY = 1000;

describe('the next probe for bandwidth (spec congestion 4.5)', () => {
  it.each([
    [0, 2_000],
    [0.5, 2_500],
  ])('is due 2 to 3 s after the last one ended (random number %f)', (fraction, ms) => {
    const probe = probeOf(fraction);
    probe.scheduleNext(1_000);
    expect([probe.isDue(1_000 + ms, MANY), probe.isDue(1_001 + ms, MANY)]).toEqual([false, true]);
  });

  it('is due four times as late after one that ended in losses, however many rounds pass', () => {
    const probe = probeOf(0);
    probe.wasTooHigh = true;
    probe.scheduleNext(0);
    for (let i = 0; i < 200; i++) probe.onRound();
    expect([probe.isDue(8_000, 1), probe.isDue(8_001, 1)]).toEqual([false, true]);
  });

  it.each([
    [0.5, 10, 9],
    [0.4, 10, 10],
    [0.4, MANY, 63],
  ])(
    'is due sooner after as many rounds as Reno would need (%f, %i datagrams)',
    (fraction, flight, rounds) => {
      const probe = probeOf(fraction);
      probe.scheduleNext(0);
      for (let i = 0; i < rounds; i++) {
        expect(probe.isDue(1, flight)).toBe(false);
        probe.onRound();
      }
      expect(probe.isDue(1, flight)).toBe(true);
      probe.scheduleNext(1);
      expect(probe.isDue(2, flight)).toBe(false);
    },
  );
});

describe('the course of a probe (§5.3.3)', () => {
  it('has its losses judged from UP until the round after it has ended', () => {
    const probe = probeOf(0);
    probe.startRefill();
    expect(probe.isOnTrial).toBe(false);
    probe.startUp(10, 12_000, 1_200);
    expect([probe.isOnTrial, probe.isEnding]).toEqual([true, false]);
    probe.isEnding = true;
    expect(probe.finish()).toBe(false);
    expect([probe.isOnTrial, probe.isEnding]).toEqual([false, false]);
  });

  it('is repeated at once if it stopped at an earlier bound before too much was lost', () => {
    for (const wasTooHigh of [false, true]) {
      const probe = probeOf(0);
      probe.startRefill();
      probe.endPrecautionary();
      probe.wasTooHigh = wasTooHigh;
      expect(probe.finish()).toBe(!wasTooHigh);
      probe.startRefill();
      expect(probe.finish()).toBe(false);
    }
  });

  it('is forgotten when Startup resumes', () => {
    const probe = probeOf(0);
    probe.startUp(10, 12_000, 1_200);
    probe.isEnding = true;
    probe.forget();
    expect([probe.isOnTrial, probe.isEnding]).toEqual([false, false]);
  });

  it('ends with a queue that has stood for two rounds, three rounds after it began at the soonest (spec congestion 4.5)', () => {
    const probe = probeOf(0);
    probe.startUp(10, 12_000, 1_200);
    const ends = (rounds: number, standing: number) => probe.isQueueStanding(rounds, standing);
    expect([ends(12, 3), ends(13, 1), ends(13, 2), ends(20, 1)]).toEqual([false, false, true, false]);
  });
});

describe('the growth of the long-term bound (§5.3.3.6)', () => {
  const SIZE = 1_000;
  const WINDOW = 8_000;

  it('is one datagram in the first round, and twice as many in each further one', () => {
    const growth = new BoundGrowth();
    expect(growth.onAcked(WINDOW)).toBe(0);
    growth.restart();
    const rounds = Array.from({ length: 5 }, () => {
      growth.steepen(WINDOW, SIZE);
      let steps = 0;
      for (let acked = 0; acked < WINDOW; acked += SIZE) steps += growth.onAcked(SIZE);
      return steps;
    });
    // It never rises by more than what was acknowledged.
    expect(rounds).toEqual([1, 2, 4, 8, 8]);
    growth.restart();
    growth.steepen(WINDOW, SIZE);
    expect([growth.onAcked(WINDOW - 1), growth.onAcked(1), growth.onAcked(3 * WINDOW)]).toEqual([0, 1, 3]);
  });

  it('counts what is left over for the next step, and not for the next probe', () => {
    const growth = new BoundGrowth();
    growth.steepen(WINDOW, SIZE);
    expect([growth.onAcked(WINDOW + 3_000), growth.onAcked(5_000)]).toEqual([1, 1]);
    growth.onAcked(7_000);
    growth.restart();
    growth.steepen(WINDOW, SIZE);
    expect([growth.onAcked(7_999), growth.onAcked(1)]).toEqual([0, 1]);
  });

  it('becomes steeper with each round of the probe, after the ACK that begins it', () => {
    const probe = probeOf(0);
    probe.startRefill();
    probe.startUp(0, WINDOW, SIZE);
    const ack = { ackedBytes: WINDOW / 2 } as never;
    const steps = [true, false, false].map((isStart) => probe.growthFor(ack, isStart, WINDOW, SIZE));
    expect(steps).toEqual([0, 2, 1]);
  });
});
