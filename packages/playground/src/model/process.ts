import { type CryptoSuite, Endpoint, type EndpointOptions, type Peer } from '@underpass/protocol';
import { type NodeName, RELAY_ADDRESS, type SeededRandom, type World } from '@underpass/testkit/simulation';
import { Application } from './application.js';

/** The wall clock when virtual time begins: 14 November 2023. */
export const UNIX_MS_AT_START = 1_700_000_000_000;

/** What all processes of a run have in common. */
export interface ProcessContext {
  readonly suite: CryptoSuite;
  readonly world: World;
  readonly onKeyLog: (node: NodeName, line: string) => void;
}

/** A client or the relay: its keys, its clock, and the program that runs at present.
 *
 *  A restart ends the program and starts another one with the same keys: new epoch, new sessions, no streams. The run
 *  owns the processes, and wakes them through the world. */
export class Process {
  readonly node: NodeName;
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  endpoint: Endpoint | undefined;
  /** The other sides that it knows. A client has one: the relay. */
  readonly peers: Peer[] = [];
  application: Application;
  /** How far its wall clock is ahead of the true time. */
  clockErrorMs = 0;
  readonly #context: ProcessContext;
  readonly #transport: NonNullable<EndpointOptions['transport']>;
  readonly #random: SeededRandom;
  #starts = 0;

  constructor(
    node: NodeName,
    random: SeededRandom,
    transport: NonNullable<EndpointOptions['transport']>,
    context: ProcessContext,
  ) {
    this.node = node;
    this.#random = random;
    this.#transport = transport;
    this.#context = context;
    this.privateKey = random.derive('key').bytes(32);
    this.publicKey = context.suite.x25519PublicKey(this.privateKey);
    this.application = this.#newApplication();
  }

  get isRunning(): boolean {
    return this.endpoint !== undefined;
  }

  /** Starts the program, or ends the one that runs and starts another. */
  start(peers: readonly Process[]): void {
    const { suite, world, onKeyLog } = this.#context;
    const random = this.#random.derive(`start ${++this.#starts}`);
    this.application.stop();
    this.application = this.#newApplication();
    const endpoint = new Endpoint({
      role: this.node === 'relay' ? 'relay' : 'client',
      privateKey: this.privateKey,
      suite,
      random: (length) => random.bytes(length),
      unixTimeMs: () => UNIX_MS_AT_START + world.now + this.clockErrorMs,
      keyLog: (line) => onKeyLog(this.node, line),
      transport: this.#transport,
    });
    this.endpoint = endpoint;
    this.peers.length = 0;
    for (const peer of peers) this.addPeer(peer);
    world.setEndpoint(this.node, endpoint);
    if (this.node !== 'relay') this.connect();
  }

  addPeer({ publicKey, node }: Process): void {
    if (this.endpoint === undefined) return;
    const address = node === 'relay' ? { address: RELAY_ADDRESS } : {};
    this.peers.push(this.endpoint.addPeer({ publicKey, ...address }));
  }

  connect(): void {
    this.peers[0]?.connect(this.#context.world.now);
    this.#context.world.wake(this.node);
  }

  wake(): void {
    this.#context.world.wake(this.node);
  }

  #newApplication(): Application {
    return new Application(this.#context.world.queue, () => this.wake());
  }
}
