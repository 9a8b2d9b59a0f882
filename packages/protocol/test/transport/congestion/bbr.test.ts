import { describe, expect, it } from 'vitest';
import { Bbr } from '../../../src/transport/congestion/bbr/bbr.js';
import { MaxFilter } from '../../../src/transport/congestion/bbr/max-filter.js';
import { emptyAckSample, emptyLossSample } from '../../../src/transport/congestion/controller.js';
import { DeliveryRate } from '../../../src/transport/recovery/delivery-rate.js';
import { PacketKind, PacketLog } from '../../../src/transport/recovery/packet-log.js';

const SIZE = 1200;
const WANDER_PERIOD_MS = 300;

/** A sender that always has more to send, a bottleneck with a queue, and the controller, in virtual time. */
class Path {
  readonly controller: Bbr;
  readonly log = new PacketLog();
  readonly rates = new DeliveryRate(this.log);
  now = 0;
  delivered = 0;
  lost = 0;
  /** The round trip that was measured last. */
  latestRttMs = 0;
  bytesPerMs = 1000;
  lossChance = 0;
  /** How far the delay swings to either side. */
  wanderMs = 0;
  readonly queueMs: number;
  readonly baseMs = 50;
  #inFlight: { n: number; sentAt: number; arrivesAt: number; isLost: boolean }[] = [];
  #bytesInFlight = 0;
  #busyUntil = 0;
  #credit = 0;
  #minRttMs = Number.POSITIVE_INFINITY;
  #windowLimitedAt = -1;
  #random = 7;

  constructor(queueMs = 50) {
    this.queueMs = queueMs;
    this.controller = new Bbr(SIZE, () => this.#fraction());
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now++) {
      this.#receive();
      this.#send();
    }
  }

  get throughput(): number {
    return this.delivered / this.now;
  }

  #send(): void {
    this.#credit = Math.min(this.#credit + this.controller.pacingRate, 20 * this.controller.pacingRate);
    for (; this.#credit >= SIZE; this.#credit -= SIZE) {
      if (this.#bytesInFlight + SIZE > this.controller.windowBytes) {
        this.#windowLimitedAt = this.now;
        return;
      }
      this.#bytesInFlight += SIZE;
      const n = this.log.push(this.now, SIZE, PacketKind.ackEliciting);
      this.rates.onPacketSent(this.now, n, SIZE, this.#bytesInFlight);
      this.controller.onPacketSent(this.now, SIZE, this.#bytesInFlight);
      const start = Math.max(this.#busyUntil, this.now);
      const isDropped = start - this.now > this.queueMs || this.#fraction() < this.lossChance;
      if (!isDropped) this.#busyUntil = start + SIZE / this.bytesPerMs;
      const wanderedMs = this.wanderMs * Math.sin((2 * Math.PI * start) / WANDER_PERIOD_MS);
      const arrivesAt = start + this.baseMs + wanderedMs;
      this.#inFlight.push({ n, sentAt: this.now, arrivesAt, isLost: isDropped });
    }
  }

  #receive(): void {
    const arrived = this.#inFlight.filter(({ arrivesAt }) => arrivesAt <= this.now);
    if (arrived.length === 0) return;
    this.#inFlight = this.#inFlight.filter(({ arrivesAt }) => arrivesAt > this.now);
    this.rates.beginAck();
    let ackedBytes = 0;
    let newestSentAt = 0;
    for (const { n, sentAt, isLost } of arrived.reverse()) {
      if (isLost) continue;
      this.rates.onPacketAcknowledged(this.now, n);
      this.#bytesInFlight -= SIZE;
      ackedBytes += SIZE;
      this.delivered += SIZE;
      newestSentAt = Math.max(newestSentAt, sentAt);
    }
    for (const { n, sentAt, isLost } of arrived.reverse()) if (isLost) this.#lose(n, sentAt);
    for (const { n } of arrived) this.log.acknowledge(n);
    this.log.forget(this.now);
    if (ackedBytes === 0) return;
    this.latestRttMs = this.now - newestSentAt;
    this.#minRttMs = Math.min(this.#minRttMs, this.latestRttMs);
    this.rates.endAck(this.#minRttMs);
    const { sample } = this.rates;
    this.controller.onAck({
      ...emptyAckSample(),
      now: this.now,
      ackedBytes,

      bytesInFlight: this.#bytesInFlight,
      newestSentAt,
      hasRttSample: true,
      latestRttMs: this.latestRttMs,
      smoothedRttMs: this.latestRttMs,
      minRttMs: this.#minRttMs,
      windowLimited: this.#windowLimitedAt > this.now - this.latestRttMs,
      deliveryRate: sample.deliveryRate,
      deliveredBytes: sample.deliveredBytes,
      priorDeliveredBytes: sample.priorDeliveredBytes,
      totalDeliveredBytes: this.rates.deliveredBytes,
      bytesInFlightAtSend: sample.bytesInFlightAtSend,
      lostSinceSendBytes: sample.lostSinceBytes,
      rateApplicationLimited: sample.applicationLimited,
    });
  }

  #lose(n: number, sentAt: number): void {
    this.lost++;
    this.#bytesInFlight -= SIZE;
    this.rates.onPacketLost(n);
    this.controller.onPacketLost({
      ...emptyLossSample(),
      now: this.now,
      packetNumber: n,
      bytes: SIZE,
      sentAt,
      bytesInFlightAtSend: this.rates.bytesInFlightAtSend(n),
      lostSinceSendBytes: this.rates.lostSinceBytes(n),
      totalDeliveredBytes: this.rates.deliveredBytes,
    });
  }

  #fraction(): number {
    this.#random = (Math.imul(this.#random, 1103515245) + 12345) >>> 0;
    return this.#random / 2 ** 32;
  }
}

/** A controller that gets one ACK per round trip, which acknowledges a whole flight. */
class Rounds {
  static readonly bytesPerMs = 1000;
  readonly controller = new Bbr(SIZE, () => 0.5);
  readonly #flightBytes = Rounds.bytesPerMs * 50;
  #round = 0;

  /** Acknowledges a flight. `flights` is how many flights remain in flight, and `lostShare` the share of one that was
   *  lost since the newest packet was sent. */
  acknowledge({ flights = 1, lostShare = 0 }): void {
    const deliveredBytes = this.#flightBytes;
    const priorDeliveredBytes = this.#round * deliveredBytes;
    this.#round++;
    this.controller.onAck({
      ...emptyAckSample(),
      now: this.#round * 50,
      ackedBytes: deliveredBytes,
      bytesInFlight: flights * deliveredBytes,
      bytesInFlightAtSend: flights * deliveredBytes,
      lostSinceSendBytes: lostShare * deliveredBytes,
      hasRttSample: true,
      latestRttMs: 50,
      minRttMs: 50,
      deliveryRate: Rounds.bytesPerMs,
      deliveredBytes,
      priorDeliveredBytes,
      totalDeliveredBytes: priorDeliveredBytes + deliveredBytes,
    });
  }

  lose(share: number): void {
    this.controller.onPacketLost({
      ...emptyLossSample(),
      now: this.#round * 50,
      bytes: SIZE,
      bytesInFlightAtSend: this.#flightBytes,
      lostSinceSendBytes: share * this.#flightBytes,
      totalDeliveredBytes: this.#round * this.#flightBytes,
    });
  }
}

describe('BBR (spec congestion 4)', () => {
  it('finds the bandwidth within a second and keeps the pipe full', () => {
    const path = new Path();
    path.run(1_000);
    const before = path.delivered;
    path.run(9_000);
    expect((path.delivered - before) / 9_000).toBeGreaterThan(0.93 * path.bytesPerMs);
  });

  it('does not fill a long queue', () => {
    const path = new Path(500);
    path.run(3_000);
    let total = 0;
    for (let i = 0; i < 500; i++) {
      path.run(20);
      total += path.latestRttMs;
    }
    expect(total / 500).toBeLessThan(2 * path.baseMs);
  });

  it.each([0.01, 0.03, 0.1])(
    'is not slowed down by a random loss of %f (spec congestion 4.3)',
    (lossChance) => {
      const path = new Path();
      path.lossChance = lossChance;
      path.run(10_000);
      expect(path.throughput).toBeGreaterThan(0.8 * (1 - lossChance) * path.bytesPerMs);
    },
  );

  it.each([0, 0.01, 0.1])(
    'does not mistake a wandering delay for a queue at a random loss of %f (spec congestion 4.3)',
    (lossChance) => {
      const path = new Path(100);
      path.lossChance = lossChance;
      path.wanderMs = 30;
      path.run(10_000);
      expect(path.throughput).toBeGreaterThan(0.8 * (1 - lossChance) * path.bytesPerMs);
    },
  );

  it('notices a queue that exceeds the wander of the delay (spec congestion 4.3)', () => {
    const path = new Path(1_000);
    path.wanderMs = 15;
    path.run(3_000);
    let total = 0;
    for (let i = 0; i < 500; i++) {
      path.run(20);
      total += path.latestRttMs;
    }
    expect(total / 500).toBeLessThan(2 * path.baseMs);
  });

  it('restores its bounds when the losses that lowered them were spurious (§5.5.11)', () => {
    const rounds = new Rounds();
    const { controller } = rounds;
    for (let i = 0; i < 12; i++) rounds.acknowledge({});
    const before = controller.windowBytes;
    rounds.lose(0.8);
    rounds.acknowledge({ lostShare: 0.8 });
    expect(controller.windowBytes).toBeLessThan(0.8 * before);
    controller.onSpuriousLoss();
    for (let i = 0; i < 3; i++) rounds.acknowledge({});
    expect(controller.windowBytes).toBe(before);
  });

  it('looks for the full pipe from the beginning after a spurious loss (§5.5.11)', () => {
    const roundsOfStartup = (spuriousAfter: number): number => {
      const rounds = new Rounds();
      for (let round = 1; round < 20; round++) {
        rounds.acknowledge({});
        if (!rounds.controller.isInSlowStart) return round;
        if (round !== spuriousAfter) continue;
        rounds.lose(0);
        rounds.controller.onSpuriousLoss();
      }
      return Number.POSITIVE_INFINITY;
    };
    // The first round finds a bandwidth, and three more find that it does not grow.
    expect(roundsOfStartup(0)).toBe(4);
    for (const spurious of [1, 2, 3]) expect(roundsOfStartup(spurious)).toBe(spurious + 4);
  });

  it('drains for four rounds at most, even if the bytes in flight do not fall (§5.3.2)', () => {
    const rounds = new Rounds();
    const { controller } = rounds;
    for (let i = 0; i < 20 && controller.isInSlowStart; i++) rounds.acknowledge({ flights: 100 });
    expect(controller.pacingRate).toBeLessThan(0.6 * Rounds.bytesPerMs);
    for (let i = 0; i < 4; i++) rounds.acknowledge({ flights: 100 });
    expect(controller.pacingRate).toBeGreaterThan(0.8 * Rounds.bytesPerMs);
  });

  it('follows a path that becomes slower, and one that becomes faster', () => {
    const path = new Path();
    path.run(5_000);
    path.bytesPerMs = 250;
    path.run(5_000);
    let before = path.delivered;
    path.run(5_000);
    expect((path.delivered - before) / 5_000).toBeGreaterThan(0.8 * 250);
    path.bytesPerMs = 1000;
    path.run(15_000);
    before = path.delivered;
    path.run(5_000);
    expect((path.delivered - before) / 5_000).toBeGreaterThan(0.8 * 1000);
  });

  it('holds back for a moment when the shortest round trip was not confirmed for long (§5.3.4)', () => {
    const path = new Path();
    path.run(3_000);
    // From here on every round trip is longer, as if a competitor kept the queue half full.
    const { controller } = path;
    let held = false;
    Object.assign(path, { baseMs: 80 });
    for (let i = 0; i < 800 && !held; i++) {
      path.run(10);
      held = controller.isHoldingBack;
    }
    expect(held).toBe(true);
  });

  it('returns to its window when persistent congestion turns out to be a late acknowledgement (§5.5.11)', () => {
    const rounds = new Rounds();
    const { controller } = rounds;
    for (let i = 0; i < 12; i++) rounds.acknowledge({});
    const before = controller.windowBytes;
    controller.onPersistentCongestion();
    expect(controller.windowBytes).toBe(4 * SIZE);
    controller.onSpuriousLoss();
    expect(controller.windowBytes).toBe(before);
  });

  it('keeps a window of at least four datagrams (spec congestion 4.6)', () => {
    const controller = new Bbr(SIZE, () => 0.5);
    for (let i = 0; i < 10; i++) controller.onPersistentCongestion();
    expect(controller.windowBytes).toBe(4 * SIZE);
  });
});

describe('a probe for bandwidth', () => {
  it('that ended in losses is followed by a wait of at least 8 s (spec congestion 4.5)', () => {
    const path = new Path(10);
    path.run(4_000);
    const before = path.lost;
    while (path.lost === before && path.now < 60_000) path.run(100);
    expect(path.lost).toBeGreaterThan(before);
    // By now the probe is over, and its queue has drained.
    path.run(1_000);
    const { lost } = path;
    path.run(6_500);
    expect(path.lost).toBe(lost);
  });

  it('ends after three rounds with a standing queue, before it fills a deep one (spec congestion 4.5)', () => {
    const path = new Path(200);
    path.run(4_000);
    let longest = 0;
    while (path.now < 30_000) {
      path.run(10);
      longest = Math.max(longest, path.latestRttMs);
    }
    expect(longest).toBeGreaterThan(path.baseMs + 5);
    expect(longest).toBeLessThan(path.baseMs + 100);
    expect(path.lost).toBe(0);
  });
});

describe('delivery rate (spec recovery 5.4)', () => {
  /** A DeliveryRate that has had `count` packets sent, one per millisecond. */
  function sent(count: number, isLimited = false): DeliveryRate {
    const log = new PacketLog();
    const rates = new DeliveryRate(log);
    if (isLimited) rates.markApplicationLimited(0);
    for (let n = 0; n < count; n++) {
      log.push(n, SIZE, PacketKind.ackEliciting);
      rates.onPacketSent(n, n, SIZE, (n + 1) * SIZE);
    }
    return rates;
  }

  it('is the bytes acknowledged, divided by the time that they took', () => {
    const rates = sent(10);
    for (let n = 0; n < 10; n++) {
      rates.beginAck();
      rates.onPacketAcknowledged(50 + 2 * n, n);
      rates.endAck(50);
    }
    // Ten packets in 68 ms, from when the first was sent until the last was acknowledged.
    expect(rates.sample.deliveryRate).toBeCloseTo((10 * SIZE) / 68, 6);
  });

  it('counts what was acknowledged since the packet was sent, and no losses from before it', () => {
    const log = new PacketLog();
    const rates = new DeliveryRate(log);
    const send = (now: number) => {
      const n = log.push(now, SIZE, PacketKind.ackEliciting);
      rates.onPacketSent(now, n, SIZE, SIZE);
      return n;
    };
    const acknowledge = (now: number, n: number) => {
      rates.beginAck();
      rates.onPacketAcknowledged(now, n);
      rates.endAck(50);
    };
    const [first, lost] = [send(0), send(1)];
    acknowledge(60, first);
    rates.onPacketLost(lost);
    // The path is idle from here to the next packet.
    const [second, third] = [send(100), send(110)];
    acknowledge(160, second);
    acknowledge(170, third);
    expect(rates.sample).toMatchObject({
      priorDeliveredBytes: SIZE,
      deliveredBytes: 2 * SIZE,
      lostSinceBytes: 0,
    });
  });

  it('is unknown over less than the shortest round trip', () => {
    const rates = sent(1);
    rates.beginAck();
    rates.onPacketAcknowledged(20, 0);
    rates.endAck(50);
    expect(rates.sample.deliveryRate).toBe(0);
  });

  it('is marked if there was nothing more to send', () => {
    const rates = sent(1, true);
    rates.beginAck();
    rates.onPacketAcknowledged(60, 0);
    rates.endAck(50);
    expect(rates.sample.applicationLimited).toBe(true);
    expect(rates.isApplicationLimited).toBe(false);
  });
});

describe('MaxFilter', () => {
  it('returns the greatest recent value, and the newest value if all are old', () => {
    const filter = new MaxFilter(2);
    filter.update(10, 0);
    filter.update(5, 1);
    expect(filter.max).toBe(10);
    filter.update(3, 2);
    expect(filter.max).toBe(5);
    filter.expire(9);
    expect(filter.max).toBe(3);
  });

  it('forgets a value that is too old as soon as there is another one, however low', () => {
    const filter = new MaxFilter(2);
    filter.update(10, 0);
    filter.expire(5);
    expect(filter.max).toBe(10);
    filter.update(3, 5);
    expect(filter.max).toBe(3);
    filter.update(2, 5);
    expect(filter.max).toBe(3);
    filter.update(4, 5);
    expect(filter.max).toBe(4);
  });
});
