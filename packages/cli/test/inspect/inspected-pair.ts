/** A client and a relay in virtual time, of which the client is inspected. */
import { Endpoint, type EndpointEvent, type Peer, type Stream } from '@underpass/protocol';
import { watchedSuite } from '@underpass/runtime';
import {
  createInsecureTestSuite,
  Pair,
  PERFECT_LINK,
  PERFECT_NETWORK,
  RELAY_ADDRESS,
  SeededRandom,
} from '@underpass/testkit';
import { DatagramSampler } from '../../src/inspect/datagram-sampler.js';
import type { InspectedProcess } from '../../src/inspect/inspected-process.js';

const LINK = { ...PERFECT_LINK, delayMs: 10, bytesPerMs: 1000, queueBytes: 200_000 };

export class InspectedPair {
  readonly world: Pair;
  readonly sampler: DatagramSampler;
  readonly client: Endpoint;
  readonly peer: Peer;
  /** The private keys and what the suite was given as keys. */
  readonly secrets: Uint8Array[] = [];
  /** What the relay receives. */
  received = 0;

  constructor(seed = 1) {
    const random = new SeededRandom(seed);
    this.world = new Pair({
      network: { ...PERFECT_NETWORK, toRelay: LINK, toClient: LINK },
      random,
      onEvent: (_side, event) => this.#onEvent(event),
      onViolation: (violation) => expectNothing(violation),
      watcher: {
        onSent: (node, to, bytes) => {
          if (node === 'client') this.sampler.onSent(bytes, RELAY_ADDRESS, to);
        },
        onArrival: (node, bytes, from) => {
          if (node === 'client') this.sampler.onReceived(bytes, from);
        },
      },
    });
    this.sampler = new DatagramSampler(() => this.world.now);
    const plain = createInsecureTestSuite();
    const noting = {
      ...plain,
      aead: (key: Uint8Array) => {
        this.secrets.push(new Uint8Array(key));
        return plain.aead(key);
      },
    };
    const keys = { client: random.bytes(32), relay: random.bytes(32) };
    this.secrets.push(keys.client, keys.relay);
    const create = (role: 'client' | 'relay', suite: typeof plain): Endpoint => {
      const draws = random.derive(role);
      return new Endpoint({
        role,
        privateKey: keys[role],
        suite,
        random: (length) => draws.bytes(length),
        unixTimeMs: () => 1_700_000_000_000 + this.world.now,
      });
    };
    this.client = create('client', watchedSuite(noting, this.sampler));
    const relay = create('relay', plain);
    this.peer = this.client.addPeer({ publicKey: relay.publicKey, address: RELAY_ADDRESS });
    relay.addPeer({ publicKey: this.client.publicKey });
    this.world.setEndpoint('relay', relay);
    this.world.setEndpoint('client', this.client);
  }

  get process(): InspectedProcess {
    return {
      process: { kind: 'client', name: 'vps', version: '0', suite: 'test', socket: 'native' },
      peers: () => [{ name: 'vps', peer: this.peer, targets: () => new Map([[0, 'localhost:80']]) }],
    };
  }

  /** Sends these bytes on a new stream. */
  send(bytes: Uint8Array): Stream {
    const stream = this.peer.openStream();
    if (stream === undefined) throw new Error('no stream');
    let at = 0;
    const more = (): void => {
      at += stream.write(bytes.subarray(at));
      this.world.wake('client');
      if (at < bytes.length) this.world.queue.schedule(this.world.now + 5, more);
    };
    more();
    return stream;
  }

  #onEvent(event: EndpointEvent): void {
    if (event.type !== 'stream-readable') return;
    for (let piece = event.stream.read(); piece !== undefined; piece = event.stream.read()) {
      this.received += piece.length;
    }
    this.world.wake('relay');
  }
}

function expectNothing(violation: string): never {
  throw new Error(violation);
}
