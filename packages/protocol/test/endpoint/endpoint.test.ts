/** When the endpoint asks to be polled, and in what order it answers polls: no turn for strangers, handshakes first,
 *  and the peers in turn. */
import {
  type Address,
  Endpoint,
  type EndpointEvent,
  type Reaction,
  type Stream,
  TransmitBatch,
} from '@underpass/protocol';
import { createInsecureTestSuite, SeededRandom } from '@underpass/testkit';
import { describe, expect, it } from 'vitest';
import { mac1Key, writeMacs } from '../../src/wireguard/mac.js';

const RELAY: Address = { address: '198.51.100.1', port: 51_820 };
const STRANGER: Address = { address: '203.0.113.66', port: 666 };
const suite = createInsecureTestSuite();

interface Client {
  readonly endpoint: Endpoint;
  readonly address: Address;
}

/** A relay and some clients on a network that delivers at once. */
class Star {
  now = 0;
  readonly relay: Endpoint;
  readonly clients: Client[];
  readonly batch = new TransmitBatch();
  /** The last datagram that a client sent. */
  newest = new Uint8Array(0);

  constructor(clients: number) {
    this.relay = this.#create('relay', 0);
    this.clients = Array.from({ length: clients }, (_, i) => ({
      endpoint: this.#create('client', i + 1),
      address: { address: `192.0.2.${i + 1}`, port: 1000 },
    }));
    for (const { endpoint } of this.clients) {
      endpoint.addPeer({ publicKey: this.relay.publicKey, address: RELAY });
      this.relay.addPeer({ publicKey: endpoint.publicKey });
    }
  }

  /** Replaces a client by another process with the same key. */
  restart({ address }: Client): Client {
    const seed = this.clients.findIndex((client) => client.address === address) + 1;
    const endpoint = this.#create('client', seed, 'restarted');
    endpoint.addPeer({ publicKey: this.relay.publicKey, address: RELAY });
    this.clients[seed - 1] = { endpoint, address };
    return this.clients[seed - 1] as Client;
  }

  #create(role: 'client' | 'relay', seed: number, run = 'first'): Endpoint {
    const random = new SeededRandom(`${seed} ${run}`);
    return new Endpoint({
      role,
      privateKey: new SeededRandom(seed + 100).bytes(32),
      suite,
      random: (length) => random.bytes(length),
      unixTimeMs: () => 1_700_000_000_000 + this.now,
    });
  }

  /** Sends everything that a client has to send now. */
  deliverFrom({ endpoint, address }: Client): void {
    while (endpoint.pollTransmit(this.now, this.batch)) {
      const { buffer, lengthBytes, segmentBytes } = this.batch;
      for (let at = 0; at < lengthBytes; at += segmentBytes) {
        this.newest = buffer.slice(at, Math.min(at + segmentBytes, lengthBytes));
        this.relay.handleDatagram(this.now, this.newest.slice(), address);
      }
    }
  }

  /** Sends everything that the relay has to send now. */
  deliverFromRelay(): void {
    while (this.relay.pollTransmit(this.now, this.batch)) {
      const { buffer, lengthBytes, segmentBytes, to } = this.batch;
      const client = this.clients.find(({ address }) => address.address === to?.address);
      for (let at = 0; at < lengthBytes; at += segmentBytes) {
        const end = Math.min(at + segmentBytes, lengthBytes);
        client?.endpoint.handleDatagram(this.now, buffer.slice(at, end), RELAY);
      }
    }
  }

  /** The types of the relay's events that nobody has taken yet. */
  takeRelayEvents(): string[] {
    const types: string[] = [];
    for (let event = this.relay.pollEvent(); event !== undefined; event = this.relay.pollEvent()) {
      types.push(event.type);
    }
    return types;
  }

  connect(client: Client): void {
    client.endpoint.peers[0]?.connect(this.now);
    for (let i = 0; i < 5; i++) {
      this.deliverFrom(client);
      this.deliverFromRelay();
      this.now += 100;
    }
    expect(client.endpoint.peers[0]?.stats().connected).toBe(true);
  }
}

function receive(star: Star, bytes: Uint8Array, from = STRANGER): Reaction {
  return star.relay.handleDatagram(star.now, bytes.slice(), from);
}

describe('after a datagram', () => {
  it('without an effect, the caller has nothing to do, whatever it was', () => {
    const star = new Star(1);
    const [client] = star.clients as [Client];
    star.connect(client);
    const initiation = new Uint8Array(148).fill(7);
    initiation.set([1, 0, 0, 0]);
    const forged = initiation.slice();
    writeMacs(suite, mac1Key(suite, star.relay.publicKey), undefined, forged);
    const altered = star.newest.slice();
    altered[20] = (altered[20] as number) ^ 1;
    const unknownIndex = star.newest.slice();
    unknownIndex[4] = (unknownIndex[4] as number) ^ 1;
    const cases: readonly [string, Uint8Array][] = [
      ['malformed', Uint8Array.of(1)],
      ['wrong-mac1', initiation],
      ['handshake-failed', forged],
      ['unknown-index', unknownIndex],
      ['authentication-failed', altered],
      ['replayed-counter', star.newest],
    ];
    for (const [reason, bytes] of cases) {
      const before = { ...star.relay.drops };
      expect([reason, receive(star, bytes)]).toEqual([reason, 'none']);
      expect(star.relay.drops).toEqual({
        ...before,
        [reason]: before[reason as keyof typeof before] + 1,
      });
    }
  });

  it('that is genuine, the caller polls', () => {
    const star = new Star(1);
    const [{ endpoint }] = star.clients as [Client];
    endpoint.peers[0]?.connect(0);
    endpoint.pollTransmit(0, star.batch);
    expect(receive(star, star.batch.buffer.subarray(0, star.batch.lengthBytes))).toBe('poll');
  });
});

describe('a packet of an earlier run', () => {
  it('has no effect if it arrives late, even under a keypair that still opens it (spec streams 3.4: "MUST drop packets under a keypair")', () => {
    const star = new Star(1);
    const [client] = star.clients as [Client];
    star.connect(client);
    client.endpoint.peers[0]?.openStream()?.write(Uint8Array.of(1));
    expect(client.endpoint.pollTransmit(star.now, star.batch)).toBe(true);
    const late = star.batch.buffer.slice(0, star.batch.lengthBytes);
    // The client's process ends, and another one with the same key connects.
    star.now += 6_000;
    const restarted = star.restart(client);
    star.connect(restarted);
    expect(star.takeRelayEvents()).toEqual(['connected', 'disconnected', 'connected']);
    const before = star.relay.drops['stale-epoch'];
    const { datagramsReceived, streamBytesReceived } = star.relay.peers[0]?.stats() ?? {};
    receive(star, late, client.address);
    expect(star.relay.peers[0]?.stats()).toMatchObject({
      datagramsReceived: (datagramsReceived as number) + 1,
      streamBytesReceived,
    });
    expect(star.relay.drops['stale-epoch']).toBe(before + 1);
    expect(star.relay.pollEvent()).toBeUndefined();
  });
});

describe('the events of a connection that nobody polled before it ended', () => {
  it('come in order: connected, what happened on its streams, disconnected', () => {
    const star = new Star(1);
    const [client] = star.clients as [Client];
    for (let n = 0; n < 2; n++) {
      client.endpoint.peers[0]?.openStream()?.write(Uint8Array.of(1));
      star.connect(client);
      client.endpoint.close();
      star.deliverFrom(client);
      star.now += 6_000;
    }
    const ofOne = ['connected', 'stream-opened', 'stream-readable', 'stream-reset', 'stream-closed'];
    expect(star.takeRelayEvents()).toEqual([...ofOne, 'disconnected', ...ofOne, 'disconnected']);
  });
});

describe('the first message to be sent', () => {
  it('is a handshake message, however much data waits for another peer', () => {
    const star = new Star(2);
    const [busy, newcomer] = star.clients as [Client, Client];
    star.connect(busy);
    busy.endpoint.peers[0]?.openStream()?.write(Uint8Array.of(1));
    star.deliverFrom(busy);
    let stream: Stream | undefined;
    for (let event = star.relay.pollEvent(); event !== undefined; event = star.relay.pollEvent()) {
      if (event.type === 'stream-opened') stream = event.stream;
    }
    newcomer.endpoint.peers[0]?.connect(star.now);
    star.deliverFrom(newcomer);
    expect(stream?.write(new Uint8Array(50_000))).toBeGreaterThan(0);
    expect(star.relay.pollTransmit(star.now, star.batch)).toBe(true);
    expect([star.batch.to, star.batch.buffer[0]]).toEqual([newcomer.address, 2]);
    expect(star.relay.pollTransmit(star.now, star.batch)).toBe(true);
    expect([star.batch.to, star.batch.buffer[0]]).toEqual([busy.address, 4]);
  });
});

describe('a peer that has nothing to do', () => {
  it('is never asked for anything, however many there are', () => {
    const star = new Star(1);
    const [client] = star.clients as [Client];
    const random = new SeededRandom('idle');
    const idle = Array.from({ length: 1000 }, () => star.relay.addPeer({ publicKey: random.bytes(32) }));
    const looks: string[] = [];
    for (const peer of idle) {
      for (const name of ['handleTimeout', 'pollEvent', 'pollTransmit', 'pollTimeout'] as const) {
        Object.assign(peer, { [name]: () => void looks.push(name) });
      }
    }
    star.connect(client);
    const written = client.endpoint.peers[0]?.openStream()?.write(new Uint8Array(50_000));
    expect(written).toBeGreaterThan(10_000);
    for (let i = 0; i < 20; i++) {
      star.deliverFrom(client);
      for (let event = star.relay.pollEvent(); event !== undefined; event = star.relay.pollEvent()) {
        if (event.type === 'stream-readable') while (event.stream.read() !== undefined);
      }
      star.deliverFromRelay();
      star.now = Math.max(star.now + 1, star.relay.pollTimeout()?.at ?? 0);
      star.relay.handleTimeout(star.now);
      client.endpoint.handleTimeout(star.now);
    }
    expect(star.relay.peers[0]?.stats().streamBytesReceived).toBe(written);
    expect(looks).toEqual([]);
  });

  it('has no connection until it is heard', () => {
    const star = new Star(2);
    const [client] = star.clients as [Client];
    const windows = () => star.relay.peers.map((peer) => peer.stats().congestionWindowBytes);
    expect(windows()).toEqual([0, 0]);
    star.connect(client);
    expect(windows()).toEqual([expect.toSatisfy((bytes: number) => bytes > 0), 0]);
  });
});

describe('a peer that breaks a rule', () => {
  it('ends its own connection and no other (spec streams 1.4: "MUST NOT let any other peer be affected")', () => {
    const star = new Star(2);
    const [attacker, bystander] = star.clients as [Client, Client];
    for (const client of star.clients) star.connect(client);
    while (star.relay.pollEvent() !== undefined);
    const stream = bystander.endpoint.peers[0]?.openStream();
    stream?.write(new Uint8Array(10));
    star.deliverFrom(bystander);
    const datagram = new Uint8Array(64);
    datagram.set([0x01, 0x80], 16); // Half a packet number.
    const length = attacker.endpoint.peers[0]?.session.seal(star.now, datagram, 0, 2, 2);
    receive(star, datagram.subarray(0, length), attacker.address);
    star.deliverFromRelay();
    stream?.write(new Uint8Array(20));
    star.deliverFrom(bystander);
    const [ended, other] = star.relay.peers;
    const events: EndpointEvent[] = [];
    for (let event = star.relay.pollEvent(); event !== undefined; event = star.relay.pollEvent())
      events.push(event);
    expect(events.filter(({ type }) => type === 'disconnected')).toMatchObject([{ peer: ended }]);
    expect(other?.stats()).toMatchObject({ connected: true, openStreams: 1, streamBytesReceived: 30 });
  });
});

describe('data', () => {
  it('goes to the peers in turn, one batch each', () => {
    const star = new Star(2);
    for (const client of star.clients) star.connect(client);
    for (const peer of star.relay.peers) peer.openStream()?.write(new Uint8Array(50_000));
    // Batches of one datagram, so that no batch takes everything that may be sent to a peer now.
    const batch = Object.assign(new TransmitBatch(), { buffer: new Uint8Array(1_500) });
    const order: unknown[] = [];
    for (let polls = 0; polls < 8 && star.relay.pollTransmit(star.now, batch); polls++) {
      order.push(batch.to?.address);
    }
    const turns = ['192.0.2.1', '192.0.2.2'];
    expect([turns, turns.toReversed()]).toContainEqual(order.slice(0, 2));
    for (let i = 2; i < 8; i++) expect(order[i]).toBe(order[i - 2]);
  });
});

describe('events', () => {
  // It must not matter where the last poll stopped.
  it.each([0, 1, 2])(
    'come from the peers in turn, so that one with many does not delay another (after %i empty polls)',
    (emptyPolls) => {
      const star = new Star(2);
      const [loud, quiet] = star.clients as [Client, Client];
      for (const client of [quiet, loud]) {
        star.connect(client);
        while (star.relay.pollEvent() !== undefined);
      }
      for (let i = 0; i < emptyPolls; i++) expect(star.relay.pollEvent()).toBeUndefined();
      for (const [client, streams] of [
        [loud, 300],
        [quiet, 1],
      ] as const) {
        for (let i = 0; i < streams; i++) client.endpoint.peers[0]?.openStream()?.write(Uint8Array.of(i));
        star.deliverFrom(client);
      }
      const [, quietPeer] = star.relay.peers;
      const order: EndpointEvent[] = [];
      for (let event = star.relay.pollEvent(); event !== undefined; event = star.relay.pollEvent()) {
        order.push(event);
      }
      expect(order.length).toBeGreaterThan(300);
      const at = order.findIndex((event) => event.type === 'stream-opened' && event.peer === quietPeer);
      expect(at).toBeGreaterThanOrEqual(0);
      expect(at).toBeLessThanOrEqual(32);
    },
  );
});

it('removes a peer once, and none in its place', () => {
  const star = new Star(3);
  const [first, second, third] = star.relay.peers;
  if (first === undefined) throw new Error('no peer');
  star.relay.removePeer(star.now, first, 'removed from the config');
  star.relay.removePeer(star.now, first, 'removed from the config');
  expect(star.relay.peers).toEqual([second, third]);
});

describe('a peer that is removed', () => {
  /** A relay with a connected client that has nothing to do, and whose stream is open. */
  function idle() {
    const star = new Star(1);
    const [client] = star.clients as [Client];
    star.connect(client);
    client.endpoint.peers[0]?.openStream()?.write(Uint8Array.of(1));
    for (let i = 0; i < 5; i++) {
      star.deliverFrom(client);
      star.takeRelayEvents();
      star.deliverFromRelay();
      star.takeRelayEvents();
      star.now += 100;
    }
    const [peer] = star.relay.peers;
    if (peer === undefined) throw new Error('no peer');
    return { star, peer };
  }

  it('reports the end of its streams, although nothing else touches it', () => {
    const { star, peer } = idle();
    expect(star.takeRelayEvents()).toEqual([]);
    star.relay.removePeer(star.now, peer, 'removed from the config');
    expect(star.takeRelayEvents()).toEqual(['stream-reset', 'stream-closed', 'disconnected']);
  });

  it('does nothing more after the farewell, whatever is asked of it', () => {
    const { star, peer } = idle();
    const stream = peer.openStream();
    star.relay.removePeer(star.now, peer, 'removed from the config');
    star.takeRelayEvents();
    peer.connect(star.now);
    peer.close();
    peer.setAddress(star.now, STRANGER);
    expect(stream?.write(Uint8Array.of(1))).toBe(0);
    expect(star.relay.pollTransmit(star.now, star.batch)).toBe(true); // the farewell
    expect(star.relay.pollTransmit(star.now, star.batch)).toBe(false);
    expect(star.takeRelayEvents()).toEqual([]);
    expect(star.relay.pollTimeout()?.reason).toBe('farewell');
  });
});

describe('an endpoint that is destroyed', () => {
  it('has no keys any more', () => {
    const star = new Star(2);
    for (const client of star.clients) star.connect(client);
    const views = () => star.relay.peers.map((peer) => peer.view.keypairs.length);
    expect(views()).toEqual([1, 1]);
    star.relay.destroy();
    expect(views()).toEqual([0, 0]);
  });
});

describe('a datagram that the system refuses because of its size (spec mtu 4.4)', () => {
  it('makes the peers at that address smaller ones, and no others, and asks for the loop', () => {
    const star = new Star(3);
    const told: [number, number][] = [];
    for (const [i, peer] of star.relay.peers.entries()) {
      const { handleTooLarge } = peer;
      peer.handleTooLarge = (now, bytes) => {
        told.push([i, bytes]);
        handleTooLarge.call(peer, now, bytes);
      };
    }
    for (const client of star.clients) star.connect(client);
    const { address } = star.clients[1] as Client;
    while (star.relay.pollTransmit(star.now, star.batch));
    star.relay.handleTooLarge(star.now, address, 1400);
    expect(told).toEqual([[1, 1400]]);
    star.relay.handleTooLarge(star.now, { ...address, port: address.port + 1 }, 1400);
    expect(told).toHaveLength(1);
  });
});

it('a connection that is closed before there are keys ends at once, and another can begin', () => {
  const star = new Star(1);
  const [{ endpoint }] = star.clients as [Client];
  const [peer] = endpoint.peers;
  const stream = peer?.openStream();
  stream?.write(Uint8Array.of(1));
  peer?.close();
  endpoint.pollTransmit(0, star.batch);
  const types: string[] = [];
  for (let event = endpoint.pollEvent(); event !== undefined; event = endpoint.pollEvent()) {
    types.push(event.type);
  }
  expect(types).toEqual(['stream-reset', 'stream-closed']);
  expect(peer?.openStream()?.write(Uint8Array.of(1))).toBe(1);
});
