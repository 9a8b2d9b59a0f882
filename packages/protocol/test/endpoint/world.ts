/** A client and a relay over a simulated network. A test starts and restarts them at will, and sees everything that
 *  each run reported. */
import {
  Endpoint,
  type EndpointEvent,
  type Peer,
  type Stream,
  type TransportConfig,
} from '@underpass/protocol';
import {
  createInsecureTestSuite,
  type NetworkConditions,
  Pair,
  PERFECT_NETWORK,
  RELAY_ADDRESS,
  SeededRandom,
  type Side,
} from '@underpass/testkit';
import { expect } from 'vitest';

const KEYS = { client: new Uint8Array(32).fill(1), relay: new Uint8Array(32).fill(2) };

export type Transports = Partial<Record<Side, Partial<TransportConfig>>>;

export class World {
  readonly suite = createInsecureTestSuite();
  readonly random = new SeededRandom(1);
  readonly events: Record<Side, string[]> = { client: [], relay: [] };
  /** When each side reported that streams wait, and that the peer is heard again. */
  readonly waits: { side: Side; type: string; at: number }[] = [];
  /** How many streams ended with each connection. */
  readonly lost: Record<Side, number[]> = { client: [], relay: [] };
  readonly incoming: Record<Side, Stream[]> = { client: [], relay: [] };
  readonly peers = {} as Record<Side, Peer>;
  readonly endpoints = {} as Record<Side, Endpoint>;
  readonly pair: Pair;
  readonly #runs = { client: 0, relay: 0 };

  readonly #transport: Transports;

  constructor(network: NetworkConditions = PERFECT_NETWORK, transport: Transports = {}) {
    this.#transport = transport;
    this.pair = new Pair({
      network,
      random: this.random,
      onEvent: (side, event) => this.#onEvent(side, event),
      onViolation: (violation) => expect.unreachable(violation),
    });
    this.start('relay');
    this.start('client');
    this.peers.client.connect(0);
  }

  /** Starts a side. If it was running, its process ends first, and the new one has the same key. */
  start(side: Side): void {
    const other = side === 'client' ? 'relay' : 'client';
    const random = this.random.derive(`${side} ${++this.#runs[side]}`);
    const endpoint = new Endpoint({
      role: side,
      privateKey: KEYS[side],
      suite: this.suite,
      random: (length) => random.bytes(length),
      unixTimeMs: () => 1_700_000_000_000 + Math.floor(this.pair.now),
      transport: this.#transport[side] ?? {},
    });
    this.endpoints[side] = endpoint;
    this.peers[side] = endpoint.addPeer({
      publicKey: this.suite.x25519PublicKey(KEYS[other]),
      ...(side === 'client' && { address: RELAY_ADDRESS }),
    });
    this.pair.setEndpoint(side, endpoint);
  }

  open(side: Side, bytes = 10): Stream {
    const stream = this.peers[side].openStream() as Stream;
    this.write(side, stream, bytes);
    return stream;
  }

  write(side: Side, stream: Stream, bytes: number): void {
    stream.write(new Uint8Array(bytes));
    this.pair.wake(side);
  }

  run(ms: number): void {
    this.pair.run(this.pair.now + ms);
  }

  /** The events since the last call, except those that only report bytes. */
  take(side: Side): string[] {
    return this.events[side].splice(0).filter((event) => !event.startsWith('stream-readable'));
  }

  #onEvent(side: Side, event: EndpointEvent): void {
    if (event.type === 'disconnected') this.lost[side].push(event.lostStreams);
    if (event.type === 'waiting' || event.type === 'resumed') {
      this.waits.push({ side, type: event.type, at: this.pair.now });
      return;
    }
    const stream = 'stream' in event ? ` ${event.stream.id}` : '';
    const code = 'code' in event ? ` ${event.code}` : '';
    const error = 'error' in event ? ` ${event.error.by} ${event.error.reason}` : '';
    this.events[side].push(`${event.type}${stream}${code}${error}`);
    if (event.type === 'stream-opened') this.incoming[side].push(event.stream);
  }
}
