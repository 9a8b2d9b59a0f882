/** Real and forged moves of a peer, between two endpoints whose datagrams a test can divert (spec path). */
import {
  type Address,
  BASE_DATAGRAM_BYTES,
  Endpoint,
  MAX_PROBED_DATAGRAM_BYTES,
  type Peer,
  type Stream,
  TransmitBatch,
} from '@underpass/protocol';
import { CryptoLog, createInsecureTestSuite, SeededRandom } from '@underpass/testkit';
import { beforeEach, describe, expect, it } from 'vitest';

const RELAY: Address = { address: '198.51.100.1', port: 51_820 };
const HOME: Address = { address: '192.0.2.1', port: 1000 };
const REBOUND: Address = { address: '192.0.2.1', port: 2000 };
const AWAY: Address = { address: '203.0.113.9', port: 3000 };
const ATTACKER: Address = { address: '203.0.113.66', port: 666 };
const ONE_WAY_MS = 10;

interface Flight {
  readonly at: number;
  readonly to: 'client' | 'relay';
  readonly from: Address;
  readonly bytes: Uint8Array;
}

class World {
  now = 0;
  /** Where the client is. */
  clientAddress = HOME;
  /** Every datagram that the relay sent, and where it went. */
  readonly relaySent: { readonly at: number; readonly to: Address; readonly bytes: number }[] = [];
  /** Where the relay sent challenges. */
  readonly challenged: Address[] = [];
  readonly #log = new CryptoLog(createInsecureTestSuite(), () => this.now);
  /** What the attacker does with a datagram of the client before it is delivered, if it is. */
  onClientSends: (bytes: Uint8Array) => 'withhold' | undefined = () => undefined;
  /** Whether a datagram of the relay is lost. */
  isLost: (bytes: Uint8Array) => boolean = () => false;
  readonly client: Endpoint;
  readonly relay: Endpoint;
  readonly clientPeer: Peer;
  readonly relayPeer: Peer;
  stream: Stream | undefined;
  received = 0;
  /** The ports of the moves that the relay reported. */
  readonly moves: (number | undefined)[][] = [];
  #left = 0;
  #flights: Flight[] = [];
  readonly #batch = new TransmitBatch();

  constructor() {
    const suite = createInsecureTestSuite();
    const random = new SeededRandom(4);
    const keys = [random.bytes(32), random.bytes(32)] as const;
    const [client, relay] = (['client', 'relay'] as const).map(
      (role, i) =>
        new Endpoint({
          role,
          privateKey: keys[i] as Uint8Array,
          suite: role === 'relay' ? this.#log.suite : suite,
          random: (length) => random.bytes(length),
          unixTimeMs: () => 1_700_000_000_000 + this.now,
          transport: { maxDatagramBytes: MAX_PROBED_DATAGRAM_BYTES },
        }),
    ) as [Endpoint, Endpoint];
    this.client = client;
    this.relay = relay;
    this.clientPeer = client.addPeer({ publicKey: relay.publicKey, address: RELAY });
    this.relayPeer = relay.addPeer({ publicKey: client.publicKey });
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now++) {
      const due = this.#flights.filter(({ at }) => at <= this.now);
      this.#flights = this.#flights.filter(({ at }) => at > this.now);
      for (const { to, from, bytes } of due) this[to].handleDatagram(this.now, bytes, from);
      for (const side of ['client', 'relay'] as const) this.#turn(side);
    }
  }

  /** Has the relay send this many bytes to the client. */
  download(bytes: number): void {
    this.#left += bytes;
    this.#pour();
  }

  #pour(): void {
    while (this.#left > 0) {
      const taken = (this.stream as Stream).write(new Uint8Array(Math.min(this.#left, 65_536)));
      if (taken === 0) return;
      this.#left -= taken;
    }
  }

  /** The attacker sends a datagram of the client from an address that it chooses. */
  inject(bytes: Uint8Array, from: Address, delayMs: number): void {
    this.#flights.push({ at: this.now + delayMs, to: 'relay', from, bytes: bytes.slice() });
  }

  #turn(side: 'client' | 'relay'): void {
    const endpoint = this[side];
    const due = endpoint.pollTimeout();
    if (due !== undefined && due.at <= this.now) endpoint.handleTimeout(this.now);
    for (let event = endpoint.pollEvent(); event !== undefined; event = endpoint.pollEvent()) {
      if (event.type === 'moved' && side === 'relay') this.moves.push([event.from.port, event.to.port]);
      if (event.type === 'stream-opened' && side === 'relay') this.stream = event.stream;
      if (event.type === 'stream-writable' && side === 'relay') this.#pour();
      if (event.type !== 'stream-opened' && event.type !== 'stream-readable') continue;
      for (let bytes = event.stream.read(); bytes !== undefined; bytes = event.stream.read()) {
        this.received += bytes.length;
      }
    }
    const batch = this.#batch;
    while (endpoint.pollTransmit(this.now, batch)) {
      for (let at = 0; at < batch.lengthBytes; at += batch.segmentBytes) {
        const end = Math.min(at + batch.segmentBytes, batch.lengthBytes);
        this.#send(side, batch.to as Address, batch.buffer.slice(at, end));
      }
    }
  }

  #send(side: 'client' | 'relay', to: Address, bytes: Uint8Array): void {
    const at = this.now + ONE_WAY_MS;
    if (side === 'client') {
      if (this.onClientSends(bytes) === 'withhold') return;
      this.#flights.push({ at, to: 'relay', from: this.clientAddress, bytes });
      return;
    }
    this.relaySent.push({ at: this.now, to, bytes: bytes.length });
    if (bytes[0] === 4 && this.#log.sealed.shift()?.packet?.challenge !== undefined) this.challenged.push(to);
    const isThere = to.address === this.clientAddress.address && to.port === this.clientAddress.port;
    if (isThere && !this.isLost(bytes)) this.#flights.push({ at, to: 'client', from: RELAY, bytes });
  }

  sentTo(address: Address): number {
    return this.relaySent
      .filter(({ to }) => to.address === address.address && to.port === address.port)
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

let world: World;
let upload: Stream;
beforeEach(() => {
  world = new World();
  upload = world.clientPeer.openStream() as Stream;
  upload.write(new Uint8Array(10));
  world.run(500);
  expect(world.relayPeer.stats().address).toEqual(HOME);
});

describe('a peer that moves', () => {
  it('is believed after one round trip, and the path is then learned again (spec path 3, 4)', () => {
    const before = world.relayPeer.stats().smoothedRttMs;
    expect(before).toBeDefined();
    world.clientAddress = AWAY;
    upload.write(new Uint8Array(10));
    world.run(15);
    expect(world.relayPeer.stats().address).toEqual(AWAY);
    expect(world.relayPeer.stats().smoothedRttMs).toBe(before);
    world.run(25);
    expect(world.relayPeer.stats().smoothedRttMs).toBeUndefined();
    world.download(500_000);
    world.run(2_000);
    expect(world.received).toBe(500_020);
  });

  it('is reported when its new address is proven, at most once a second (spec path 3)', () => {
    const go = (address: Address): void => {
      world.clientAddress = address;
      upload.write(new Uint8Array(10));
    };
    go(AWAY);
    world.run(15);
    expect(world.moves).toEqual([]);
    world.run(100);
    expect(world.moves).toEqual([[HOME.port, AWAY.port]]);
    go(HOME);
    world.run(100);
    expect(world.relayPeer.stats().address).toEqual(HOME);
    expect(world.moves).toHaveLength(1);
    world.run(1_000);
    go(REBOUND);
    world.run(100);
    expect(world.moves.slice(1)).toEqual([[AWAY.port, REBOUND.port]]);
  });

  it('keeps what is known about the path if only its port has changed (spec path 4: "MUST keep everything that it knows")', () => {
    world.download(500_000);
    world.run(1_000);
    const before = world.relayPeer.stats();
    world.clientAddress = REBOUND;
    upload.write(new Uint8Array(10));
    world.run(100);
    const after = world.relayPeer.stats();
    expect(after.address).toEqual(REBOUND);
    expect(after.smoothedRttMs).toBeDefined();
    expect(after.congestionWindowBytes).toBeGreaterThanOrEqual(before.congestionWindowBytes / 2);
  });

  it('to another IP address is not probed as fast as where it was (spec path 4: "MUST NOT count for the new path")', () => {
    world.clientPeer.setAddress(world.now, { ...RELAY, address: '198.51.100.2' });
    const probedAt: number[] = [];
    world.onClientSends = () => {
      probedAt.push(world.now);
      return 'withhold';
    };
    const movedAt = world.now;
    upload.write(new Uint8Array(10));
    world.run(1_500);
    // At first the data and its copy. The keys were agreed on in 20 ms, so probes would follow after 85 ms there.
    expect(probedAt.filter((at) => at - movedAt > 50 && at - movedAt < 1_000)).toEqual([]);
    expect(probedAt.filter((at) => at - movedAt >= 1_000)).not.toEqual([]);
  });

  it('during a download is found because the client asks (spec outage 3)', () => {
    world.download(5_000_000);
    world.run(100);
    world.clientAddress = AWAY;
    const before = world.received;
    world.run(700);
    expect(world.received).toBeGreaterThan(before + 500_000);
  });

  it('gets no datagram larger than the base before it is believed (spec mtu 5: "MUST NOT be larger than the base")', () => {
    world.download(1_000_000);
    world.run(1_000);
    expect(Math.max(...world.relaySent.map(({ bytes }) => bytes))).toBe(MAX_PROBED_DATAGRAM_BYTES);
    world.clientAddress = AWAY;
    // Much arrives from there, so much may be sent.
    upload.write(new Uint8Array(30_000));
    world.run(30);
    const sizes = world.relaySent.filter(({ to }) => to === AWAY).map(({ bytes }) => bytes);
    expect(Math.max(...sizes)).toBe(BASE_DATAGRAM_BYTES);
  });
});

it('a peer that moves during an MTU search gets no probe before it is believed (spec mtu 5)', () => {
  for (let movesAt = 0; movesAt < 120; movesAt += 3) {
    world = new World();
    world.clientPeer.openStream()?.write(new Uint8Array(10));
    world.run(movesAt);
    world.clientAddress = AWAY;
    let came = 0;
    world.onClientSends = (bytes) => {
      came += bytes.length;
      return undefined;
    };
    world.run(100);
    const there = world.relaySent.filter(({ to }) => to === AWAY);
    // The answer to the challenge takes one round trip.
    const untilBelieved = there.filter(({ at }) => at < (there[0]?.at as number) + 2 * ONE_WAY_MS);
    for (const { bytes } of untilBelieved) expect(bytes).toBeLessThanOrEqual(BASE_DATAGRAM_BYTES);
    expect(untilBelieved.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(3 * came);
  }
});

it('a peer that moves before its first address is proven has to prove the next one too (spec path 2: "MUST be on trial")', () => {
  world = new World();
  // The client's initiation arrives, but nothing that it sends under its keys. So the relay initiates too.
  world.onClientSends = (bytes) => (bytes[0] === 1 ? undefined : 'withhold');
  world.clientPeer.openStream()?.write(new Uint8Array(10));
  world.run(50);
  world.relayPeer.openStream()?.write(new Uint8Array(10_000));
  world.run(50);
  // A copy of the client's response is the first thing that arrives from its new port.
  world.clientAddress = REBOUND;
  let came = 0;
  let isThere = false;
  world.onClientSends = (bytes) => {
    isThere ||= bytes[0] === 2;
    if (!isThere) return 'withhold';
    came += bytes.length;
    return undefined;
  };
  while (world.sentTo(REBOUND) === 0) world.run(1);
  // Its first packet under the keys takes one round trip, and its answer to the challenge another.
  world.run(4 * ONE_WAY_MS - 2);
  expect(world.sentTo(REBOUND)).toBeLessThanOrEqual(3 * came);
  for (const { bytes } of world.relaySent) expect(bytes).toBeLessThanOrEqual(BASE_DATAGRAM_BYTES);
  world.run(1_000);
  expect(world.received).toBe(10_010);
  world.download(500_000);
  world.run(2_000);
  expect(world.received).toBe(510_010);
});

it('a challenge that had to wait is not sent to another address (spec path 3: "MUST NOT be sent to any other address")', () => {
  const held: Uint8Array[] = [];
  world.onClientSends = (bytes) => {
    held.push(bytes.slice());
    return 'withhold';
  };
  for (let i = 0; i < 2; i++) {
    upload.write(new Uint8Array(10));
    world.run(2);
  }
  world.onClientSends = () => undefined;
  const [first, second] = held as [Uint8Array, Uint8Array];
  world.relay.handleDatagram(world.now, first, AWAY);
  world.relay.handleTimeout(world.now);
  expect(world.relayPeer.stats().address).toEqual(AWAY);
  world.relay.handleDatagram(world.now, second, HOME);
  world.run(50);
  expect(world.relayPeer.stats().address).toEqual(HOME);
  expect(world.challenged).toEqual([]);
  // A challenge whose address is still on trial does go out.
  world.clientAddress = AWAY;
  upload.write(new Uint8Array(10));
  world.run(50);
  expect(world.challenged).toEqual([AWAY]);
});

describe('an attacker', () => {
  it('whose copy overtakes the original gets at most three times its size, until the next genuine datagram', () => {
    world.download(5_000_000);
    world.run(300);
    const known = world.relayPeer.stats().smoothedRttMs as number;
    let copied = 0;
    world.onClientSends = (bytes) => {
      if (copied > 0) return undefined;
      copied = bytes.length;
      world.inject(bytes, ATTACKER, 1);
      return undefined;
    };
    world.run(1_000);
    expect(copied).toBeGreaterThan(0);
    expect(world.sentTo(ATTACKER)).toBeLessThanOrEqual(3 * copied);
    const after = world.relayPeer.stats();
    expect(after.address).toEqual(HOME);
    expect(Math.abs((after.smoothedRttMs as number) - known)).toBeLessThan(known);
  });

  it('whose copies all overtake the originals gets no more either, and the transfer continues', () => {
    world.download(20_000_000);
    world.run(300);
    let copied = 0;
    world.onClientSends = (bytes) => {
      copied += bytes.length;
      world.inject(bytes, ATTACKER, 1);
      return undefined;
    };
    world.run(3_000);
    expect(world.sentTo(ATTACKER)).toBeLessThanOrEqual(3 * copied);
    world.onClientSends = () => undefined;
    world.run(3_000);
    expect(world.relayPeer.stats().address).toEqual(HOME);
    expect(world.received).toBe(20_000_010);
  });

  it('cannot divert the path with a datagram that it has held back (spec path 1)', () => {
    let held: Uint8Array | undefined;
    world.onClientSends = (bytes) => {
      held = bytes.slice();
      return 'withhold';
    };
    upload.write(new Uint8Array(10));
    world.run(1);
    world.onClientSends = () => undefined;
    const genuine = held as Uint8Array;
    // The relay has seen only newer ones, so this one opens and is not a replay.
    upload.write(new Uint8Array(10));
    world.run(500);
    const { datagramsReceived } = world.relayPeer.stats();
    world.inject(genuine, ATTACKER, 0);
    world.run(1);
    expect(world.relayPeer.stats().datagramsReceived).toBe(datagramsReceived + 1);
    world.run(50);
    expect(world.sentTo(ATTACKER)).toBe(0);
    expect(world.relayPeer.stats().address).toEqual(HOME);
  });

  it.each([
    ['while the relay has data for the client', 5_000_000],
    ['while the relay has nothing to say', 0],
  ])(
    'that diverts a handshake gets at most three times its bytes, including responses, %s (spec path 2)',
    (_, bytes) => {
      world.run(6_000);
      world.download(bytes);
      world.run(100);
      let copied = 0;
      world.onClientSends = (datagram) => {
        // Only the initiation arrives, from the attacker's address. The client is cut off from now on.
        if (datagram[0] === 1 && copied === 0) {
          copied = datagram.length;
          world.inject(datagram, ATTACKER, 1);
        }
        return 'withhold';
      };
      world.clientPeer.session.requestHandshake(world.now);
      world.run(30_000);
      expect(copied).toBe(148);
      expect(world.sentTo(ATTACKER)).toBeGreaterThanOrEqual(92);
      expect(world.sentTo(ATTACKER)).toBeLessThanOrEqual(3 * copied);
    },
  );

  it('that gets the first of an initiation\'s copies is not proven by the response to another (spec path 2: "MUST go to the address")', () => {
    world = new World();
    let copied = 0;
    // The attacker's copy of the client's first message overtakes the original.
    world.onClientSends = (bytes) => {
      if (copied === 0) world.inject(bytes, ATTACKER, 1);
      copied ||= bytes.length;
      return undefined;
    };
    // The relay's own initiation goes to the attacker, and a copy of it to the client, once the client has tried again.
    world.isLost = (bytes) => bytes[0] === 2;
    world.clientPeer.openStream()?.write(new Uint8Array(10));
    world.run(4_900);
    world.relayPeer.openStream()?.write(new Uint8Array(500_000));
    // Everything that the client sends under the keys comes from the attacker.
    world.onClientSends = (bytes) => {
      if (bytes[0] !== 4) return undefined;
      copied += bytes.length;
      world.inject(bytes, ATTACKER, 1);
      return 'withhold';
    };
    world.run(3_000);
    expect(world.sentTo(HOME)).toBeGreaterThan(0);
    expect(world.sentTo(ATTACKER)).toBeLessThanOrEqual(3 * copied);
  });

  it('with the first handshake of a peer gets at most three times its bytes, whatever the relay has to send (spec path 2)', () => {
    world = new World();
    let copied = 0;
    world.onClientSends = (datagram) => {
      if (datagram[0] === 1 && copied === 0) {
        copied = datagram.length;
        world.inject(datagram, ATTACKER, 1);
      }
      return 'withhold';
    };
    world.clientPeer.connect(world.now);
    world.run(50);
    world.relayPeer.openStream()?.write(new Uint8Array(1000));
    world.relayPeer.connect(world.now);
    world.run(60_000);
    expect(copied).toBe(148);
    expect(world.sentTo(ATTACKER)).toBeGreaterThanOrEqual(92);
    expect(world.sentTo(ATTACKER)).toBeLessThanOrEqual(3 * copied);
  });
});
