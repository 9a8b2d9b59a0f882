import { viewStream } from '@underpass/protocol';
import { PERFECT_LINK, PERFECT_NETWORK } from '@underpass/testkit';
import { describe, expect, it } from 'vitest';
import { World } from './world.js';

describe('the view of a peer', () => {
  it('has keypairs and timers before contact, and no connection', () => {
    const world = new World();
    expect(world.peers.relay.view).toEqual({ keypairs: [], timers: [], connection: undefined });
  });

  it('shows the keypair of a handshake on both sides, with indices that match', () => {
    const world = new World();
    world.run(100);
    const [client] = world.peers.client.view.keypairs;
    const [relay] = world.peers.relay.view.keypairs;
    expect(client).toMatchObject({ slot: 'current', isInitiator: true, remoteIndex: relay?.localIndex });
    expect(relay).toMatchObject({ slot: 'current', isInitiator: false, remoteIndex: client?.localIndex });
    expect(client?.expiresAt).toBe(180_000 + (client?.createdAt ?? 0));
    expect(client?.nextCounter).toBeGreaterThan(0);
  });

  it('lists all timers that are set, of which the endpoint announces the earliest', () => {
    const link = { ...PERFECT_LINK, lossChance: 0.2, bytesPerMs: 500, queueBytes: 20_000 };
    const world = new World({ ...PERFECT_NETWORK, toRelay: link, toClient: link });
    const seen = new Set<string>();
    world.run(50);
    world.open('client', 200_000);
    for (let i = 0; i < 2000; i++) {
      world.run(1);
      for (const side of ['client', 'relay'] as const) {
        const { timers } = world.peers[side].view;
        for (const { reason } of timers) seen.add(reason);
        const due = world.endpoints[side].pollTimeout();
        // The endpoint may wake too early, because a timer that was moved back is not announced again.
        const earliest = Math.min(...timers.map(({ at }) => at));
        if (due !== undefined) expect(due.at).toBeLessThanOrEqual(earliest);
      }
    }
    expect([...seen]).toEqual(
      expect.arrayContaining(['keypair-expiry', 'loss detection', 'probe timeout', 'acknowledgement']),
    );
  });

  it('names the next search for the MTU while streams are open', () => {
    const link = { ...PERFECT_LINK, pathBytes: [{ from: 0, maxBytes: 1_400 }] };
    const transport = { maxDatagramBytes: 1_472 };
    const network = { ...PERFECT_NETWORK, toRelay: link, toClient: link };
    const world = new World(network, { client: transport, relay: transport });
    const search = () => world.peers.client.view.timers.find(({ reason }) => reason === 'mtu search');
    world.run(50);
    const stream = world.open('client', 100_000);
    world.run(5_000);
    expect(search()?.at).toBeGreaterThan(590_000);
    stream.reset(0);
    stream.stopSending(0);
    world.pair.wake('client');
    world.run(1_000);
    expect(search()).toBeUndefined();
  });

  it('follows a stream from its first byte to its last state', () => {
    const world = new World();
    world.run(100);
    const stream = world.open('client', 1000);
    expect(world.peers.client.view.connection?.streams).toMatchObject([
      { id: 0, incoming: false, sending: { state: 'ready', written: 1000, sent: 0, acknowledged: 0 } },
    ]);
    world.run(100);
    expect(viewStream(stream).sending).toMatchObject({ state: 'send', sent: 1000, acknowledged: 1000 });
    expect(world.peers.relay.view.connection?.streams).toMatchObject([
      { id: 0, incoming: true, receiving: { state: 'receive', read: 0, inOrder: 1000, largest: 1000 } },
    ]);
    stream.finish();
    world.pair.wake('client');
    world.run(100);
    expect(viewStream(stream).sending.state).toBe('data-received');
  });

  it('shows the congestion controller and what recovery knows', () => {
    const world = new World(PERFECT_NETWORK, { client: { congestion: 'cubic' } });
    world.run(100);
    world.open('client', 1000);
    world.run(500);
    const { connection } = world.peers.client.view;
    expect(connection?.congestion).toMatchObject({ name: 'cubic', isInSlowStart: true });
    expect(connection?.recovery).toMatchObject({ bytesInFlight: 0, packetsLost: 0, ptoCount: 0 });
    expect(connection?.recovery.smoothedRttMs).toBeGreaterThan(19);
  });
});
