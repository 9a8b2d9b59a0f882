/** The processes of a simulated scenario, with their keys. */
import type { CryptoSuite, PeerOptions } from '@underpass/protocol';
import type { Content } from './content.js';
import { CryptoLog } from './observer/crypto-log.js';
import type { ObservedProcess, Observer } from './observer/observer.js';
import { ProcessModel } from './process-model.js';
import type { Scenario } from './scenario.js';
import { RELAY_ADDRESS } from './simulation/network-conditions.js';
import type { SeededRandom } from './simulation/seeded-random.js';
import { clientName, type NodeName, type World } from './simulation/world.js';
import type { Report } from './stream-model.js';

/** The wall clock when virtual time begins: 14 November 2023. */
export const START_UNIX_MS = 1_700_000_000_000;

/** spec handshake 2.2 */
const NO_PRESHARED_KEY = new Uint8Array(32);

export interface ProcessTableOptions {
  readonly scenario: Scenario;
  readonly nodes: readonly NodeName[];
  readonly suite: CryptoSuite;
  readonly content: Content;
  readonly random: SeededRandom;
  readonly world: World;
  readonly observer: Observer;
  readonly report: Report;
  readonly onKeyLog?: (node: NodeName, line: string) => void;
}

interface Keys {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** Owns the keys of each node and every run of its process.
 *
 *  A node keeps its keys over all its runs. `start` creates the next run, shows it to the observer and puts its
 *  endpoint into the world. The run of the scenario decides when processes start and end; streams find the process at
 *  their other end here. */
export class ProcessTable {
  readonly #options: ProcessTableOptions;
  readonly #keys = new Map<NodeName, Keys>();
  readonly #presharedKeys = new Map<NodeName, Uint8Array>();
  /** All runs of each node, in order. */
  readonly #runs = new Map<NodeName, ProcessModel[]>();

  constructor(options: ProcessTableOptions) {
    this.#options = options;
    const { scenario, nodes, suite, random } = options;
    const keys = random.derive('keys');
    for (const node of nodes) {
      const privateKey = keys.bytes(32);
      this.#keys.set(node, { privateKey, publicKey: suite.x25519PublicKey(privateKey) });
      this.#runs.set(node, []);
    }
    for (const [i, client] of scenario.clients.entries()) {
      if (client.hasPresharedKey) this.#presharedKeys.set(clientName(i), keys.bytes(32));
    }
  }

  get all(): ProcessModel[] {
    return [...this.#runs.values()].flat();
  }

  /** The latest run of that node, which may have ended. */
  current(node: NodeName): ProcessModel {
    return this.#runs.get(node)?.at(-1) as ProcessModel;
  }

  find(node: NodeName, run: number): ProcessModel | undefined {
    return this.#runs.get(node)?.[run - 1];
  }

  get suite(): CryptoSuite {
    return this.#options.suite;
  }
  keysOf(node: NodeName): Keys {
    return this.#keys.get(node) as Keys;
  }
  presharedKeyOf(client: NodeName): Uint8Array {
    return this.#presharedKeys.get(client) ?? NO_PRESHARED_KEY;
  }
  /** What the node's wall clock shows. */
  unixTimeMs(node: NodeName): number {
    return START_UNIX_MS + Math.floor(this.#options.world.now) + this.#wallOffset(node);
  }

  start(node: NodeName): void {
    const { scenario, nodes, suite, content, random, world, observer, report, onKeyLog } = this.#options;
    const runs = this.#runs.get(node) as ProcessModel[];
    const run = runs.length + 1;
    const { privateKey } = this.keysOf(node);
    const crypto = new CryptoLog(suite, () => world.now);
    const isRelay = node === 'relay';
    const peers = isRelay ? nodes.filter((peer) => peer !== 'relay') : (['relay'] as const);
    const model = new ProcessModel({
      node,
      run,
      privateKey,
      peers: peers.map((peer) => ({ node: peer, options: this.peerOptions(node, peer) })),
      suite: crypto.suite,
      transport: isRelay ? scenario.relayTransport : (scenario.clients[nodes.indexOf(node)]?.transport ?? {}),
      random: random.derive(`${node} ${run}`),
      unixTimeMs: () => this.unixTimeMs(node),
      now: () => world.now,
      content,
      findProcess: (other, otherRun) => this.find(other, otherRun),
      after: (delayMs, action) => world.queue.schedule(world.now + delayMs, action),
      wake: () => world.wake(node),
      dispatch: () => world.dispatchEvents(node),
      onCommand: (peer, streamId, command) => observer.onCommand(node, peer, streamId, command),
      report,
      ...(onKeyLog && { keyLog: (line) => onKeyLog(node, line) }),
    });
    runs.push(model);
    observer.start(observed(model, crypto, privateKey, world.now));
    if (!isRelay) model.link('relay')?.peer.connect(world.now);
    world.setEndpoint(node, model.endpoint);
  }

  peerOptions(node: NodeName, peer: NodeName): PeerOptions {
    const { scenario, nodes } = this.#options;
    const client = node === 'relay' ? peer : node;
    const presharedKey = this.#presharedKeys.get(client);
    const keepaliveMs = scenario.clients[nodes.indexOf(client)]?.keepaliveMs ?? 0;
    return {
      publicKey: this.keysOf(peer).publicKey,
      ...(presharedKey && { presharedKey }),
      ...(node !== 'relay' && { address: RELAY_ADDRESS, persistentKeepaliveMs: keepaliveMs }),
    };
  }

  /** How far that node's wall clock has been set from the true time. */
  #wallOffset(node: NodeName): number {
    const { scenario, world } = this.#options;
    return scenario.wallSteps
      .filter((step) => step.node === node && step.at <= world.now)
      .reduce((sum, { byMs }) => sum + byMs, 0);
  }
}

function observed(
  model: ProcessModel,
  crypto: CryptoLog,
  privateKey: Uint8Array,
  startedAt: number,
): ObservedProcess {
  return {
    node: model.node,
    run: model.run,
    name: model.name,
    startedAt,
    endpoint: model.endpoint,
    crypto,
    get peers() {
      return model.peers;
    },
    timesForgotten: new Map(),
    nodeOf: (peer) => model.nodeOf(peer),
    isStaticKey: (key) => key.every((byte, i) => byte === privateKey[i]),
  };
}
