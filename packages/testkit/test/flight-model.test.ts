import { FlightModel, type PacketView } from '@underpass/testkit';
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
  flight.onAck(3_000, { ranges: LATE, delayMs: 0 });
  expect([flight.latestMs, flight.ackedAt, flight.newlyAcknowledged]).toEqual([3_000, 3_000, [4]]);
});

it('takes none if the sender has forgotten the packet', () => {
  const flight = flightWithLoss();
  flight.onSent({ at: 2_900 }, { packetNumber: 5, isAckEliciting: true } as PacketView);
  flight.onAck(3_000, { ranges: [[5, 5]], delayMs: 0 });
  flight.onAck(3_010, { ranges: LATE, delayMs: 0 });
  expect([flight.latestMs, flight.newlyAcknowledged]).toEqual([100, []]);
});

it('counts the late acknowledgement of a lost packet once', () => {
  const flight = flightWithLoss();
  flight.onAck(120, { ranges: [[0, 0]], delayMs: 0 });
  expect(flight.newlyAcknowledged).toEqual([0]);
  flight.onAck(130, { ranges: [[0, 0]], delayMs: 0 });
  expect([flight.latestMs, flight.ackedAt]).toEqual([120, 120]);
});
