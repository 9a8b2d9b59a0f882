/** A client that knows several addresses of its relay, some of which lead nowhere (spec outage 7). */
import { type Address, TransmitBatch } from '@underpass/protocol';
import { createEndpointPair, SeededRandom } from '@underpass/testkit';
import { describe, expect, it } from 'vitest';

const CLIENT: Address = { address: '192.0.2.1', port: 40_000 };
const DEAD: Address = { address: '2001:db8::1', port: 51_820 };
const SLOW: Address = { address: '2001:db8::2', port: 51_820 };
const LIVE: Address = { address: '198.51.100.1', port: 51_820 };
const ONE_WAY_MS = { [LIVE.address]: 10, [SLOW.address]: 200 };

/** A client and a relay that has several addresses, in virtual time. `sentTo` lists where the client's datagrams
 *  went. */
function world() {
  let now = 0;
  const { client, relay, peer } = createEndpointPair(new SeededRandom(3), () => now);
  const batch = new TransmitBatch();
  const sentTo: string[] = [];
  let flights: { at: number; run: () => void }[] = [];
  const fly = (via: Address, run: () => void): void => {
    const delayMs = ONE_WAY_MS[via.address];
    if (delayMs !== undefined) flights.push({ at: now + delayMs, run });
  };
  /** The address at which the relay was reached last. It answers from there. */
  let askedAt = LIVE;
  const turn = (): void => {
    for (const endpoint of [client, relay]) {
      while (endpoint.pollEvent() !== undefined);
      if ((endpoint.pollTimeout()?.at ?? Infinity) <= now) endpoint.handleTimeout(now);
      while (endpoint.pollTransmit(now, batch)) {
        const bytes = batch.buffer.slice(0, batch.lengthBytes);
        const to = batch.to as Address;
        const via = endpoint === client ? to : askedAt;
        if (endpoint === client) sentTo.push(to.address);
        fly(via, () => {
          if (endpoint === relay) client.handleDatagram(now, bytes, via);
          else {
            askedAt = via;
            relay.handleDatagram(now, bytes, CLIENT);
          }
        });
      }
    }
  };
  return {
    peer,
    sentTo,
    relayPeer: () => relay.peers[0],
    now: () => now,
    run(untilMs: number) {
      for (; now < untilMs; now++) {
        const due = flights.filter(({ at }) => at <= now);
        flights = flights.filter(({ at }) => at > now);
        for (const { run } of due) run();
        turn();
      }
    },
  };
}

describe('the addresses of one relay', () => {
  it('are tried with copies of one initiation, and the first to answer is used', () => {
    const { peer, sentTo, run, now, relayPeer } = world();
    peer.setAddress(0, DEAD);
    peer.connect(0);
    run(250);
    expect(sentTo).toEqual([DEAD.address]);
    peer.tryAddress(now(), LIVE);
    run(300);
    expect(peer.stats()).toMatchObject({ connected: true, address: LIVE, handshakes: 1 });
    expect(relayPeer()?.stats()).toMatchObject({ connected: true, handshakes: 1 });
  });

  it('need no challenge if they were tried before and were only slow to answer', () => {
    const { peer, run, now } = world();
    peer.setAddress(0, SLOW);
    peer.connect(0);
    run(250);
    peer.tryAddress(now(), DEAD);
    run(1_000);
    expect(peer.stats()).toMatchObject({ connected: true, address: SLOW, handshakes: 1 });
  });

  it('are tried at once with a handshake message, even while a connection lasts', () => {
    const { peer, sentTo, run, now } = world();
    peer.setAddress(0, LIVE);
    peer.connect(0);
    run(6_000);
    sentTo.length = 0;
    peer.tryAddress(now(), SLOW);
    run(6_001);
    expect(sentTo[0]).toBe(SLOW.address);
    run(8_000);
    expect(peer.stats()).toMatchObject({ address: SLOW, handshakes: 2 });
  });
});
