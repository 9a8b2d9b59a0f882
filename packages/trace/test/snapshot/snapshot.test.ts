import { createEndpointPair, Pair, PERFECT_NETWORK, SeededRandom } from '@underpass/testkit';
import { describe, expect, it } from 'vitest';
import { MAX_SHOWN_STREAMS, snapshotPeer } from '../../src/snapshot/snapshot.js';

function connected() {
  const random = new SeededRandom(1);
  const world: Pair = new Pair({
    network: PERFECT_NETWORK,
    random,
    onEvent: () => {},
    onViolation: (violation) => expect.unreachable(violation),
  });
  const { client, relay, peer } = createEndpointPair(random, () => world.now);
  world.setEndpoint('relay', relay);
  world.setEndpoint('client', client);
  peer.connect(0);
  world.wake('client');
  world.run(100);
  return { world, peer };
}

describe('the snapshot of a peer', () => {
  it('survives JSON', () => {
    const { peer } = connected();
    peer.openStream();
    const snapshot = snapshotPeer('vps', peer, (id) => `target ${id}`);
    // Only what is undefined may be missing afterwards.
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
    expect(snapshot).toMatchObject({
      name: 'vps',
      stats: { connected: true },
      keypairs: [{ slot: 'current' }],
      congestion: { name: 'bbr' },
      streams: [{ id: 0, target: 'target 0' }],
      streamsNotListed: 0,
    });
  });

  it('lists the newest streams, and counts the others', () => {
    const { peer } = connected();
    for (let i = 0; i < MAX_SHOWN_STREAMS + 3; i++) expect(peer.openStream()).toBeDefined();
    const { streams, streamsNotListed } = snapshotPeer('vps', peer, () => undefined);
    expect([streams.length, streamsNotListed]).toEqual([MAX_SHOWN_STREAMS, 3]);
    expect(streams.at(-1)?.id).toBe(2 * (MAX_SHOWN_STREAMS + 2));
  });

  it('has no connection before first contact', () => {
    const random = new SeededRandom(1);
    const { peer } = createEndpointPair(random, () => 0);
    const snapshot = snapshotPeer('vps', peer, () => undefined);
    expect([snapshot.congestion, snapshot.recovery, snapshot.streams]).toEqual([undefined, undefined, []]);
  });
});
