import { describe, expect, it } from 'vitest';
import { DEFAULT_TRANSPORT } from '../../src/transport/config.js';
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
      parts.tail.onPacketSent(now, 0, 100, true);
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
});
