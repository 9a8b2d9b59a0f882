import { describe, expect, it } from 'vitest';
import { DEFAULT_TRANSPORT } from '../../src/transport/config.js';
import type { AckSample, LossSample } from '../../src/transport/congestion/controller.js';
import { TAIL_REPEAT_UNSURE_MS } from '../../src/transport/limits.js';
import { composeParts } from '../../src/transport/parts.js';
import { PathFeedback } from '../../src/transport/path-feedback.js';
import { PeerBudgets } from '../../src/transport/peer-budgets.js';
import { PacketKind } from '../../src/transport/recovery/packet-log.js';

const LIMITS = { applicationLimited: false, windowLimitedAt: 0 };

function setup(limits = LIMITS) {
  const random = (length: number) => new Uint8Array(length);
  const parts = composeParts('client', DEFAULT_TRANSPORT, random, new PeerBudgets(), () => {});
  const feedback = new PathFeedback(parts, limits);
  const send = (now: number, bytes: number, kind: PacketKind) => {
    const packetNumber = parts.recovery.onPacketSent(now, bytes, kind);
    parts.rates.onPacketSent(now, packetNumber, bytes, parts.recovery.bytesInFlight);
  };
  const acknowledge = (now: number, low: number, high: number) => {
    const ack = {
      rangeCount: 1,
      rangeLow: Float64Array.of(low),
      rangeHigh: Float64Array.of(high),
      ackDelayUnits: 0,
    };
    const outcome = parts.recovery.onAck(now, ack);
    feedback.handle(now, outcome);
    return outcome;
  };
  return { parts, feedback, send, acknowledge };
}

describe('PathFeedback', () => {
  it('does not count a lost probe of the MTU search as a loss (spec mtu 2.2)', () => {
    const { parts, send, acknowledge } = setup();
    send(1000, 1472, PacketKind.mtuProbe);
    for (let i = 0; i < 3; i++) send(1001, 1200, PacketKind.ackEliciting);
    expect(acknowledge(1080, 1, 3).lost).toEqual([0]);
    expect(parts.rates.lostBytes).toBe(0);
    expect(parts.rates.sample).toMatchObject({ lostSinceBytes: 0, deliveredBytes: 3600 });
  });

  it('reports with each lost packet how many bytes were lost since it was sent, including itself', () => {
    const { parts, send, acknowledge } = setup();
    const seen: number[] = [];
    parts.congestion.onPacketLost = (loss) => seen.push(loss.lostSinceSendBytes);
    for (let i = 0; i < 5; i++) send(1000, 1200, PacketKind.ackEliciting);
    acknowledge(1100, 4, 4);
    expect(seen).toEqual([1200, 2400]);
    expect(parts.rates.sample.lostSinceBytes).toBe(2400);
  });

  it('has the end of bursts repeated for a minute after a loss (spec recovery 8)', () => {
    const { parts, send, acknowledge } = setup();
    const isRepeated = (now: number): boolean => {
      parts.tail.onPacketSent(now, 0, 100, true, true);
      const { dueAt } = parts.tail;
      parts.tail.cancel();
      return dueAt !== Number.POSITIVE_INFINITY;
    };
    expect(isRepeated(1000)).toBe(true);
    expect(isRepeated(70_000)).toBe(false);
    for (let i = 0; i < 5; i++) send(70_000 + i, 1200, PacketKind.ackEliciting);
    expect(acknowledge(70_050, 4, 4).lost).toEqual([0, 1]);
    expect(isRepeated(70_050 + TAIL_REPEAT_UNSURE_MS - 10)).toBe(true);
    expect(isRepeated(70_050 + TAIL_REPEAT_UNSURE_MS)).toBe(false);
  });

  it('tells the controller whether the window held packets back within the last round trip', () => {
    const limits = { applicationLimited: false, windowLimitedAt: 0 };
    const { parts, send, acknowledge } = setup(limits);
    const seen: boolean[] = [];
    parts.congestion.onAck = (sample) => seen.push(sample.windowLimited);
    for (let i = 0; i < 3; i++) send(1000, 1200, PacketKind.ackEliciting);
    limits.windowLimitedAt = 1020;
    acknowledge(1100, 0, 0);
    acknowledge(1120, 0, 1);
    limits.windowLimitedAt = 1000;
    acknowledge(1130, 0, 2);
    expect(seen).toEqual([true, true, false]);
  });

  it('learns nothing about a new path from packets that were sent over the old one (spec path 4)', () => {
    const { parts, feedback, send, acknowledge } = setup();
    for (let i = 0; i < 5; i++) send(1000 + i, 1200, PacketKind.ackEliciting);
    parts.recovery.onNewPath();
    feedback.restart(1050);
    const before = { ...parts.rates.sample };
    acknowledge(1080, 4, 4);
    expect(parts.rates.sample).toEqual(before);
    expect(parts.rates).toMatchObject({ deliveredBytes: 0, lostBytes: 0 });
  });

  it('tells the controller what is in flight after the ACK, without what it acknowledges', () => {
    const { parts, send, acknowledge } = setup();
    const seen: [number, number][] = [];
    parts.congestion.onAck = (sample) => seen.push([sample.ackedBytes, sample.bytesInFlight]);
    for (let i = 0; i < 5; i++) send(1000 + i, 1200, PacketKind.ackEliciting);
    acknowledge(1080, 0, 1);
    acknowledge(1081, 0, 4);
    expect(seen).toEqual([
      [2400, 3600],
      [3600, 0],
    ]);
  });

  it('passes everything that an ACK shows to the controller', () => {
    const limits = { applicationLimited: false, windowLimitedAt: -1_000 };
    const { parts, send, acknowledge } = setup(limits);
    const seen: AckSample[] = [];
    parts.congestion.onAck = (sample) => seen.push({ ...sample });
    for (let i = 0; i < 4; i++) send(1000 + i, 1200, PacketKind.ackEliciting);
    acknowledge(1100, 0, 1);
    parts.rates.markApplicationLimited(2400);
    limits.applicationLimited = true;
    for (let i = 0; i < 3; i++) send(1110 + i, 1000, PacketKind.ackEliciting);
    acknowledge(1220, 6, 6);
    expect(seen).toHaveLength(2);
    expect(seen[0]).toEqual({
      now: 1100,
      ackedBytes: 2400,
      bytesInFlight: 2400,
      newestSentAt: 1001,
      hasRttSample: true,
      smoothedRttMs: 99,
      latestRttMs: 99,
      minRttMs: 99,
      applicationLimited: false,
      windowLimited: false,
      deliveryRate: 2400 / 100,
      deliveredBytes: 2400,
      priorDeliveredBytes: 0,
      totalDeliveredBytes: 2400,
      bytesInFlightAtSend: 2400,
      lostSinceSendBytes: 0,
      rateApplicationLimited: false,
    });
    // Packets 2 and 3 are lost, and 4 and 5 are still in flight.
    expect(seen[1]).toEqual({
      now: 1220,
      ackedBytes: 1000,
      bytesInFlight: 2000,
      newestSentAt: 1112,
      hasRttSample: true,
      smoothedRttMs: expect.closeTo((7 * 99 + 108) / 8, 6),
      latestRttMs: 108,
      minRttMs: 99,
      applicationLimited: true,
      windowLimited: false,
      deliveryRate: 1000 / 120,
      deliveredBytes: 1000,
      priorDeliveredBytes: 2400,
      totalDeliveredBytes: 3400,
      bytesInFlightAtSend: 2400 + 3000,
      lostSinceSendBytes: 2400,
      rateApplicationLimited: true,
    });
  });

  it('passes everything about a lost packet to the controller', () => {
    const { parts, send, acknowledge } = setup();
    const seen: LossSample[] = [];
    parts.congestion.onPacketLost = (loss) => seen.push({ ...loss });
    send(1000, 1200, PacketKind.ackEliciting);
    send(1001, 40, PacketKind.quiet);
    send(1002, 1100, PacketKind.ackEliciting);
    parts.rates.markApplicationLimited(2300);
    for (let i = 0; i < 4; i++) send(1003 + i, 1000, PacketKind.ackEliciting);
    acknowledge(1100, 6, 6);
    expect(seen.map(({ packetNumber }) => packetNumber)).toEqual([0, 2, 3]);
    expect(seen[0]).toEqual({
      now: 1100,
      packetNumber: 0,
      bytes: 1200,
      sentAt: 1000,
      bytesInFlightAtSend: 1200,
      lostSinceSendBytes: 1200,
      rateApplicationLimited: false,
      totalDeliveredBytes: 1000,
    });
    expect(seen[2]).toMatchObject({
      sentAt: 1003,
      bytes: 1000,
      bytesInFlightAtSend: 3300,
      lostSinceSendBytes: 3300,
      rateApplicationLimited: true,
    });
  });

  it('reports spurious losses and persistent congestion to the controller, each when it is found', () => {
    const { parts, send, acknowledge } = setup();
    const seen: unknown[] = [];
    parts.congestion.onSpuriousLoss = (now, sentAt) => seen.push(['spurious', now, sentAt]);
    parts.congestion.onPersistentCongestion = (now) => seen.push(['persistent', now]);
    for (let i = 0; i < 5; i++) send(1000 + i, 1200, PacketKind.ackEliciting);
    acknowledge(1100, 4, 4);
    expect(seen).toEqual([]);
    acknowledge(1105, 0, 1);
    expect(seen.splice(0)).toEqual([['spurious', 1105, 1001]]);
    for (let i = 0; i < 30; i++) send(1200 + 100 * i, 1200, PacketKind.ackEliciting);
    acknowledge(4200, 34, 34);
    expect(seen).toEqual([['persistent', 4200]]);
  });

  it('marks what is in flight as limited while the controller holds back on purpose', () => {
    const { parts, send, acknowledge } = setup();
    let isHoldingBack = false;
    Object.defineProperty(parts.congestion, 'isHoldingBack', { get: () => isHoldingBack });
    for (let i = 0; i < 3; i++) send(1000, 1200, PacketKind.ackEliciting);
    acknowledge(1100, 0, 0);
    expect(parts.rates.isApplicationLimited).toBe(false);
    isHoldingBack = true;
    acknowledge(1101, 0, 1);
    expect(parts.rates.isApplicationLimited).toBe(true);
  });

  it('passes on every size of a full datagram, from a refusal or the search, and the base on a new path', () => {
    const { parts, feedback, send, acknowledge } = setup();
    const seen: number[] = [];
    const watch = () => {
      parts.congestion.onDatagramBytes = (bytes) => seen.push(bytes);
    };
    watch();
    parts.pacer.onDatagramBytes = (bytes) => seen.push(-bytes);
    const base = feedback.datagramBytes;
    Object.defineProperty(parts.mtu, 'datagramBytes', { configurable: true, value: base + 160 });
    send(1000, 1200, PacketKind.ackEliciting);
    acknowledge(1100, 0, 0);
    expect([seen.splice(0), feedback.datagramBytes]).toEqual([[base + 160, -base - 160], base + 160]);
    feedback.handleTooLarge(1101, base + 160);
    expect(seen).toEqual([]);
    Object.defineProperty(parts.mtu, 'datagramBytes', { configurable: true, value: base });
    feedback.handleTooLarge(1102, base + 160);
    expect([seen.splice(0), feedback.datagramBytes]).toEqual([[base, -base], base]);
    const { congestion } = parts;
    feedback.restart(1103);
    expect(parts.congestion).not.toBe(congestion);
  });
});
