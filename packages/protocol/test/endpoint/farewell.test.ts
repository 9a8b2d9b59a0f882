/** How a peer learns that its connection has ended when the other side no longer has it (spec streams 3.7, 8.1). */
import { ConnectionErrorCode, type Peer, type Stream, TransmitBatch } from '@underpass/protocol';
import { describe, expect, test } from 'vitest';
import { type Line, Switchboard } from './switchboard.js';

const RELAY = { address: '198.51.100.1', port: 51_820 };
const HERE = { address: '192.0.2.1', port: 40_000 };
const THERE = { address: '192.0.2.2', port: 40_000 };
const ELSEWHERE = { address: '192.0.2.3', port: 40_000 };
const KEYS = { client: new Uint8Array(32).fill(1), relay: new Uint8Array(32).fill(2) };

class World {
  readonly board = new Switchboard();
  readonly relay = this.board.plug(RELAY, { role: 'relay', privateKey: KEYS.relay });
  readonly relayPeer: Peer;

  constructor() {
    this.relayPeer = this.relay.endpoint.addPeer({
      publicKey: this.board.suite.x25519PublicKey(KEYS.client),
    });
  }

  /** A process with the client's key. */
  client(address: typeof HERE): { line: Line; peer: Peer } {
    const line = this.board.plug(address, { role: 'client', privateKey: KEYS.client });
    return {
      line,
      peer: line.endpoint.addPeer({ publicKey: this.relay.endpoint.publicKey, address: RELAY }),
    };
  }
}

function write(peer: Peer): Stream {
  const stream = peer.openStream() as Stream;
  stream.write(new Uint8Array(10));
  return stream;
}

function ends({ events }: Line): object[] {
  return events.flatMap((event) =>
    event.type === 'disconnected' ? [{ ...event.error, lost: event.lostStreams }] : [],
  );
}

describe('two clients with one key (spec streams 3.7)', () => {
  // spec streams 3.7: "MUST NOT end the current connection", "MUST NOT revive the ended connection"
  test('do not fight: the one that comes back learns why it ended, the other continues, and the relay reports both', () => {
    const world = new World();
    const a = world.client(HERE);
    const streamOfA = write(a.peer);
    world.board.run(1_000);
    const b = world.client(THERE);
    const streamOfB = write(b.peer);
    world.board.run(1_000);
    expect(ends(world.relay)).toEqual([
      { by: 'peer', code: ConnectionErrorCode.peerRestarted, reason: 'peer restarted', lost: 1 },
    ]);
    streamOfA.write(new Uint8Array(10));
    world.board.run(10_000);
    expect(ends(a.line)).toEqual([
      {
        by: 'peer',
        code: ConnectionErrorCode.superseded,
        reason: 'another client with the same key has connected',
        lost: 1,
      },
    ]);
    expect(world.relay.events.filter(({ type }) => type === 'key-shared')).toEqual([
      { type: 'key-shared', peer: world.relayPeer, addresses: [THERE, HERE] },
    ]);
    // The connection of the other one is not affected.
    streamOfB.write(new Uint8Array(10));
    world.board.run(100);
    expect(streamOfB.bufferedBytes).toBe(0);
    expect(ends(b.line)).toEqual([]);
    expect(ends(world.relay)).toHaveLength(1);
    // 'connected' has reported its address already.
    expect(world.relay.events.filter(({ type }) => type === 'moved')).toEqual([]);
    expect(world.relayPeer.stats().address).toEqual(THERE);
  });

  test('leave the one that continues free to move (spec path 1)', () => {
    const world = new World();
    const a = world.client(HERE);
    const streamOfA = write(a.peer);
    world.board.run(1_000);
    const b = world.client(THERE);
    const streamOfB = write(b.peer);
    world.board.run(1_000);
    streamOfA.write(new Uint8Array(10));
    world.board.run(10_000);
    expect(ends(a.line)).toHaveLength(1);
    b.line.address = ELSEWHERE;
    streamOfB.write(new Uint8Array(10));
    world.board.run(100);
    expect(world.relayPeer.stats().address).toEqual(ELSEWHERE);
    expect(streamOfB.bufferedBytes).toBe(0);
  });

  test('leave the path to the one that continues, at once', () => {
    const world = new World();
    const a = world.client(HERE);
    const streamOfA = write(a.peer);
    world.board.run(1_000);
    write(world.client(THERE).peer);
    world.board.run(1_000);
    streamOfA.write(new Uint8Array(10));
    const currentKeypair = () => world.relayPeer.view.keypairs.find(({ slot }) => slot === 'current')?.id;
    const before = currentKeypair();
    const isReported = () => world.relay.events.some(({ type }) => type === 'key-shared');
    for (let ms = 0; ms < 10_000 && !isReported(); ms++) world.board.run(1);
    expect(isReported()).toBe(true);
    expect(world.relayPeer.stats().address).toEqual(THERE);
    // Nothing is sent under the keys of the one that came back.
    expect(currentKeypair()).toBe(before);
  });

  test('are reported no sooner than ten seconds after the last report, even if they alternate faster', () => {
    const world = new World();
    const clients = [world.client(HERE), world.client(THERE)];
    const reportedAt: number[] = [];
    for (let turn = 0; turn < 18; turn++) {
      write((clients[turn % 2] as (typeof clients)[number]).peer);
      for (let ms = 0; ms < 1_500; ms += 50) {
        world.board.run(50);
        const reports = world.relay.events.filter(({ type }) => type === 'key-shared').length;
        while (reportedAt.length < reports) reportedAt.push(world.board.now);
      }
    }
    expect(reportedAt.length).toBeGreaterThan(1);
    for (const [i, at] of reportedAt.entries()) {
      if (i > 0) expect(at - (reportedAt[i - 1] as number)).toBeGreaterThanOrEqual(9_950);
    }
  });

  test('are reported once in ten seconds, however often they alternate', () => {
    const world = new World();
    const clients = [world.client(HERE), world.client(THERE)];
    for (let turn = 0; turn < 12; turn++) {
      write((clients[turn % 2] as (typeof clients)[number]).peer);
      world.board.run(5_500);
    }
    const reports = world.relay.events.filter(({ type }) => type === 'key-shared').length;
    expect(reports).toBeGreaterThan(2);
    expect(reports).toBeLessThanOrEqual(7);
    for (const { line } of clients) {
      expect(ends(line)).toContainEqual(expect.objectContaining({ code: ConnectionErrorCode.superseded }));
    }
  });
});

describe('a peer that is removed (spec streams 8.1)', () => {
  test('learns that at once, with the reason and a code of its own', () => {
    const world = new World();
    const { line, peer } = world.client(HERE);
    write(peer);
    world.board.run(1_000);
    world.relay.endpoint.removePeer(world.board.now, world.relayPeer, 'removed from the config');
    world.board.run(1);
    expect(ends(line)).toEqual([
      { by: 'peer', code: ConnectionErrorCode.removed, reason: 'removed from the config', lost: 1 },
    ]);
    expect(ends(world.relay)).toEqual([
      { by: 'local', code: ConnectionErrorCode.removed, reason: 'removed from the config', lost: 1 },
    ]);
  });

  // spec streams 8.1: "Each copy MUST be the same datagram, byte for byte"
  test('learns it from a later copy, byte for byte the same, if the network lost the first ones', () => {
    const world = new World();
    const { line, peer } = world.client(HERE);
    write(peer);
    world.board.run(1_000);
    line.isPlugged = false;
    const { endpoint } = world.relay;
    endpoint.removePeer(world.board.now, world.relayPeer, 'removed from the config');
    const batch = new TransmitBatch();
    const sent: string[] = [];
    for (let ms = 0; ms < 3_000; ms += 50) {
      if (!endpoint.pollTransmit(world.board.now + ms, batch)) continue;
      sent.push(Buffer.from(batch.buffer.subarray(0, batch.lengthBytes)).toString('hex'));
    }
    world.board.run(3_000);
    expect(sent).toHaveLength(4);
    expect(new Set(sent).size).toBe(1);
    expect(ends(line)).toEqual([]);
    line.isPlugged = true;
    world.board.run(40_000);
    expect(ends(line)).toEqual([
      { by: 'peer', code: ConnectionErrorCode.removed, reason: 'removed from the config', lost: 1 },
    ]);
    expect(endpoint.pollTimeout()).toBeUndefined();
  });

  // spec streams 8.1: "A farewell MUST NOT be sent when its keypair is 180 s old"
  test('is sent nothing once the keypair is 180 s old, however late the relay comes to it', () => {
    const world = new World();
    write(world.client(HERE).peer);
    world.board.run(1_000);
    const { endpoint } = world.relay;
    endpoint.removePeer(world.board.now, world.relayPeer, 'removed from the config');
    const batch = new TransmitBatch();
    expect(endpoint.pollTransmit(world.board.now + 178_000, batch)).toBe(true);
    expect(endpoint.pollTransmit(world.board.now + 178_250, batch)).toBe(true);
    expect(endpoint.pollTransmit(world.board.now + 180_000, batch)).toBe(false);
    expect(endpoint.pollTimeout()).toBeUndefined();
  });

  test('is sent nothing at an unproven address, which could be anybody (spec path 2)', () => {
    const world = new World();
    const { line, peer } = world.client(HERE);
    const stream = write(peer);
    world.board.run(1_000);
    line.address = ELSEWHERE;
    line.isPlugged = false;
    stream.write(new Uint8Array(10));
    world.board.run(10);
    expect(world.relayPeer.stats().address).toEqual(ELSEWHERE);
    world.relay.endpoint.removePeer(world.board.now, world.relayPeer, 'removed from the config');
    expect(world.relay.endpoint.pollTransmit(world.board.now, new TransmitBatch())).toBe(false);
  });

  test('is sent nothing if it has never connected', () => {
    const world = new World();
    const { line } = world.client(HERE);
    world.board.run(1_000);
    world.relay.endpoint.removePeer(world.board.now, world.relayPeer, 'removed from the config');
    world.board.run(1_000);
    expect(line.events).toEqual([]);
  });
});
