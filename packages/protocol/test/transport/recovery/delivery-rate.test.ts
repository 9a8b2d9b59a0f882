import { describe, expect, it } from 'vitest';
import { DeliveryRate } from '../../../src/transport/recovery/delivery-rate.js';
import { PacketKind, PacketLog } from '../../../src/transport/recovery/packet-log.js';

const SIZE = 1200;
const MIN_RTT_MS = 10;

function setUp() {
  const log = new PacketLog();
  const rates = new DeliveryRate(log);
  let bytesInFlight = 0;
  const send = (now: number): number => {
    log.begin();
    bytesInFlight += SIZE;
    const packetNumber = log.push(now, SIZE, PacketKind.ackEliciting);
    rates.onPacketSent(now, packetNumber, SIZE, bytesInFlight);
    return packetNumber;
  };
  const acknowledge = (now: number, ...packetNumbers: number[]): void => {
    rates.beginAck();
    for (const packetNumber of packetNumbers.toReversed()) {
      bytesInFlight -= SIZE;
      rates.onPacketAcknowledged(now, packetNumber);
    }
    rates.endAck(MIN_RTT_MS);
  };
  return { log, rates, send, acknowledge };
}

describe('DeliveryRate', () => {
  it('divides what was delivered since a packet was sent by the longer of the two times (spec recovery 5.4)', () => {
    const { rates, send, acknowledge } = setUp();
    const [first, second, third] = [send(0), send(5), send(6)];
    acknowledge(20, first);
    expect(rates.sample).toMatchObject({
      deliveredBytes: SIZE,
      priorDeliveredBytes: 0,
      deliveryRate: SIZE / 20,
    });
    acknowledge(40, second, third);
    // Sent over 6 ms, acknowledged over 40.
    expect(rates.sample).toMatchObject({ deliveredBytes: 3 * SIZE, deliveryRate: (3 * SIZE) / 40 });
    expect(rates.sample.bytesInFlightAtSend).toBe(3 * SIZE);
  });

  it('has no sample after an ACK that acknowledges nothing new, and repeats nothing of the last one', () => {
    const { rates, send, acknowledge } = setUp();
    const packet = send(0);
    rates.markApplicationLimited(SIZE);
    send(1);
    acknowledge(20, packet);
    expect(rates.sample.deliveryRate).toBeGreaterThan(0);
    acknowledge(21);
    expect(rates.sample).toEqual({
      deliveryRate: 0,
      deliveredBytes: 0,
      priorDeliveredBytes: -1,
      bytesInFlightAtSend: 0,
      lostSinceBytes: 0,
      applicationLimited: false,
    });
  });

  it('gives no rate for an interval below the shortest round trip', () => {
    const { rates, send, acknowledge } = setUp();
    const packet = send(0);
    acknowledge(MIN_RTT_MS - 1, packet);
    expect(rates.sample).toMatchObject({ deliveredBytes: SIZE, deliveryRate: 0 });
  });

  it('marks packets that are sent while there is too little to send, until what was in flight is delivered', () => {
    const { rates, send, acknowledge } = setUp();
    const before = send(0);
    rates.markApplicationLimited(SIZE);
    const limited = send(1);
    expect([before, limited].map((n) => rates.wasApplicationLimited(n))).toEqual([false, true]);
    acknowledge(20, before);
    expect([rates.isApplicationLimited, rates.sample.applicationLimited]).toEqual([true, false]);
    acknowledge(21, limited);
    expect([rates.isApplicationLimited, rates.sample.applicationLimited]).toEqual([false, true]);
  });

  it('counts what was lost since a packet was sent', () => {
    const { rates, send, acknowledge } = setUp();
    const lost = send(0);
    const other = send(1);
    rates.onPacketLost(lost);
    const later = send(2);
    expect([lost, other, later].map((n) => rates.lostSinceBytes(n))).toEqual([SIZE, SIZE, 0]);
    expect(rates.bytesInFlightAtSend(other)).toBe(2 * SIZE);
    acknowledge(20, other);
    expect(rates.sample.lostSinceBytes).toBe(SIZE);
  });
});
