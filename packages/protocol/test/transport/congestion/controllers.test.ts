import { describe, expect, it } from 'vitest';
import {
  type AckSample,
  type CongestionController,
  emptyAckSample,
  emptyLossSample,
  initialWindow,
  minimumWindow,
} from '../../../src/transport/congestion/controller.js';
import { Cubic } from '../../../src/transport/congestion/cubic.js';
import { NewReno } from '../../../src/transport/congestion/new-reno.js';
import { Pacer } from '../../../src/transport/congestion/pacer.js';

const SIZE = 1200;

function ack(now: number, ackedBytes: number, more: Partial<AckSample> = {}): AckSample {
  return {
    ...emptyAckSample(),
    now,
    ackedBytes,
    newestSentAt: now - 50,
    smoothedRttMs: 50,
    latestRttMs: 50,
    minRttMs: 50,
    ...more,
  };
}

function lose(controller: CongestionController, now: number, sentAt: number): void {
  controller.onPacketLost({ ...emptyLossSample(), now, bytes: SIZE, sentAt });
}

/** Simulates a round trip in which the whole window is acknowledged, one datagram after the other. */
function round(controller: CongestionController, now: number): void {
  const window = controller.windowBytes;
  for (let acked = 0; acked + SIZE <= window; acked += SIZE) controller.onAck(ack(now, SIZE));
}

describe.each([
  ['NewReno', () => new NewReno(SIZE), 0.5],
  ['CUBIC', () => new Cubic(SIZE), 0.7],
] as const)('%s (spec recovery 5.2)', (_, create, factor) => {
  it('starts at the initial window and doubles each round trip until the first loss', () => {
    const controller = create();
    expect(controller.windowBytes).toBe(initialWindow(SIZE));
    round(controller, 1000);
    expect(controller.windowBytes).toBe(2 * initialWindow(SIZE));
    expect(controller.isInSlowStart).toBe(true);
  });

  it('cuts once per round trip, and does not grow before the round is over', () => {
    const controller = create();
    round(controller, 1000);
    const before = controller.windowBytes;
    lose(controller, 1100, 1060);
    expect(controller.windowBytes).toBe(before * factor);
    lose(controller, 1101, 1099);
    controller.onAck(ack(1120, SIZE, { newestSentAt: 1090 }));
    expect(controller.windowBytes).toBe(before * factor);
    lose(controller, 1160, 1110);
    expect(controller.windowBytes).toBeLessThan(before * factor);
  });

  it('does not grow while the application is what limits sending', () => {
    const controller = create();
    controller.onAck(ack(1000, 10 * SIZE, { applicationLimited: true }));
    expect(controller.windowBytes).toBe(initialWindow(SIZE));
  });

  it('undoes a cut whose loss was spurious', () => {
    const controller = create();
    round(controller, 1000);
    const before = controller.windowBytes;
    lose(controller, 1100, 1060);
    controller.onSpuriousLoss(1110, 1060);
    expect(controller.windowBytes).toBe(before);
  });

  it('keeps a cut when a packet that caused an earlier one is acknowledged after all', () => {
    const controller = create();
    round(controller, 1000);
    lose(controller, 1100, 1060);
    lose(controller, 1200, 1150);
    const after = controller.windowBytes;
    controller.onSpuriousLoss(1210, 1060);
    expect(controller.windowBytes).toBe(after);
    controller.onSpuriousLoss(1220, 1150);
    expect(controller.windowBytes).toBeGreaterThan(after);
  });

  it('is at its first window until something was sent after a cut and acknowledged, to the millisecond', () => {
    const controller = create();
    round(controller, 1000);
    lose(controller, 1100, 1060);
    const after = controller.windowBytes;
    lose(controller, 1101, 1100);
    controller.onAck(ack(1150, 20 * SIZE, { newestSentAt: 1100 }));
    expect(controller.windowBytes).toBe(after);
    controller.onAck(ack(1151, 2 * controller.windowBytes, { newestSentAt: 1101 }));
    expect(controller.windowBytes).toBeGreaterThan(after);
    lose(controller, 1160, 1101);
    expect(controller.windowBytes).toBeLessThan(0.9 * after);
  });

  it.each([
    ['sent when the cut before was made', 1100, false],
    ['sent after that', 1101, true],
    ['sent when this cut was made', 1200, true],
    ['sent after this cut', 1201, false],
  ])('undoes a cut because of a packet %s: %i', (_when, sentAt, isUndone) => {
    const controller = create();
    round(controller, 1000);
    lose(controller, 1100, 1060);
    const before = controller.windowBytes;
    lose(controller, 1200, 1150);
    controller.onSpuriousLoss(1210, sentAt);
    expect(controller.windowBytes).toBe(isUndone ? before : before * factor);
  });

  it('undoes a cut once, and keeps what was gained since', () => {
    const controller = create();
    round(controller, 1000);
    const before = controller.windowBytes;
    lose(controller, 1100, 1060);
    controller.onSpuriousLoss(1110, 1060);
    expect([controller.windowBytes, controller.isInSlowStart]).toEqual([before, true]);
    lose(controller, 1200, 1150);
    controller.onPersistentCongestion();
    controller.onSpuriousLoss(1220, 1150);
    expect(controller.windowBytes).toBe(minimumWindow(SIZE));
  });

  it('starts over with slow start after persistent congestion, and the next loss cuts it again', () => {
    const controller = create();
    for (let i = 0; i < 4; i++) round(controller, 1000 + i);
    const peak = controller.windowBytes;
    lose(controller, 1100, 1060);
    controller.onPersistentCongestion();
    expect(controller.isInSlowStart).toBe(true);
    controller.onAck(ack(1150, SIZE, { newestSentAt: 1090 }));
    expect(controller.windowBytes).toBe(3 * SIZE);
    for (let i = 0; i < 10 && controller.isInSlowStart; i++) round(controller, 1200 + 50 * i);
    expect(controller.windowBytes).toBeGreaterThan(0.4 * peak);
    const before = controller.windowBytes;
    lose(controller, 1900, 1890);
    expect(controller.windowBytes).toBe(before * factor);
  });

  it('has at least the minimum window for the size of a full datagram, and counts in it', () => {
    const controller = create();
    controller.onPersistentCongestion();
    controller.onDatagramBytes(1400);
    expect(controller.windowBytes).toBe(minimumWindow(1400));
    controller.onDatagramBytes(1200);
    expect(controller.windowBytes).toBe(minimumWindow(1400));
    controller.onDatagramBytes(1400);
    for (let i = 0; i < 10; i++) lose(controller, 2000 + i * 100, 1999 + i * 100);
    expect(controller.windowBytes).toBe(minimumWindow(1400));
  });

  it('falls to the minimum on persistent congestion, and never below it (spec recovery 5.3)', () => {
    const controller = create();
    controller.onPersistentCongestion();
    expect(controller.windowBytes).toBe(minimumWindow(SIZE));
    for (let i = 0; i < 10; i++) lose(controller, 2000 + i * 100, 1999 + i * 100);
    expect(controller.windowBytes).toBe(minimumWindow(SIZE));
  });
});

describe('NewReno', () => {
  it('adds one datagram per round trip after a loss', () => {
    const controller = new NewReno(SIZE);
    round(controller, 1000);
    lose(controller, 1100, 1060);
    const before = controller.windowBytes;
    round(controller, 1200);
    expect(controller.windowBytes).toBe(before + SIZE);
  });

  it('carries what was acknowledged beyond one window over to the next, and no further than a cut', () => {
    const controller = new NewReno(SIZE);
    round(controller, 1000);
    lose(controller, 1100, 1060);
    const before = controller.windowBytes;
    controller.onAck(ack(1200, before - 1));
    expect(controller.windowBytes).toBe(before);
    controller.onAck(ack(1201, 2 * SIZE + 1));
    expect(controller.windowBytes).toBe(before + SIZE);
    controller.onAck(ack(1202, before - 2 * SIZE));
    expect(controller.windowBytes).toBe(before + SIZE);
    controller.onAck(ack(1203, SIZE));
    expect(controller.windowBytes).toBe(before + 2 * SIZE);
    controller.onAck(ack(1204, controller.windowBytes - 1));
    lose(controller, 1300, 1250);
    const cut = controller.windowBytes;
    controller.onAck(ack(1400, cut - 1, { newestSentAt: 1350 }));
    expect(controller.windowBytes).toBe(cut);
  });

  it('adds a datagram of the current size', () => {
    const controller = new NewReno(SIZE);
    lose(controller, 1100, 1060);
    controller.onDatagramBytes(1400);
    const before = controller.windowBytes;
    controller.onAck(ack(1200, before));
    expect(controller.windowBytes).toBe(before + 1400);
  });
});

describe('CUBIC (RFC 9438)', () => {
  it('is back at its peak after K seconds, flat there, and then grows beyond it', () => {
    const controller = new Cubic(SIZE);
    for (let i = 0; i < 5; i++) round(controller, 1000 + i);
    const peak = controller.windowBytes;
    lose(controller, 1100, 1060);
    const k = Math.cbrt((peak * 0.3) / SIZE / 0.4);
    let at = 1200;
    let atPeak = 0;
    for (; at < 1200 + 2000 * k; at += 50) {
      round(controller, at);
      if (atPeak === 0 && at >= 1200 + 1000 * k) atPeak = controller.windowBytes;
    }
    expect(atPeak / peak).toBeGreaterThan(0.95);
    expect(atPeak / peak).toBeLessThan(1.15);
    expect(controller.windowBytes).toBeGreaterThan(1.2 * peak);
  });

  it('spreads its growth over the round trip: an acknowledged datagram adds at most half of one (§4.2, §4.4)', () => {
    const controller = new Cubic(SIZE);
    for (let i = 0; i < 5; i++) round(controller, 1000 + i);
    lose(controller, 1100, 1060);
    for (let at = 1200; at < 30_000; at += 500) {
      const before = controller.windowBytes;
      controller.onAck(ack(at, SIZE));
      expect(controller.windowBytes - before).toBeLessThanOrEqual(SIZE / 2);
    }
    const before = controller.windowBytes;
    round(controller, 31_000);
    expect(controller.windowBytes).toBeLessThan(1.7 * before);
    expect(controller.windowBytes).toBeGreaterThan(1.3 * before);
  });

  it('grows as Reno would where the round trip is short, by 9/17 of a datagram a round up to its peak (§4.3)', () => {
    const cubic = new Cubic(SIZE);
    const rttMs = 5;
    let now = 1000;
    const rounds = (count: number) => {
      for (let n = 0; n < count; n++) {
        const window = cubic.windowBytes;
        now += rttMs;
        for (let acked = 0; acked + SIZE <= window; acked += SIZE) {
          cubic.onAck(ack(now, SIZE, { newestSentAt: now - rttMs, smoothedRttMs: rttMs }));
        }
      }
    };
    rounds(2);
    const peak = cubic.windowBytes;
    lose(cubic, now, now - 1);
    now += rttMs;
    const cut = cubic.windowBytes;
    rounds(10);
    // The rest of a window that is no whole datagram is not acknowledged here.
    expect((cubic.windowBytes - cut) / SIZE).toBeCloseTo((10 * 9) / 17, 0);
    expect(cubic.windowBytes).toBeLessThan(peak);
    rounds(20);
    const beyond = cubic.windowBytes;
    expect(beyond).toBeGreaterThan(peak);
    rounds(10);
    expect((cubic.windowBytes - beyond) / SIZE).toBeGreaterThan(9);
  });

  it('leaves slow start when HyStart++ says so, without a cut', () => {
    const controller = new Cubic(SIZE);
    let now = 1000;
    for (let i = 0; i < 10 && controller.isInSlowStart; i++) {
      const rttMs = 50 + 10 * i;
      now += rttMs;
      const window = controller.windowBytes;
      const delivered = i * 1_000_000;
      for (let acked = 0; acked + SIZE <= window; acked += SIZE) {
        controller.onAck(
          ack(now, SIZE, {
            hasRttSample: true,
            latestRttMs: rttMs,
            minRttMs: 50,
            priorDeliveredBytes: acked === 0 ? delivered : delivered - 1,
            totalDeliveredBytes: delivered + 1_000_000,
          }),
        );
      }
      expect(controller.windowBytes).toBeGreaterThanOrEqual(window);
    }
    expect(controller.isInSlowStart).toBe(false);
    const before = controller.windowBytes;
    round(controller, now + 50);
    expect(controller.windowBytes).toBeGreaterThan(before);
    expect(controller.windowBytes).toBeLessThan(1.6 * before);
  });

  it('counts from the end of a pause, however often the application was what limited it (§5.8)', () => {
    const grown = (pauses: number): number => {
      const controller = new Cubic(SIZE);
      for (let i = 0; i < 4; i++) round(controller, 1000 + i);
      lose(controller, 1100, 1060);
      let now = 1200;
      for (let i = 0; i < 20; i++) {
        now += 50;
        round(controller, now);
        for (let k = 0; k < 3 && i < pauses; k++) {
          now += k === 0 ? 1 : 1000;
          controller.onAck(ack(now, SIZE, { applicationLimited: true }));
        }
      }
      return controller.windowBytes;
    };
    expect(grown(10) / grown(0)).toBeGreaterThan(0.9);
    expect(grown(10) / grown(0)).toBeLessThan(1.1);
  });

  it('does not jump after the application has been idle (§5.8)', () => {
    const controller = new Cubic(SIZE);
    for (let i = 0; i < 4; i++) round(controller, 1000 + i);
    lose(controller, 1100, 1060);
    round(controller, 1200);
    const before = controller.windowBytes;
    controller.onAck(ack(1250, SIZE, { applicationLimited: true }));
    controller.onAck(ack(61_250, SIZE));
    expect(controller.windowBytes).toBeLessThan(before * 1.1);
  });
});

describe('Pacer (spec recovery 6)', () => {
  it('permits a burst, and then spreads the window over the round trip', () => {
    const controller = new NewReno(SIZE);
    lose(controller, 0, 0);
    const pacer = new Pacer(SIZE);
    let now = 1000;
    let sent = 0;
    while (now < 2000) {
      pacer.update(now, 0, controller, 100);
      if (pacer.delayMs === 0) {
        pacer.onPacketSent(SIZE);
        sent += SIZE;
      } else {
        now += pacer.delayMs;
      }
    }
    const rate = (1.25 * controller.windowBytes) / 100;
    expect(sent).toBeGreaterThan(rate * 1000 * 0.95);
    expect(sent).toBeLessThan(rate * 1000 + 12 * SIZE);
  });

  /**
   * The bytes that may leave at once after `idleMs`. The sender wanted to send for the last `lateMs` of that time, and had
   * saved up nothing before it.
   */
  function burst(idleMs: number, lateMs: number): number {
    const controller = { ...new NewReno(SIZE), pacingRate: 1_000, windowBytes: 0, isInSlowStart: false };
    const pacer = new Pacer(SIZE);
    pacer.update(1000, 0, controller as unknown as CongestionController, 100);
    pacer.onPacketSent(10 * SIZE);
    pacer.update(1000 + idleMs, lateMs, controller as unknown as CongestionController, 100);
    let bytes = 0;
    while (pacer.delayMs === 0) {
      pacer.onPacketSent(SIZE);
      bytes += SIZE;
    }
    return bytes;
  }

  it('catches up after a sender was not run (spec recovery 6: "at most 20 ms of it")', () => {
    expect(burst(16, 15)).toBeCloseTo(16_000, -3.5);
    expect(burst(100, 20) / SIZE).toBeCloseTo(26, 0);
    expect(burst(100, 99)).toBe(burst(100, 20));
  });

  it('saves nothing up for a sender that had nothing to send (spec recovery 6)', () => {
    expect(burst(100, 0)).toBe(10 * SIZE);
  });
});
