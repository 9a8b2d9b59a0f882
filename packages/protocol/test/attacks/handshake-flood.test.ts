/** A flood of forged initiations, which anybody can make who knows the relay's public key, at an endpoint that is
 *  driven as the program drives it. */
import { type Address, Endpoint, type Stream, TransmitBatch } from '@underpass/protocol';
import { createInsecureTestSuite, SeededRandom } from '@underpass/testkit';
import { describe, expect, it } from 'vitest';
import { mac1Key, writeMacs } from '../../src/wireguard/mac.js';

const RELAY: Address = { address: '198.51.100.1', port: 51_820 };
const FORGED_PER_MS = 15;
/** How many batches the driver sends in a turn. */
const BATCHES_PER_TURN = 8;
/** Two tries of a handshake: an initiation every 5 s, and its copies (spec session 5.5, 5.7). */
const TWO_TRIES_MS = 10_000;
const REKEY_AFTER_TIME_MS = 120_000;

type Side = 'relay' | 'established' | 'new';

/** A relay, a client that is connected and one that is not, and a flood that a test can turn on. */
class FloodedRelay {
  now = 0;
  /** How many messages the relay has sent to addresses of the flood. */
  answersToStrangers = 0;
  received = 0;
  isFlooded = false;
  readonly #suite = createInsecureTestSuite();
  readonly #random = new SeededRandom(11);
  readonly #endpoints: Record<Side, Endpoint>;
  readonly #addresses: Record<Side, Address> = {
    relay: RELAY,
    established: { address: '192.0.2.1', port: 1001 },
    new: { address: '192.0.2.2', port: 1002 },
  };
  readonly #forged: Uint8Array;
  readonly #batch = new TransmitBatch();
  #flights: { readonly to: Side; readonly from: Address; readonly bytes: Uint8Array }[] = [];

  constructor() {
    this.#endpoints = {
      relay: this.#create('relay'),
      established: this.#create('client'),
      new: this.#create('client'),
    };
    const { relay } = this.#endpoints;
    for (const side of ['established', 'new'] as const) {
      this.#endpoints[side].addPeer({ publicKey: relay.publicKey, address: RELAY });
      relay.addPeer({ publicKey: this.#endpoints[side].publicKey });
    }
    this.#forged = new Uint8Array(148).fill(7);
    this.#forged.set([1, 0, 0, 0]);
    writeMacs(this.#suite, mac1Key(this.#suite, relay.publicKey), undefined, this.#forged);
  }

  peer(side: 'established' | 'new') {
    const [peer] = this.#endpoints[side].peers;
    if (peer === undefined) throw new Error('a client knows the relay');
    return peer;
  }

  get drops() {
    return this.#endpoints.relay.drops;
  }

  /** Lets time pass, one turn per millisecond.
   *  @param done ends the run early when it returns true */
  run(ms: number, done: () => boolean = () => false): void {
    for (const end = this.now + ms; this.now < end && !done(); this.now++) {
      if (this.isFlooded) for (let i = 0; i < FORGED_PER_MS; i++) this.#forge(i);
      for (const { to, from, bytes } of this.#flights.splice(0)) this.#receive(to, bytes, from);
      for (const side of ['relay', 'established', 'new'] as const) this.#turn(side);
    }
  }

  /** The flood comes first in every millisecond, and from a new address each time. */
  #forge(i: number): void {
    const from = { address: `10.${i}.${this.now >>> 8}.${this.now & 255}`, port: 4000 };
    this.#receive('relay', this.#forged.slice(), from);
  }

  #create(role: 'client' | 'relay'): Endpoint {
    const random = this.#random.derive(`${role} ${this.#random.bytes(4).join()}`);
    return new Endpoint({
      role,
      privateKey: random.bytes(32),
      suite: this.#suite,
      random: (length) => random.bytes(length),
      unixTimeMs: () => 1_700_000_000_000 + this.now,
    });
  }

  #receive(to: Side, bytes: Uint8Array, from: Address): void {
    const reaction = this.#endpoints[to].handleDatagram(this.now, bytes, from);
    if (reaction instanceof Uint8Array) this.#send(to, from, reaction);
  }

  #turn(side: Side): void {
    const endpoint = this.#endpoints[side];
    const due = endpoint.pollTimeout();
    if (due !== undefined && due.at <= this.now) endpoint.handleTimeout(this.now);
    for (let count = 0; count < 100; count++) {
      const event = endpoint.pollEvent();
      if (event === undefined) break;
      if (event.type !== 'stream-opened' && event.type !== 'stream-readable') continue;
      for (let bytes = event.stream.read(); bytes !== undefined; bytes = event.stream.read()) {
        this.received += bytes.length;
      }
    }
    const batch = this.#batch;
    for (let count = 0; count < BATCHES_PER_TURN && endpoint.pollTransmit(this.now, batch); count++) {
      for (let at = 0; at < batch.lengthBytes; at += batch.segmentBytes) {
        const end = Math.min(at + batch.segmentBytes, batch.lengthBytes);
        this.#send(side, batch.to as Address, batch.buffer.slice(at, end));
      }
    }
  }

  #send(from: Side, to: Address, bytes: Uint8Array): void {
    const target = (['relay', 'established', 'new'] as const).find(
      (side) => this.#addresses[side].address === to.address,
    );
    if (target === undefined) this.answersToStrangers++;
    else this.#flights.push({ to: target, from: this.#addresses[from], bytes });
  }
}

describe('15,000 forged initiations a second', () => {
  it('do not lock out a new client, which connects within two tries (spec handshake 5.3, 6.2)', () => {
    const world = new FloodedRelay();
    world.isFlooded = true;
    world.run(1_000);
    const peer = world.peer('new');
    peer.connect(world.now);
    world.run(TWO_TRIES_MS, () => peer.stats().connected);
    expect(peer.stats().connected).toBe(true);
    expect(world.drops['cookie-required']).toBeGreaterThan(10_000);
  });

  it('do not keep a connected client from renewing its keys, and it loses no data', () => {
    const world = new FloodedRelay();
    const peer = world.peer('established');
    const stream = peer.openStream() as Stream;
    let sent = 0;
    const write = (): void => {
      sent += stream.write(new Uint8Array(1000));
    };
    write();
    world.run(REKEY_AFTER_TIME_MS - 1_000);
    expect(peer.stats().handshakes).toBe(1);
    world.isFlooded = true;
    world.run(2_000);
    write();
    world.run(TWO_TRIES_MS, () => {
      if (world.now % 100 === 0) write();
      return peer.stats().handshakes === 2;
    });
    expect(peer.stats().handshakes).toBe(2);
    write();
    world.run(500);
    expect(world.received).toBe(sent);
  });

  it('get at most 8,000 answers a second (spec handshake 5.3)', () => {
    const world = new FloodedRelay();
    world.isFlooded = true;
    world.run(2_000);
    expect(world.answersToStrangers).toBeGreaterThan(8_000);
    expect(world.answersToStrangers).toBeLessThanOrEqual(16_000 + 160);
  });
});
