import { type Address, type CryptoSuite, createPortableSuite, type EndpointEvent } from '@underpass/protocol';
import {
  CLIENT_ADDRESS,
  clientName,
  EventQueue,
  idleLinks,
  type NetworkConditions,
  type NodeName,
  PERFECT_LINK,
  RELAY_ADDRESS,
  REPLAYER_ADDRESS,
  SeededRandom,
  type Side,
  type Turn,
  type Watcher,
  World,
} from '@underpass/testkit/simulation';
import { describeEvent } from './event-words.js';
import { History } from './history.js';
import { MAX_CLIENTS, MAX_RUN_MS, SAMPLE_MS } from './limits.js';
import { Process } from './process.js';
import { Refusals } from './refusals.js';
import { Samples } from './samples.js';
import { type LinkSettings, linkConditions, type Setup } from './settings.js';

/** As a program on a socket that forbids fragments: it searches for the largest datagram that the path carries. */
const TRANSPORT = { maxDatagramBytes: 1440 };

/** A line of Wireshark's key log, and when it was written. */
export interface KeyLogLine {
  readonly at: number;
  readonly text: string;
}

/** One execution of a session: the processes, the networks between them, and everything that has happened so far.
 *
 *  It only goes forward. It runs the protocol as the program does, in a world of virtual time, so the same setup and the
 *  same actions at the same times give the same run, byte for byte. Session owns it: it lets it run, performs the
 *  actions, and makes a new run to go back. */
export class Run {
  readonly setup: Setup;
  readonly suite: CryptoSuite;
  readonly random: SeededRandom;
  readonly world: World;
  readonly relay: Process;
  readonly clients: readonly Process[];
  readonly history: History;
  readonly samples = new Samples();
  readonly keyLog: KeyLogLine[] = [];
  /** The last turn of each process: what it waits for. */
  readonly turns = new Map<NodeName, Turn>();
  /** Why the run cannot go on, if it cannot. */
  problem: string | undefined;
  settings: LinkSettings;
  readonly #refusals = new Refusals();
  #sampledAt = 0;

  constructor(setup: Setup, suite: CryptoSuite = createPortableSuite()) {
    this.setup = setup;
    this.suite = suite;
    this.settings = setup.link;
    const queue = new EventQueue();
    this.history = new History(() => queue.now);
    this.random = new SeededRandom(setup.seed);
    this.world = new World({
      networks: Array.from({ length: MAX_CLIENTS }, (_, lane) => networkOf(lane, this.settings)),
      random: this.random.derive('world'),
      shared: { queue, ...(setup.isLinkShared && { links: idleLinks() }) },
      onEvent: (node, event) => this.#onEvent(node, event),
      onViolation: (violation) => {
        this.problem ??= violation;
      },
      watcher: this.#watcher(),
      watchNetwork: (lane) => this.#watchNetwork(lane),
    });
    const context = {
      suite,
      world: this.world,
      onKeyLog: (_node: NodeName, text: string) => this.keyLog.push({ at: this.world.now, text }),
    };
    const congestion = setup.clients[0];
    this.relay = new Process('relay', this.random.derive('relay'), { ...TRANSPORT, congestion }, context);
    this.clients = Array.from({ length: MAX_CLIENTS }, (_, lane) => {
      const node = clientName(lane);
      const options = { ...TRANSPORT, congestion: setup.clients[lane] ?? congestion };
      return new Process(node, this.random.derive(node), options, context);
    });
    this.relay.start([]);
    for (const _ of setup.clients) this.startClient();
  }

  get now(): number {
    return this.world.now;
  }
  /** Whether nothing more can happen. */
  get isOver(): boolean {
    return this.problem !== undefined || this.now >= MAX_RUN_MS;
  }

  process(node: NodeName): Process {
    return node === 'relay' ? this.relay : (this.clients.find((client) => client.node === node) as Process);
  }

  /** Starts the next client that does not run. */
  startClient(): void {
    const client = this.clients.find(({ isRunning }) => !isRunning);
    if (client === undefined) return;
    this.relay.addPeer(client);
    client.start([this.relay]);
  }

  /** Lets time pass until `until`, or until something that is worth a look has happened.
   *  @returns whether something has */
  run(until: number, stopsAtNews = false): boolean {
    const { history } = this;
    const before = history.version;
    const isNews = () => stopsAtNews && history.version !== before;
    while (!isNews() && !this.isOver && this.now < until) {
      const next = Math.min(until, this.#sampledAt + SAMPLE_MS);
      this.world.run(next, () => history.isFull || isNews());
      if (history.isFull)
        this.problem ??= 'This run is full: it has sent as many datagrams as the page keeps.';
      if (isNews() || this.problem !== undefined) break;
      if (next < this.#sampledAt + SAMPLE_MS) break;
      this.#sampledAt = next;
      this.samples.take(
        next,
        this.clients.map((client, i) => this.#pair(client, i)),
      );
    }
    return history.version !== before;
  }

  /** Changes the conditions of all links. */
  setLink(settings: LinkSettings, blackoutUntil?: number): void {
    this.settings = settings;
    const { now, world } = this;
    for (const network of world.networks) {
      const { conditions } = network;
      const change = (link: NetworkConditions['toRelay']) => ({
        ...link,
        ...linkConditions(settings, now),
        ...(blackoutUntil !== undefined && { blackouts: [{ from: now, until: blackoutUntil }] }),
      });
      network.setConditions({
        ...conditions,
        toRelay: change(conditions.toRelay),
        toClient: change(conditions.toClient),
      });
    }
  }

  #pair(client: Process, lane: number) {
    if (!client.isRunning) return { client: undefined, relay: undefined };
    return { client: client.peers[0], relay: this.relay.peers[lane] };
  }

  #watcher(): Watcher {
    return {
      onSent: (node, to, datagram, towards) => {
        if (towards !== undefined) return;
        this.history.addLost(0, 'client', RELAY_ADDRESS, to, datagram, 'nobody', this.settings.delayMs);
        if (node !== 'relay') this.problem ??= `${node} sent to nobody`;
      },
      onArrival: (node) => this.#refusals.note(this.process(node).endpoint?.drops),
      onHandled: (node) => {
        const reason = this.#refusals.changed(this.process(node).endpoint?.drops);
        if (reason !== undefined) this.history.onRefused(reason);
      },
      onTurn: (node, turn) => {
        if (!turn.isUnasked) this.turns.set(node, turn);
      },
    };
  }

  #watchNetwork(lane: number) {
    const clientAddress = () => this.world.networks[lane]?.addressOf('client') as Address;
    const addresses = (target: Side) =>
      target === 'relay'
        ? { from: clientAddress(), to: RELAY_ADDRESS }
        : { from: RELAY_ADDRESS, to: clientAddress() };
    return this.history.watcherOf(lane, addresses, () => this.settings.delayMs);
  }

  #onEvent(node: NodeName, event: EndpointEvent): void {
    const { application } = this.process(node);
    if ('stream' in event) application.onEvent(event.type, event.stream);
    const text = describeEvent(node, event);
    if (text !== undefined) this.history.note(text);
  }
}

/** The network of one client. Its addresses are those of testkit, with a number of the client's own. */
function networkOf(lane: number, settings: LinkSettings): NetworkConditions {
  const link = { ...PERFECT_LINK, ...linkConditions(settings, 0) };
  const [client, replayer] = [CLIENT_ADDRESS, REPLAYER_ADDRESS];
  return {
    clientAddress: { ...client, address: client.address.replace(/\d+$/, String(1 + 10 * lane)) },
    replayerAddress: { ...replayer, port: replayer.port + lane },
    toRelay: link,
    toClient: link,
    moves: [],
  };
}
