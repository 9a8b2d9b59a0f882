/** What an endpoint reports about handshakes that it refuses, and that nobody can make it report more
 *  (spec handshake 7). */
import { type Address, Endpoint, type EndpointEvent, TransmitBatch } from '@underpass/protocol';
import { createInsecureTestSuite, SeededRandom } from '@underpass/testkit';
import { describe, expect, test } from 'vitest';
import {
  CLOCK_BEHIND_SILENCE_MS,
  MAX_HANDSHAKE_NEWS,
  MAX_REPORTED_KEYS,
  UNKNOWN_KEY_SILENCE_MS,
} from '../../src/wireguard/constants.js';

const NOW_MS = 1_795_600_000_000;
const YEAR_MS = 365 * 86_400_000;
const RELAY: Address = { address: '198.51.100.1', port: 51_820 };
const CLIENT: Address = { address: '192.0.2.1', port: 40_000 };
const suite = createInsecureTestSuite();
const random = new SeededRandom(1);

function newEndpoint(role: 'client' | 'relay', privateKey: Uint8Array, clock: () => number): Endpoint {
  return new Endpoint({ role, privateKey, suite, random: (n) => random.bytes(n), unixTimeMs: clock });
}

/** A relay, and a source of initiations to it. */
class Door {
  readonly relay = newEndpoint('relay', new Uint8Array(32).fill(2), () => NOW_MS + this.now);
  now = 0;

  /** A message 1 from a new process with this private key, whose clock shows this time. */
  initiation(privateKey: Uint8Array, clockMs: number): Uint8Array {
    const client = newEndpoint('client', privateKey, () => clockMs);
    client.addPeer({ publicKey: this.relay.publicKey, address: RELAY }).connect(0);
    const batch = new TransmitBatch();
    expect(client.pollTransmit(0, batch)).toBe(true);
    return batch.buffer.slice(0, batch.lengthBytes);
  }

  /** Delivers a message.
   *  @returns what the relay reports, and what it asks its loop to do */
  knock(initiation: Uint8Array): { events: EndpointEvent[]; reaction: string } {
    const reaction = this.relay.handleDatagram(this.now, Buffer.from(initiation), CLIENT);
    const events: EndpointEvent[] = [];
    for (let event = this.relay.pollEvent(); event !== undefined; event = this.relay.pollEvent()) {
      events.push(event);
      expect(events.length).toBeLessThan(100);
    }
    return { events, reaction: String(reaction) };
  }
}

function key(n: number): Uint8Array {
  return new Uint8Array(32).fill(n).fill(n >>> 8, 16);
}

describe('an unknown key', () => {
  test('is reported in full with its source address, and the endpoint asks to be polled', () => {
    const door = new Door();
    const { events, reaction } = door.knock(door.initiation(key(7), NOW_MS));
    expect(events).toEqual([{ type: 'unknown-key', publicKey: suite.x25519PublicKey(key(7)), from: CLIENT }]);
    expect(reaction).toBe('poll');
    expect(door.relay.drops['unknown-peer']).toBe(1);
  });

  // spec handshake 7: "MUST first check that the sender holds"
  test('is not reported if the sender does not hold its private key', () => {
    const door = new Door();
    const message = door.initiation(key(7), NOW_MS);
    // It claims somebody else's public key. Nothing else is wrong with its message.
    const liar = new Proxy(suite, {
      get: (target, name) =>
        name === 'x25519PublicKey'
          ? (secret: Uint8Array) =>
              suite.x25519PublicKey(secret[0] === 9 && secret[31] === 0 ? key(7) : secret)
          : Reflect.get(target, name),
    });
    const endpoint = new Endpoint({
      role: 'client',
      privateKey: key(9),
      suite: liar,
      random: (n) => random.bytes(n),
      unixTimeMs: () => NOW_MS,
    });
    expect(endpoint.publicKey).toEqual(suite.x25519PublicKey(key(7)));
    endpoint.addPeer({ publicKey: door.relay.publicKey, address: RELAY }).connect(0);
    const batch = new TransmitBatch();
    endpoint.pollTransmit(0, batch);
    expect(door.knock(batch.buffer.slice(0, batch.lengthBytes)).events).toEqual([]);
    expect(door.relay.drops['unknown-peer']).toBe(1);
    // A sender that holds the private key is reported.
    expect(door.knock(message).events).toHaveLength(1);
  });

  test('is reported once a minute, however often it tries', () => {
    const door = new Door();
    let reports = 0;
    for (; door.now < 2 * UNKNOWN_KEY_SILENCE_MS; door.now += 5_000) {
      reports += door.knock(door.initiation(key(7), NOW_MS + door.now)).events.length;
    }
    expect(reports).toBe(2);
  });

  test('is reported at most once a second over all keys, and a limited number of keys is remembered', () => {
    const door = new Door();
    let reports = 0;
    for (let i = 0; i < 100; i++, door.now += 100) {
      reports += door.knock(door.initiation(key(1_000 + i), NOW_MS)).events.length;
    }
    expect(reports).toBe(10);
    door.now += 1_000;
    for (let i = 0; i <= MAX_REPORTED_KEYS; i++, door.now += 1_001) {
      expect(door.knock(door.initiation(key(2_000 + i), NOW_MS)).events).toHaveLength(1);
    }
    expect(door.knock(door.initiation(key(2_001), NOW_MS)).events).toEqual([]);
    expect(door.knock(door.initiation(key(2_000), NOW_MS)).events).toHaveLength(1);
  });
});

test('the number of reports that nobody collects is limited (spec handshake 7: "MUST drop further ones")', () => {
  const door = new Door();
  for (let i = 0; i < 2 * MAX_HANDSHAKE_NEWS; i++, door.now += 1_001) {
    door.relay.handleDatagram(door.now, Buffer.from(door.initiation(key(1_000 + i), NOW_MS)), CLIENT);
  }
  const { events } = door.knock(new Uint8Array(0));
  expect(events).toHaveLength(MAX_HANDSHAKE_NEWS);
});

describe('a clock', () => {
  function known(): Door {
    const door = new Door();
    door.relay.addPeer({ publicKey: suite.x25519PublicKey(key(1)) });
    return door;
  }

  test('that was a year ahead and was corrected does not lock its client out (spec handshake 3.3)', () => {
    const door = known();
    expect(door.knock(door.initiation(key(1), NOW_MS + YEAR_MS)).reaction).toBe('poll');
    door.now += 1_000;
    door.knock(door.initiation(key(1), NOW_MS + 1_000));
    expect(door.relay.drops['replayed-handshake']).toBe(0);
  });

  test('that went back is reported, and again only after a while', () => {
    const door = known();
    door.knock(door.initiation(key(1), NOW_MS));
    door.now += 1_000;
    const late = door.initiation(key(1), NOW_MS - YEAR_MS);
    const { events, reaction } = door.knock(late);
    expect(reaction).toBe('poll');
    expect(events).toEqual([
      {
        type: 'clock-behind',
        peer: door.relay.peers[0],
        clockMs: expect.closeTo(NOW_MS - YEAR_MS, -2),
        earlierClockMs: expect.closeTo(NOW_MS, -2),
      },
    ]);
    expect(door.knock(late).events).toEqual([]);
    door.now += CLOCK_BEHIND_SILENCE_MS;
    expect(door.knock(late).events).toHaveLength(1);
    expect(door.relay.drops['replayed-handshake']).toBe(3);
  });

  // spec handshake 7: "MUST NOT report a timestamp that is less far behind"
  test('is not reported for a copied initiation, or for one that a later one overtook by seconds', () => {
    const door = known();
    const first = door.initiation(key(1), NOW_MS - 5_000);
    const second = door.initiation(key(1), NOW_MS);
    door.knock(second);
    door.now += 1_000;
    expect(door.knock(first).events).toEqual([]);
    expect(door.knock(second).events).toEqual([]);
    expect(door.relay.drops['replayed-handshake']).toBe(2);
  });
});
