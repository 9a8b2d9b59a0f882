import {
  type Address,
  MAX_SHARDS,
  RoamingPath,
  type Session,
  shardOfIndex,
  shardOfKey,
  WireGuard,
} from '@underpass/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { indexOfShard } from '../../src/wireguard/shard.js';
import { countingRandom, SUITE } from './session-pair.js';

const CLIENT: Address = { address: '192.0.2.1', port: 1 };
const RELAY: Address = { address: '192.0.2.2', port: 2 };
const unixTimeMs = () => 1_700_000_000_000;
const relayKey = countingRandom(1)(32);

/** A client, and a relay of two shards of which the first or the second serves it. */
function world(owner: 0 | 1, seed = 10) {
  let clientKey = countingRandom(seed)(32);
  while (shardOfKey(SUITE, SUITE.x25519PublicKey(clientKey), 2) !== owner)
    clientKey = countingRandom(++seed)(32);
  const client = new WireGuard({
    privateKey: clientKey,
    suite: SUITE,
    random: countingRandom(2),
    unixTimeMs,
  });
  const relay = client.addPeer(
    { publicKey: SUITE.x25519PublicKey(relayKey), path: new RoamingPath(RELAY) },
    () => undefined,
  );
  const shards = [0, 1].map(
    (index) =>
      new WireGuard({
        privateKey: relayKey,
        suite: SUITE,
        random: countingRandom(3 + index),
        unixTimeMs,
        shard: { index, count: 2 },
      }),
  ) as [WireGuard, WireGuard];
  const peer = shards[owner].addPeer(
    { publicKey: client.publicKey, path: new RoamingPath(undefined) },
    () => undefined,
  );
  return { client, relay, shards, peer, ours: shards[owner], other: shards[1 - owner] as WireGuard };
}

function messageOf(core: WireGuard): Uint8Array {
  const into = new Uint8Array(148);
  const { length } = core.pollMessage(0, into) ?? { length: 0 };
  expect(length).toBeGreaterThan(0);
  return into.subarray(0, length);
}

function initiation(client: WireGuard, relay: Session): Uint8Array {
  relay.requestHandshake(0);
  return messageOf(client);
}

describe('shards', () => {
  it('draw indices that name them, and are random otherwise (spec session 3.3: "The lowest byte of an index, modulo")', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.integer({ min: 1, max: MAX_SHARDS }),
        fc.nat(),
        (random, count, any) => {
          const index = any % count;
          const drawn = indexOfShard(random, { index, count });
          expect(drawn >>> 8).toBe(random >>> 8);
          expect((drawn & 0xff) % count).toBe(index);
          expect(shardOfIndex(drawn, count)).toBe(index);
        },
      ),
    );
  });

  it('divide keys about evenly, the same way each time', () => {
    const counts = [0, 0, 0];
    for (let i = 0; i < 300; i++) {
      const key = countingRandom(i)(32);
      const shard = shardOfKey(SUITE, key, 3);
      expect(shardOfKey(SUITE, key, 3)).toBe(shard);
      expect(shardOfKey(SUITE, key, 1)).toBe(0);
      counts[shard] = (counts[shard] as number) + 1;
    }
    for (const count of counts) expect(count).toBeGreaterThan(60);
  });

  it.each([0, 1] as const)(
    'pass on an initiation for shard %i unchanged, and complete the handshake there (spec session 3.3: "MUST pass the initiation on", "MUST NOT act on an initiation for another shard")',
    (owner) => {
      const { client, relay, ours, other } = world(owner);
      const message = initiation(client, relay);
      const before = message.slice();
      expect(other.handleDatagram(0, message, CLIENT)).toEqual({ kind: 'elsewhere', shard: owner });
      expect(message).toEqual(before);
      expect(other.pollMessage(0, new Uint8Array(148))).toBeUndefined();
      expect(other.hasNews).toBe(false);
      expect(ours.handlePassedOn(0, message, CLIENT).kind).toBe('handshake');
      const response = messageOf(ours);
      expect(shardOfIndex(response[4] as number, 2)).toBe(owner);
      expect(client.handleDatagram(0, response, RELAY).kind).toBe('handshake');
      const keepalive = messageOf(client);
      expect(other.handleDatagram(0, keepalive.slice(), CLIENT)).toEqual({ kind: 'elsewhere', shard: owner });
      expect(ours.handlePassedOn(0, keepalive, CLIENT).kind).toBe('keepalive');
    },
  );

  it('drop an initiation without a valid mac1, whoever it is for', () => {
    const { client, relay, other } = world(1);
    const message = initiation(client, relay);
    message[130] = (message[130] as number) ^ 1;
    expect(other.handleDatagram(0, message, CLIENT)).toEqual({ kind: 'dropped', reason: 'wrong-mac1' });
  });

  it('report an unknown key once, by the shard that would serve it', () => {
    const { client, relay, ours, other, peer } = world(1);
    ours.removePeer(peer);
    const message = initiation(client, relay);
    expect(other.handleDatagram(0, message, CLIENT).kind).toBe('elsewhere');
    expect(other.hasNews).toBe(false);
    expect(ours.handlePassedOn(0, message, CLIENT)).toEqual({ kind: 'dropped', reason: 'unknown-peer' });
    expect(ours.pollNews()).toMatchObject({ type: 'unknown-key', publicKey: client.publicKey });
  });
});
