import { describe, expect, it } from 'vitest';
import { MAX_SENT_PACKETS } from '../../../src/transport/limits.js';
import { PacketKind } from '../../../src/transport/recovery/packet-log.js';
import { type AckRanges, Recovery, type RecoveryOutcome } from '../../../src/transport/recovery/recovery.js';

const MAX_PTO_MS = 10_000;

function ranges(...pairs: [number, number][]): AckRanges {
  return {
    rangeCount: pairs.length,
    rangeHigh: Float64Array.from(pairs, ([, high]) => high),
    rangeLow: Float64Array.from(pairs, ([low]) => low),
    ackDelayUnits: 0,
  };
}

/** Recovery, called as a connection calls it, and everything that it has returned. */
class Watched extends Recovery {
  readonly allAcknowledged: number[] = [];
  readonly allLost: number[] = [];

  override onAck(now: number, ack: AckRanges): RecoveryOutcome {
    const outcome = this.#note(super.onAck(now, ack));
    if (outcome.acknowledged.length > 0) this.forget(now);
    return outcome;
  }
  override handleTimeout(now: number): RecoveryOutcome {
    return this.#note(super.handleTimeout(now));
  }

  #note(outcome: RecoveryOutcome): RecoveryOutcome {
    this.allAcknowledged.push(...outcome.acknowledged);
    this.allLost.push(...outcome.lost);
    return outcome;
  }
}

function setup(packets: number, everyMs = 1): { recovery: Watched } {
  const recovery = new Watched(MAX_PTO_MS);
  for (let i = 0; i < packets; i++) recovery.onPacketSent(1000 + i * everyMs, 1200, PacketKind.ackEliciting);
  return { recovery };
}

describe('Recovery', () => {
  it('declares a packet lost that is three numbers below the largest acknowledged (spec recovery 3.1)', () => {
    const { recovery } = setup(5);
    const outcome = recovery.onAck(1100, ranges([3, 3]));
    expect(outcome).toMatchObject({ acknowledged: [3], lost: [0], ackedBytes: 1200 });
    expect(recovery.bytesInFlight).toBe(3 * 1200);
  });

  it('counts losses among those packets whose loss it notices', () => {
    const { recovery } = setup(5);
    for (let i = 0; i < 5; i++) recovery.onPacketSent(1010, 40, PacketKind.quiet);
    recovery.onAck(1100, ranges([9, 9], [4, 4]));
    expect([recovery.packetsLost, recovery.packetsSent]).toEqual([4, 5]);
  });

  it('sets a timer for packets that only time can declare lost, and declares them lost then (spec recovery 3.1)', () => {
    const { recovery } = setup(3);
    recovery.onAck(1100, ranges([2, 2]));
    const deadline = recovery.pollTimeout();
    expect(deadline).toMatchObject({ reason: 'loss detection' });
    expect(deadline?.at).toBeCloseTo(1000 + (9 / 8) * 98, 5);
    recovery.handleTimeout(deadline?.at ?? 0);
    expect(recovery.allLost).toEqual([0]);
    recovery.handleTimeout(1200);
    expect(recovery.allLost).toEqual([0, 1]);
    expect(recovery.pollTimeout()).toBeUndefined();
  });

  it('probes after the interval of RFC 9002, and doubles it up to the limit (spec recovery 4: "the probe timer MUST run", "MUST NOT exceed 1.5 s")', () => {
    const { recovery } = setup(1);
    const first = recovery.pollTimeout();
    expect(first).toEqual({ at: 1000 + 333 + 4 * 166.5 + 25, reason: 'probe timeout' });
    let at = first?.at ?? 0;
    let interval = at - 1000;
    for (let i = 0; i < 8; i++) {
      recovery.handleTimeout(at);
      expect(recovery.probesDue).toBe(i < 2 ? 2 : 1);
      const next = recovery.pollTimeout()?.at ?? 0;
      expect(next - at).toBeCloseTo(Math.min(2 * interval, MAX_PTO_MS), 6);
      interval = next - at;
      at = next;
    }
    expect(recovery.allLost).toEqual([]);
  });

  it('probes and backs off even if packets are sent all the time (spec recovery 4: "Sending MUST NOT restart the timer")', () => {
    const { recovery } = setup(1);
    const expiries: number[] = [];
    for (let now = 1000; now < 20_000; now += 100) {
      recovery.onPacketSent(now, 1200, PacketKind.ackEliciting);
      for (
        let due = recovery.pollTimeout();
        due !== undefined && due.at <= now + 100;
        due = recovery.pollTimeout()
      ) {
        expiries.push(due.at);
        recovery.handleTimeout(due.at);
        expect(expiries.length).toBeLessThan(20);
      }
    }
    const first = 333 + 4 * 166.5 + 25;
    expect(expiries[0]).toBe(1000 + first);
    const intervals = expiries.slice(1).map((at, i) => at - (expiries[i] as number));
    expect(intervals).toEqual(
      [2 * first, 4 * first, 8 * first].map((ms) => expect.closeTo(Math.min(ms, MAX_PTO_MS), 6)),
    );
  });

  it('counts from the newest packet that was in flight at the last acknowledgement (spec recovery 4)', () => {
    const { recovery } = setup(3, 10);
    recovery.onAck(1100, ranges([0, 0]));
    const { probeTimeoutMs } = recovery.rtt;
    expect(recovery.pollTimeout()).toEqual({ at: 1020 + probeTimeoutMs, reason: 'probe timeout' });
    recovery.onPacketSent(1150, 1200, PacketKind.ackEliciting);
    expect(recovery.pollTimeout()?.at).toBe(1020 + probeTimeoutMs);
    recovery.onAck(1160, ranges([0, 2]));
    expect(recovery.pollTimeout()?.at).toBe(1150 + recovery.rtt.probeTimeoutMs);
    recovery.onAck(1260, ranges([0, 3]));
    expect(recovery.pollTimeout()).toBeUndefined();
    recovery.onPacketSent(5000, 1200, PacketKind.ackEliciting);
    expect(recovery.pollTimeout()?.at).toBe(5000 + recovery.rtt.probeTimeoutMs);
  });

  it('counts from the oldest packet that is left when the ones before it are lost (spec recovery 4: "before the oldest packet still in flight")', () => {
    const { recovery } = setup(3);
    recovery.onAck(1100, ranges([2, 2]));
    recovery.onPacketSent(1110, 1200, PacketKind.ackEliciting);
    recovery.onPacketSent(1112, 1200, PacketKind.ackEliciting);
    recovery.handleTimeout(1120);
    expect(recovery.allLost).toEqual([0, 1]);
    expect(recovery.pollTimeout()).toEqual({
      at: 1110 + recovery.rtt.probeTimeoutMs,
      reason: 'probe timeout',
    });
  });

  it('probes at once when the peer is heard after an expiry, whatever the back-off (spec recovery 4.2)', () => {
    const { recovery } = setup(1);
    for (let i = 0; i < 5; i++) recovery.handleTimeout(recovery.pollTimeout()?.at ?? 0);
    expect(recovery.probesDue).toBe(1);
    recovery.onSignOfLife(100_000);
    expect(recovery.probesDue).toBe(2);
    expect(recovery.ptoCount).toBe(0);
    for (let i = 0; i < 2; i++) recovery.onPacketSent(100_000, 1200, PacketKind.ackEliciting);
    recovery.onSignOfLife(100_000);
    expect(recovery.probesDue).toBe(0);
  });

  it('sets no timer while nothing is in flight', () => {
    const { recovery } = setup(2);
    recovery.onAck(1050, ranges([0, 1]));
    expect(recovery.pollTimeout()).toBeUndefined();
    expect(recovery.bytesInFlight).toBe(0);
  });

  it('raises the packet threshold after a spurious loss (spec recovery 3.3: "would no longer be declared lost")', () => {
    const { recovery } = setup(10, 0);
    recovery.onAck(1100, ranges([5, 5]));
    expect(recovery.allLost).toEqual([0, 1, 2]);
    expect(recovery.onAck(1101, ranges([5, 5], [0, 2])).spuriousLossSentAt).toBe(1000);
    for (let i = 0; i < 10; i++) recovery.onPacketSent(1102, 1200, PacketKind.ackEliciting);
    recovery.onAck(1150, ranges([14, 14], [5, 9]));
    // 3 and 4 are old by now. 10 and 11 are more than three numbers below the largest, but recovery waits for them.
    expect(recovery.allLost).toEqual([0, 1, 2, 3, 4]);
  });

  it('waits longer for missing packets once some were late, up to two round trips (spec recovery 3.3: "longest round trip of a late packet")', () => {
    const { recovery } = setup(3);
    recovery.onAck(1100, ranges([1, 1]));
    // Packet 0 was overtaken and took 105 ms, which is still within 9/8 of a round trip. Packet 3 then takes 140 ms.
    recovery.onAck(1105, ranges([0, 1]));
    recovery.onPacketSent(1200, 1200, PacketKind.ackEliciting);
    recovery.onPacketSent(1200, 1200, PacketKind.ackEliciting);
    recovery.onAck(1300, ranges([4, 4]));
    expect(recovery.onAck(1340, ranges([3, 4])).spuriousLossSentAt).toBe(-1);
    expect(recovery.allLost).toEqual([2]);
    // The next missing packet gets as much time as packet 3 took.
    recovery.onPacketSent(1400, 1200, PacketKind.ackEliciting);
    recovery.onPacketSent(1400, 1200, PacketKind.ackEliciting);
    recovery.onAck(1500, ranges([6, 6]));
    expect(recovery.pollTimeout()?.at).toBe(1400 + 140 + 1);
    // Five to ten seconds later, the threshold is 9/8 of a round trip again.
    recovery.onAck(12_000, ranges([5, 6]));
    recovery.onPacketSent(30_000, 1200, PacketKind.ackEliciting);
    recovery.onPacketSent(30_000, 1200, PacketKind.ackEliciting);
    recovery.onAck(30_100, ranges([8, 8]));
    expect((recovery.pollTimeout()?.at ?? 0) - 30_000).toBeLessThan(120);
  });

  it('refuses an ACK of a packet that was never sent, however large the range (spec streams 2.2)', () => {
    const { recovery } = setup(3);
    expect(recovery.problemOf(ranges([0, 2]))).toBeUndefined();
    expect(recovery.problemOf(ranges([0, 3]))).toBe('ACK of a packet never sent');
    expect(recovery.problemOf(ranges([0, Number.MAX_SAFE_INTEGER]))).toBe('ACK of a packet never sent');
  });

  it('refuses an ACK of a skipped number (spec streams 2.2)', () => {
    const { recovery } = setup(1);
    recovery.log.skip();
    for (let i = 0; i < 4; i++) recovery.onPacketSent(1001, 1200, PacketKind.ackEliciting);
    expect(recovery.problemOf(ranges([5, 5], [0, 1]))).toBe('ACK of a skipped packet number');
    expect(recovery.problemOf(ranges([5, 5], [2, 4], [0, 0]))).toBeUndefined();
  });

  it('finds persistent congestion when all packets over three probe timeouts are lost (spec recovery 5.3)', () => {
    const { recovery } = setup(1);
    recovery.onAck(1010, ranges([0, 0]));
    for (let i = 0; i < 20; i++) recovery.onPacketSent(1020 + i * 100, 1200, PacketKind.ackEliciting);
    expect(recovery.onAck(3100, ranges([20, 20])).persistentCongestion).toBe(true);
  });

  it('starts that span again after a packet that arrived (spec recovery 5.3)', () => {
    const { recovery } = setup(1);
    recovery.onAck(1010, ranges([0, 0]));
    for (let i = 0; i < 20; i++) recovery.onPacketSent(1020 + i * 25, 1200, PacketKind.ackEliciting);
    const outcome = recovery.onAck(1535, ranges([20, 20], [10, 10]));
    expect(recovery.allLost).toHaveLength(18);
    expect(18 * 25).toBeGreaterThan(3 * recovery.rtt.probeTimeoutMs);
    expect(8 * 25).toBeLessThan(3 * recovery.rtt.probeTimeoutMs);
    expect(outcome.persistentCongestion).toBe(false);
  });

  it('does not count time without a key as congestion (spec recovery 7)', () => {
    const { recovery } = setup(1);
    recovery.onAck(1010, ranges([0, 0]));
    for (let i = 0; i < 20; i++) recovery.onPacketSent(1020 + i * 100, 1200, PacketKind.ackEliciting);
    recovery.onSendingResumed(2900);
    recovery.onPacketSent(2950, 1200, PacketKind.ackEliciting);
    expect(recovery.onAck(3100, ranges([21, 21])).persistentCongestion).toBe(false);
  });

  it('remembers a limited number of packets, and forgets acknowledged ones first', () => {
    const { recovery } = setup(MAX_SENT_PACKETS - 1, 0);
    expect(recovery.log.isFull).toBe(true);
    recovery.onAck(1100, ranges([0, MAX_SENT_PACKETS - 2]));
    expect(recovery.log.isFull).toBe(false);
    expect(recovery.log.first).toBe(recovery.log.next);
  });

  it('has room again once a lost packet is old enough, even if nothing is acknowledged any more (spec recovery 3.3)', () => {
    const { recovery } = setup(1);
    while (recovery.hasRoom(1001)) recovery.onPacketSent(1001, 1200, PacketKind.ackEliciting);
    recovery.onAck(1080, ranges([1, recovery.log.next - 1]));
    expect(recovery.ackElicitingInFlight).toBe(0);
    expect(recovery.hasRoom(1080)).toBe(false);
    expect(recovery.log.isFull).toBe(false); // probes and acknowledgements still may
    const deadline = recovery.pollTimeout();
    expect(deadline?.reason).toBe('room for sent packets');
    expect(deadline?.at).toBeLessThan(2_000);
    recovery.handleTimeout(deadline?.at ?? 0);
    expect(recovery.log.first).toBe(recovery.log.next);
    expect(recovery.pollTimeout()).toBeUndefined();
  });

  it('learns nothing about a new path from packets that were sent over the old one (spec path 4: "MUST NOT count for the new path")', () => {
    const { recovery } = setup(5);
    recovery.onAck(1080, ranges([3, 4]));
    expect(recovery.allLost).toEqual([0, 1]);
    recovery.onNewPath();
    const outcome = recovery.onAck(1100, ranges([0, 4]));
    expect(outcome.acknowledged).toContain(0);
    expect(outcome).toMatchObject({ ackedBytes: 0, spuriousLossSentAt: -1, sampledRtt: false });
  });

  it('subtracts the reported delay from a round trip, but never goes below the minimum (spec recovery 2)', () => {
    const { recovery } = setup(3, 0);
    recovery.onAck(1100, ranges([0, 0]));
    expect(recovery.rtt).toMatchObject({ smoothedMs: 100, varianceMs: 50, minMs: 100 });
    recovery.onAck(1110, { ...ranges([1, 1]), ackDelayUnits: 125 * 20 });
    expect(recovery.rtt.smoothedMs).toBeCloseTo((7 * 100 + 110) / 8);
    recovery.onAck(1140, { ...ranges([2, 2]), ackDelayUnits: 125 * 500 });
    expect(recovery.rtt.latestMs).toBe(140);
    expect(recovery.rtt.smoothedMs).toBeCloseTo((7 * 101.25 + 115) / 8);
  });

  it('reports what the path alone took, so that a delayed acknowledgement is not mistaken for a queue (spec congestion 4.3: "ACK delay MUST NOT count as queueing")', () => {
    const { recovery } = setup(3, 0);
    recovery.onAck(1080, ranges([0, 0]));
    recovery.onAck(1107, { ...ranges([1, 1]), ackDelayUnits: 125 * 25 });
    expect(recovery.rtt).toMatchObject({ latestMs: 107, latestOfPathMs: 82 });
    // This delay cannot be true: the path would be shorter than it has ever been.
    recovery.onAck(1090, { ...ranges([2, 2]), ackDelayUnits: 125 * 25 });
    expect(recovery.rtt.latestOfPathMs).toBe(90);
  });

  it('takes the first packet of a new path for one of it, and no earlier one (spec path 4)', () => {
    const { recovery } = setup(2);
    recovery.onNewPath();
    const first = recovery.onPacketSent(1010, 1200, PacketKind.ackEliciting);
    expect([first - 1, first].map((n) => recovery.isOfThisPath(n))).toEqual([false, true]);
    recovery.onPacketSent(1011, 1200, PacketKind.ackEliciting);
    recovery.onAck(1111, ranges([3, 3]));
    // It is late, so the next missing packet gets as much time.
    const outcome = recovery.onAck(1160, ranges([2, 3]));
    expect(outcome).toMatchObject({ acknowledged: [2], spuriousLossSentAt: -1, newestAckedSentAt: 1010 });
    recovery.onPacketSent(1200, 1200, PacketKind.ackEliciting);
    recovery.onPacketSent(1200, 1200, PacketKind.ackEliciting);
    recovery.onAck(1300, ranges([5, 5]));
    expect(recovery.pollTimeout()?.at).toBe(1200 + 150 + 1);
  });

  it('finds the oldest packet in flight, and whether one is larger than a size', () => {
    const { recovery } = setup(0);
    expect([recovery.oldestOutstanding(), recovery.hasInFlightAbove(0)]).toEqual([-1, false]);
    recovery.onPacketSent(1000, 40, PacketKind.quiet);
    recovery.onPacketSent(1000, 1000, PacketKind.ackEliciting);
    recovery.onPacketSent(1000, 1400, PacketKind.mtuProbe);
    recovery.onPacketSent(1000, 1200, PacketKind.ackEliciting);
    expect(recovery.oldestOutstanding()).toBe(1);
    expect([1199, 1200].map((bytes) => recovery.hasInFlightAbove(bytes))).toEqual([true, false]);
    recovery.onAck(1001, ranges([1, 1]));
    expect(recovery.oldestOutstanding()).toBe(2);
    recovery.onAck(1002, ranges([1, 3]));
    expect([recovery.oldestOutstanding(), recovery.hasInFlightAbove(0)]).toEqual([-1, false]);
  });

  it('asks whether packets were lost only for packets that were sent and not acknowledged', () => {
    const { recovery } = setup(2);
    expect([0, 1].map((n) => recovery.isOutstanding(n))).toEqual([true, true]);
    recovery.onAck(1100, ranges([0, 0]));
    expect([0, 1].map((n) => recovery.isOutstanding(n))).toEqual([false, true]);
  });
});
