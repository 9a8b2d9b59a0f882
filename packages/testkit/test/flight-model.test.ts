import { FlightModel, type PacketView } from '@underpass/testkit';
import { expect, it } from 'vitest';

/** Four packets that ask for an acknowledgement and one that does not, all sent at 0 ms. The acknowledgement of packet 3
 *  declares packet 0 lost. */
function flightWithLoss(): FlightModel {
  const flight = new FlightModel();
  for (let packetNumber = 0; packetNumber < 5; packetNumber++) {
    const packet = { packetNumber, isAckEliciting: packetNumber < 4, isOnlyPing: false, frames: 1 };
    flight.onSent({ at: 0 }, packet as PacketView);
  }
  flight.onAck(100, { ranges: [[3, 3]], delayMs: 0 });
  expect([flight.latestMs, flight.flying.has(0)]).toEqual([100, false]);
  return flight;
}

it.each([
  ['while the sender remembers the packet', 120, 120],
  ['but not when it may have forgotten it', 1_100, 100],
])('takes a sample when a lost packet is acknowledged after all, %s', (_, at, latestMs) => {
  const flight = flightWithLoss();
  const ranges = [
    [3, 4],
    [0, 0],
  ] as const;
  flight.onAck(at, { ranges, delayMs: 0 });
  expect(flight.latestMs).toBe(latestMs);
  expect(flight.ackedAt).toBe(at);
});

it('counts the late acknowledgement of a lost packet once', () => {
  const flight = flightWithLoss();
  flight.onAck(120, { ranges: [[0, 0]], delayMs: 0 });
  flight.onAck(130, { ranges: [[0, 0]], delayMs: 0 });
  expect([flight.latestMs, flight.ackedAt]).toEqual([120, 120]);
});
