/** Restarts, CLOSE, new keys and silence: which of them end a connection (spec streams 3, 8). */
import type { Stream } from '@underpass/protocol';
import {
  CLIENT_ADDRESS,
  type NetworkConditions,
  PERFECT_LINK,
  PERFECT_NETWORK,
  RELAY_ADDRESS,
} from '@underpass/testkit';
import { describe, expect, test } from 'vitest';
import { EPOCHS_BURST, EPOCHS_PER_SECOND } from '../../src/transport/limits.js';
import { type Transports, World } from './world.js';

/** A world in which each side has opened a stream, and both know both streams. */
function connected(network?: NetworkConditions, transport?: Transports): World {
  const world = new World(network, transport);
  world.open('client');
  world.open('relay');
  world.run(1_000);
  expect(world.take('client')).toEqual(['connected', 'stream-opened 1']);
  expect(world.take('relay')).toEqual(['connected', 'stream-opened 0']);
  return world;
}

const LOST = new Set(['stream-reset 0 4', 'stream-closed 0', 'stream-reset 1 4', 'stream-closed 1']);

describe('a connection', () => {
  test('ends at once at the relay when the client has restarted, and a new one begins (spec streams 3.4: "MUST end the old connection")', () => {
    const world = connected();
    world.start('client');
    world.peers.client.connect(world.pair.now);
    world.open('client');
    world.run(1_000);
    const told = world.take('relay');
    expect(new Set(told.slice(0, 4))).toEqual(LOST);
    expect(told.slice(4)).toEqual(['disconnected peer peer restarted', 'connected', 'stream-opened 0']);
    expect(world.take('client')).toEqual(['connected']);
  });

  test('ends at a client that keeps sending to a relay that has restarted (spec streams 3.3: "MUST ignore the rest of the packet", "MUST NOT acknowledge the packet or bind")', () => {
    const world = connected();
    const [stream] = world.incoming.client;
    world.start('relay');
    world.write('client', stream as Stream, 100);
    world.run(60_000);
    const told = world.take('client');
    expect(new Set(told.slice(0, 4))).toEqual(LOST);
    expect(told.slice(4)).toEqual(['disconnected peer peer restarted', 'connected']);
    // Packets that were meant for the earlier run had no effect on this one.
    expect(world.take('relay')).toEqual(['connected']);
    expect(world.endpoints.relay.drops['stale-epoch']).toBeGreaterThan(0);
    world.open('client');
    world.run(1_000);
    expect(world.take('relay')).toEqual(['stream-opened 0']);
  });

  test('is replaced only as often as the budget of a restarting peer permits, and then works again (spec streams 3.6: "more than 8 new epochs", "MUST NOT acknowledge a packet that states")', () => {
    const world = connected();
    const seconds = 20;
    for (let n = 0; n < 20 * seconds; n++) {
      world.start('client');
      world.peers.client.connect(world.pair.now);
      world.open('client');
      world.run(50);
    }
    const began = world.take('relay').filter((event) => event === 'connected').length;
    expect(began).toBeGreaterThan(EPOCHS_BURST);
    expect(began).toBeLessThanOrEqual(EPOCHS_BURST + EPOCHS_PER_SECOND * seconds + 1);
    expect(world.endpoints.relay.drops['epoch-flood']).toBeGreaterThan(100);
    // The last run waits for its turn, and then connects.
    world.run(15_000);
    expect(world.take('relay').slice(-2)).toEqual(['connected', 'stream-opened 0']);
  });

  test('is refused just as often to a peer that closes each one (spec streams 3.6)', () => {
    const world = connected();
    for (let n = 0; n < 200; n++) {
      world.endpoints.client.close();
      world.pair.wake('client');
      world.run(25);
      // Another process, because the same one would wait 5 s before its next handshake.
      world.start('client');
      world.peers.client.connect(world.pair.now);
      world.pair.wake('client');
      world.run(25);
    }
    const began = world.take('relay').filter((event) => event === 'connected').length;
    expect(began).toBeGreaterThanOrEqual(EPOCHS_BURST - 1);
    expect(began).toBeLessThanOrEqual(EPOCHS_BURST + EPOCHS_PER_SECOND * 10 + 1);
  });

  test('continues under new keys, even if the first packets under them are lost (spec streams 3.2: "MUST put HELLO at the front of every packet")', () => {
    // Keys are renewed after 120 s. The blackouts start with the first message under the new ones.
    const blackouts = [{ from: 120_100, until: 124_000 }];
    const world = connected({ ...PERFECT_NETWORK, toRelay: { ...PERFECT_LINK, blackouts } });
    const stream = world.open('client');
    for (let second = 0; second < 200; second++) {
      world.write('client', stream, 1_000);
      world.run(1_000);
    }
    world.run(30_000);
    expect(world.peers.client.stats().handshakes).toBeGreaterThan(1);
    expect(world.take('relay')).toEqual(['stream-opened 2']);
    let bytes = 0;
    const incoming = world.incoming.relay[1] as Stream;
    for (let chunk = incoming.read(); chunk !== undefined; chunk = incoming.read()) bytes += chunk.length;
    expect(bytes).toBe(200_010);
    expect(world.take('client')).toEqual([]);
  });

  test('ends on both sides with one CLOSE, and the next contact starts a new one (spec streams 8: "MUST discard its state and MUST drop its keypairs")', () => {
    const world = connected();
    const before = world.pair.datagramsSent;
    world.endpoints.client.close();
    world.pair.wake('client');
    world.run(1_000);
    expect(world.pair.datagramsSent - before).toBe(1);
    expect(world.take('client').at(-1)).toBe('disconnected local closed');
    expect(world.take('relay').at(-1)).toBe('disconnected peer closed');
    world.open('relay');
    world.run(10_000);
    expect(world.take('relay')).toEqual(['connected']);
    expect(world.take('client')).toEqual(['connected', 'stream-opened 1']);
  });

  test('waits for no answer after it has ended (spec outage 2, streams 8)', () => {
    const blackouts = [{ from: 1_000, until: 3_600_000 }];
    const world = connected({
      ...PERFECT_NETWORK,
      toRelay: { ...PERFECT_LINK, blackouts },
      toClient: { ...PERFECT_LINK, blackouts },
    });
    world.open('client');
    world.run(500);
    world.endpoints.client.close();
    world.pair.wake('client');
    world.run(100);
    expect(world.take('client').at(-1)).toBe('disconnected local closed');
    const { datagramsSent } = world.peers.client.stats();
    world.run(600_000);
    expect(world.waits).toEqual([]);
    expect(world.peers.client.stats().datagramsSent).toBe(datagramsSent);
  });

  test('ends at the next contact if CLOSE was lost (spec streams 8)', () => {
    const world = connected({
      ...PERFECT_NETWORK,
      toRelay: { ...PERFECT_LINK, blackouts: [{ from: 1_000, until: 1_100 }] },
    });
    world.endpoints.client.close();
    world.pair.wake('client');
    world.run(1_000);
    expect(world.take('relay')).toEqual([]);
    world.peers.client.connect(world.pair.now);
    world.pair.wake('client');
    world.run(10_000);
    expect(world.take('relay').slice(4)).toEqual(['disconnected peer peer restarted', 'connected']);
    expect(world.take('client').slice(4)).toEqual(['disconnected local closed', 'connected']);
  });

  test.each([
    ['with keys', {}, 1_000, ['disconnected local closed', 'connected']],
    [
      'without keys',
      { toRelay: { ...PERFECT_LINK, blackouts: [{ from: 0, until: 50 }] } },
      10,
      ['connected'],
    ],
  ])(
    'begins again if it is wanted before CLOSE was sent, %s (spec streams 8)',
    (_name, link, afterMs, events) => {
      const world = new World({ ...PERFECT_NETWORK, ...link });
      world.run(afterMs);
      world.take('client');
      world.endpoints.client.close();
      world.peers.client.connect(world.pair.now);
      world.pair.wake('client');
      world.run(10_000);
      expect(world.take('client')).toEqual(events);
    },
  );

  test('survives a CLOSE under older keys than it was offered under, although those are dead (spec streams 8)', () => {
    // Both sides start a handshake at 0 ms. At 20 ms each has its own, and what they send first is lost.
    const blackouts = [{ from: 19, until: 21 }];
    const world = new World({
      ...PERFECT_NETWORK,
      toRelay: { ...PERFECT_LINK, blackouts },
      toClient: { ...PERFECT_LINK, blackouts },
    });
    world.peers.relay.setAddress(0, CLIENT_ADDRESS);
    const stream = world.open('relay');
    world.run(25);
    // The client closes under its own keypair, and drops the relay's too.
    world.endpoints.client.close();
    world.pair.wake('client');
    world.run(5_000);
    expect(world.endpoints.relay.drops['stale-epoch']).toBe(1);
    expect([...world.take('client'), ...world.take('relay')]).toEqual([]);
    // The next handshake of the relay replaces the dead keys.
    world.run(1_000);
    expect(world.take('client')).toEqual(['connected', 'stream-opened 1']);
    expect(world.take('relay')).toEqual(['connected']);
    expect(stream.bufferedBytes).toBe(0);
  });

  test('waits while the path is dead, and then continues', () => {
    const hour = 3_600_000;
    const blackouts = [{ from: 1_000, until: 5 * hour }];
    const world = connected({
      ...PERFECT_NETWORK,
      toRelay: { ...PERFECT_LINK, blackouts },
      toClient: { ...PERFECT_LINK, blackouts },
    });
    const stream = world.open('client');
    world.run(10_000);
    // spec outage 2: "MUST report that it is waiting, and since when"
    expect(world.waits).toEqual([{ side: 'client', type: 'waiting', at: expect.closeTo(2_000, -4) }]);
    expect(world.peers.client.stats().waitingSince).toBe(1_000);
    world.pair.run(5 * hour);
    expect(world.take('relay')).toEqual([]);
    // Within two seconds of the path's return (spec outage 1).
    world.run(2_000);
    expect(world.take('relay')).toEqual(['stream-opened 2']);
    expect(stream.bufferedBytes).toBe(0);
    expect(world.take('client')).toEqual([]);
    expect(world.waits.at(-1)?.type).toBe('resumed');
    expect(world.peers.client.stats().waitingSince).toBeUndefined();
  });

  test('learns the path again at another address that was looked up, but not at another port (spec path 4)', () => {
    const world = connected();
    const { client } = world.peers;
    client.setAddress(world.pair.now, { ...RELAY_ADDRESS, port: RELAY_ADDRESS.port + 1 });
    expect(client.stats().smoothedRttMs).toBeDefined();
    client.setAddress(world.pair.now, { ...RELAY_ADDRESS, address: '203.0.113.77' });
    expect(client.stats().smoothedRttMs).toBeUndefined();
  });

  test('does not report hours of idle silence as waiting (spec outage 2)', () => {
    const world = new World();
    const stream = world.open('client');
    world.run(1_000);
    for (const end of [stream, ...world.incoming.relay]) end.finish();
    world.pair.wake('client');
    world.pair.wake('relay');
    world.run(1_000);
    for (const end of [stream, ...world.incoming.relay]) while (end.read() !== undefined);
    world.run(3 * 3_600_000);
    expect(world.peers.client.stats().openStreams).toBe(0);
    world.open('client');
    world.run(10_000);
    expect(world.waits).toEqual([]);
    expect(world.take('relay')).toContain('stream-opened 2');
  });

  test('loses its streams when the peer is silent for longer than configured (spec outage 4)', () => {
    const blackouts = [{ from: 1_000, until: 200_000 }];
    const world = connected(
      {
        ...PERFECT_NETWORK,
        toRelay: { ...PERFECT_LINK, blackouts },
        toClient: { ...PERFECT_LINK, blackouts },
      },
      { relay: { maxSilenceMs: 100_000 } },
    );
    world.run(90_000);
    expect(world.take('relay')).toEqual([]);
    world.run(20_000);
    expect(world.take('relay').at(-1)).toBe('disconnected local nothing heard for too long');
    expect(world.take('client')).toEqual([]);
    world.pair.run(203_000);
    expect(world.take('client')).toContain('disconnected peer peer restarted');
  });
});
