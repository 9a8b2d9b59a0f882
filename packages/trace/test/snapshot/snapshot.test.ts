import type { Peer } from '@underpass/protocol';
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

  it.each([
    ['a rate', 1234.5, 1234.5],
    ['no rate yet', undefined, undefined],
    ['an infinite rate', Number.POSITIVE_INFINITY, undefined],
  ])(
    'has %s without infinity, which JSON lacks, and the rest of the congestion as it is',
    (_what, rate, shown) => {
      const { peer } = connected();
      const { connection } = peer.view;
      const view = { ...peer.view, connection: connection && { ...connection } };
      Object.assign(view.connection ?? {}, { congestion: { ...connection?.congestion, pacingRate: rate } });
      const { congestion, recovery } = snapshotPeer('vps', withView(peer, view), () => undefined);
      expect(congestion).toEqual({ ...connection?.congestion, pacingRate: shown });
      expect(congestion?.name).toBe('bbr');
      expect(recovery).toEqual(connection?.recovery);
    },
  );

  it('has the peer’s address and port, and nothing else of it', () => {
    const { peer } = connected();
    const addresses = [{ address: '192.0.2.1', port: 7, local: '192.0.2.9' }, undefined].map((address) => {
      const stats = () => ({ ...peer.stats(), address });
      const { address: shown, stats: others } = snapshotPeer(
        'vps',
        withView(peer, peer.view, stats),
        () => '',
      );
      expect('address' in others).toBe(false);
      return shown;
    });
    expect(addresses).toEqual([{ address: '192.0.2.1', port: 7 }, undefined]);
  });
});

function withView(peer: Peer, view: Peer['view'], stats: Peer['stats'] = () => peer.stats()): Peer {
  return { publicKey: peer.publicKey, view, stats } as Peer;
}
