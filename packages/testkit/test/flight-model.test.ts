import {
  type ArrivedDatagram,
  FlightModel,
  FlightModels,
  type ObservedProcess,
  type PacketView,
  type SentDatagram,
} from '@underpass/testkit';
import { expect, it } from 'vitest';

/** Acknowledges packet 4, which did not ask for it, and packet 0. */
const LATE = [
  [3, 4],
  [0, 0],
] as const;

/** Four packets that ask for an acknowledgement and one that does not, all sent at 0 ms. The acknowledgement of packet 3
 *  declares packet 0 lost. */
function flightWithLoss(): FlightModel {
  const flight = new FlightModel();
  for (let packetNumber = 0; packetNumber < 5; packetNumber++) {
    const packet = { packetNumber, isAckEliciting: packetNumber < 4, isOnlyPing: false, frames: 1 };
    flight.onSent({ at: 0 }, packet as PacketView);
  }
  flight.onAck(100, { ranges: [[3, 3]], delayMs: 0 });
  expect([flight.latestMs, flight.flying.get(0)]).toEqual([100, undefined]);
  return flight;
}

it('takes a sample, but expects nothing of an old one, when a lost packet is acknowledged after all', () => {
  const flight = flightWithLoss();
  flight.onAck(2_000, { ranges: LATE, delayMs: 0 });
  expect([flight.latestMs, flight.ackedAt, flight.newlyAcknowledged]).toEqual([2_000, 2_000, [4]]);
});

it('takes none that is as long as a sleep (spec recovery 2)', () => {
  const flight = flightWithLoss();
  flight.onAck(3_000, { ranges: LATE, delayMs: 0 });
  expect([flight.latestMs, flight.ackedAt]).toEqual([100, 3_000]);
});

it('takes none if the sender has forgotten the packet', () => {
  const flight = flightWithLoss();
  flight.onSent({ at: 2_900 }, { packetNumber: 5, isAckEliciting: true } as PacketView);
  flight.onAck(3_000, { ranges: [[5, 5]], delayMs: 0 });
  flight.onAck(3_010, { ranges: LATE, delayMs: 0 });
  expect([flight.latestMs, flight.newlyAcknowledged]).toEqual([100, []]);
});

it('expects nothing of what was overtaken if the path has changed since', () => {
  const flight = flightWithLoss();
  flight.onNewPath();
  flight.onAck(101, {
    ranges: [
      [3, 4],
      [0, 1],
    ],
    delayMs: 0,
  });
  expect(flight.newlyAcknowledged).toEqual([4]);
});

it('counts the late acknowledgement of a lost packet once', () => {
  const flight = flightWithLoss();
  flight.onAck(120, { ranges: [[0, 0]], delayMs: 0 });
  expect(flight.newlyAcknowledged).toEqual([0]);
  flight.onAck(130, { ranges: [[0, 0]], delayMs: 0 });
  expect([flight.latestMs, flight.ackedAt]).toEqual([120, 120]);
});

it('measures another path from the start, even if an earlier connection proved the path before', () => {
  let proven = { address: '192.0.2.1', port: 1 };
  const models = new FlightModels(() => ({ proven }));
  const by = { timesForgotten: new Map(), nodeOf: () => 'client' } as unknown as ObservedProcess;
  const arrive = (at: number, packet: Partial<PacketView> = {}) => {
    const sent = { by: { node: 'client' }, packet };
    models.before.onArrived?.({ by, at, sent, isFresh: true } as ArrivedDatagram);
  };
  arrive(0);
  models.before.onEvent?.(by, { type: 'disconnected' } as Parameters<
    NonNullable<typeof models.before.onEvent>
  >[1]);
  const packet = { packetNumber: 0, isAckEliciting: true } as PacketView;
  models.after.onSent?.({ by, towards: 'client', packet, at: 10 } as SentDatagram);
  // The ACK arrives together with the proof.
  proven = { address: '203.0.113.7', port: 1 };
  arrive(18, { ack: { ranges: [[0, 0]], delayMs: 0 } });
  const flight = models.of(by, 'client');
  expect([flight.largestAcked, flight.hasSample]).toEqual([0, false]);
});
