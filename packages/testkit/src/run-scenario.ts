/** Runs a scenario and reports what went wrong. */
import {
  type ConnectionError,
  ConnectionErrorCode,
  type CryptoSuite,
  DEFAULT_TRANSPORT,
  MAX_SEND_PIECES,
  MAX_SENT_FRAMES,
  MAX_SENT_PACKETS,
  type PeerOptions,
} from '@underpass/protocol';
import { Content } from './content.js';
import { ForgedInitiations } from './forged-initiations.js';
import { CryptoLog } from './observer/crypto-log.js';
import { type ObservedProcess, Observer } from './observer/observer.js';
import { createInsecureTestSuite } from './plain-suite.js';
import { type PeerLink, ProcessModel } from './process-model.js';
import { judgeExpectation, judgeShares } from './rules/expectations.js';
import { RULES } from './rules/index.js';
import { Paths } from './rules/path-model.js';
import { createStage } from './rules/stage.js';
import {
  drawScenario,
  type Flood,
  type Removal,
  type Restart,
  type Scenario,
  type StreamPlan,
} from './scenario.js';
import { SeededRandom } from './seeded-random.js';
import { type NetworkCounts, RELAY_ADDRESS } from './simulated-network.js';
import type { EndModel } from './stream-model.js';
import { type ScenarioName, TROUBLES } from './troubles.js';
import { clientName, type NodeName, World } from './world.js';

export interface RunOptions {
  /** The default is the testkit's insecure suite, which is fast. */
  readonly suite?: CryptoSuite;
  /** The kind of trouble; the default is any. */
  readonly scenario?: ScenarioName;
  /** Receives one line for each thing that happens. */
  readonly trace?: (line: string) => void;
}

export interface RunStats extends NetworkCounts {
  datagramsSent: number;
  virtualMs: number;
  clients: number;
  streams: number;
  /** Bytes that applications read. */
  bytes: number;
  resets: number;
  stops: number;
  /** Handshakes of the clients, except the first of each run. */
  rekeys: number;
  restarts: number;
  closes: number;
  removals: number;
  misbehaved: number;
  floods: number;
  moves: number;
  freezes: number;
  /** Streams that ended with a restart or a close. */
  lostStreams: number;
  /** The time from the last planned action to the end of the last stream. */
  waitedMs: number;
  /** 1 when streams were left over, so that the network had to be healed. */
  healed: number;
}

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly string[];
  /** The names of the broken rules; `model` for violations of no rule. */
  readonly broken: readonly string[];
  /** The same for the same seed and the same code. It covers every datagram and every event. */
  readonly digest: string;
  readonly stats: RunStats;
}

/** How long to wait after the last planned action, first on the network as drawn and then on a healed one. */
const PATIENCE_MS = 300_000;
const HEALED_PATIENCE_MS = 300_000;
/** Keepalives and handshakes under way end within `SETTLING_MS` (spec session 5, 6). After that nothing may be sent for
 *  `SILENCE_MS`. */
const SETTLING_MS = 60_000;
const SILENCE_MS = 600_000;
const OPEN_RETRY_MS = 50;
const RECONNECT_AFTER_MS = 1_000;
const UNIX_MS = 1_700_000_000_000;
const MAX_VIOLATIONS = 20;
/** The gaps between acknowledged pieces may all be lost, too, and so may the data on both sides of a frame in flight
 *  (spec streams 5.7). */
const MAX_NOTED_PIECES = 2 * MAX_SEND_PIECES + MAX_SENT_FRAMES;
/** How many events pass between two checks of memory in use. */
const STATS_EVERY_EVENTS = 16;
/** A type that no frame has (spec streams 2). */
const UNKNOWN_FRAME = 0x3f;

/** Draws the scenario of a seed and runs it. */
export function runScenario(seed: number, options: RunOptions = {}): RunResult {
  return runDrawn(seed, drawNamed(seed, options.scenario), options);
}

/** The scenario that a seed stands for with this code. Another version may draw another one. */
export function drawNamed(seed: number, name: ScenarioName = 'any'): Scenario {
  const random = new SeededRandom(seed);
  return TROUBLES[name](drawScenario(random.derive('scenario')), random.derive('trouble'));
}

/** Runs a scenario that was drawn before. @param seed for everything that the scenario does not fix */
export function runDrawn(seed: number, scenario: Scenario, options: RunOptions = {}): RunResult {
  return new ScenarioRun(seed, scenario, options).run();
}

interface Keys {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** One run of one scenario.
 *
 *  It owns the world, the processes and the record of violations. It first checks safety on the network as drawn, then
 *  liveness once the network is healed, and finally that everything falls silent. It starts, restarts and freezes
 *  processes as the scenario says, opens the planned streams, and gives every event to the models. The rules observe
 *  all of it through the `Observer`; this class checks only what concerns whole processes: lost connections, memory,
 *  leftovers, replays. */
class ScenarioRun {
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #scenario: Scenario;
  readonly #suite: CryptoSuite;
  readonly #content: Content;
  readonly #world: World;
  readonly #observer: Observer;
  readonly #paths = new Paths(({ node }) => (node === 'relay' ? undefined : RELAY_ADDRESS));
  readonly #violations: string[] = [];
  readonly #broken = new Set<string>();
  readonly #nodes: readonly NodeName[];
  readonly #keys = new Map<NodeName, Keys>();
  readonly #presharedKeys = new Map<NodeName, Uint8Array>();
  /** All runs of each node, in order. */
  readonly #processes = new Map<NodeName, ProcessModel[]>();
  /** The opener's end of each planned stream. */
  readonly #opened = new Map<StreamPlan, EndModel>();
  #unopened = 0;
  #hasClosed = false;
  readonly #removed = new Set<NodeName>();
  #waitedMs = 0;
  #events = 0;

  constructor(seed: number, scenario: Scenario, options: RunOptions) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
    this.#scenario = scenario;
    this.#suite = options.suite ?? createInsecureTestSuite();
    this.#content = new Content(this.#random.derive('content'));
    this.#nodes = [...scenario.clients.map((_, i) => clientName(i)), 'relay'];
    const keys = this.#random.derive('keys');
    for (const node of this.#nodes) {
      const privateKey = keys.bytes(32);
      this.#keys.set(node, { privateKey, publicKey: this.#suite.x25519PublicKey(privateKey) });
      this.#processes.set(node, []);
    }
    for (const [i, client] of scenario.clients.entries()) {
      if (client.hasPresharedKey) this.#presharedKeys.set(clientName(i), keys.bytes(32));
    }
    this.#observer = new Observer(() => this.#world.now);
    this.#world = new World({
      networks: scenario.clients.map(({ network }) => network),
      timing: scenario.timing,
      random: this.#random.derive('pair'),
      watcher: this.#observer,
      onEvent: (node, event) => {
        if (event.type === 'disconnected')
          this.#checkDisconnect(node, this.#process(node).nodeOf(event.peer), event.error);
        this.#observer.onEvent(node, event);
        this.#process(node).onEvent(event);
        if (++this.#events % STATS_EVERY_EVENTS === 0) this.#checkMemory(node);
      },
      onViolation: (violation) => this.#report(violation),
      ...(options.trace && { trace: options.trace }),
    });
    const paths = this.#paths;
    this.#observer.add(paths.before);
    for (const rule of RULES) {
      const stage = createStage({
        scenario,
        networks: this.#world.networks,
        paths,
        now: () => this.#world.now,
        linkOf: (process, peer) => this.#findProcess(process.node, process.run)?.link(peer),
        report: (violation) => this.#report(`${violation} [${rule.name}]`, rule.name),
      });
      this.#observer.add(rule.watch(stage));
    }
    this.#observer.add(paths.after);
  }

  run(): RunResult {
    const { clients, restarts, close, violation, removal, freezes, floods, plannedUntil } = this.#scenario;
    const world = this.#world;
    for (const node of [...this.#nodes].reverse()) this.#start(node);
    for (const [i, { streams }] of clients.entries()) {
      this.#unopened += streams.length;
      for (const plan of streams) world.queue.schedule(plan.openAt, () => this.#open(clientName(i), plan));
    }
    for (const restart of restarts) world.queue.schedule(restart.at, () => this.#restart(restart));
    for (const { node, at, forMs } of freezes) world.queue.schedule(at, () => world.freeze(node, at + forMs));
    if (close !== undefined) world.queue.schedule(close.at, () => this.#close(close.node));
    if (violation !== undefined) world.queue.schedule(violation.at, () => this.#misbehave(violation.node));
    if (removal !== undefined) world.queue.schedule(removal.at, () => this.#remove(removal));
    for (const flood of floods) this.#flood(flood);
    world.run(plannedUntil);
    world.run(plannedUntil + PATIENCE_MS, () => this.#isOver);
    const healed = !this.#isOver;
    for (const network of world.networks) network.heal();
    world.run(world.now + HEALED_PATIENCE_MS, () => this.#isOver);
    this.#waitedMs = Math.max(0, world.now - plannedUntil);
    for (const node of this.#nodes) for (const end of this.#process(node).ends) end.checkEnd();
    if (this.#unopened > 0) this.#report(`${this.#unopened} streams could never be opened`);
    this.#checkExpectations();
    this.#checkSilence();
    this.#checkReplays();
    if (!this.#content.isUntouched) this.#report('bytes that were written to a stream were changed');
    return {
      seed: this.#seed,
      violations: this.#violations,
      broken: [...this.#broken],
      digest: world.digest.value,
      stats: this.#stats(healed),
    };
  }

  // ---- processes ----------------------------------------------------------------------------------------------

  #process(node: NodeName): ProcessModel {
    return this.#processes.get(node)?.at(-1) as ProcessModel;
  }

  #findProcess(node: NodeName, run: number): ProcessModel | undefined {
    return this.#processes.get(node)?.[run - 1];
  }

  #start(node: NodeName): void {
    const runs = this.#processes.get(node) as ProcessModel[];
    const run = runs.length + 1;
    const world = this.#world;
    const { privateKey } = this.#keys.get(node) as Keys;
    const crypto = new CryptoLog(this.#suite, () => world.now);
    const isRelay = node === 'relay';
    const peers = isRelay ? this.#nodes.filter((peer) => peer !== 'relay') : (['relay'] as const);
    const index = this.#nodes.indexOf(node);
    const model = new ProcessModel({
      node,
      run,
      privateKey,
      peers: peers.map((peer) => ({ node: peer, options: this.#peerOptions(node, peer) })),
      suite: crypto.suite,
      transport: isRelay ? this.#scenario.relayTransport : (this.#scenario.clients[index]?.transport ?? {}),
      random: this.#random.derive(`${node} ${run}`),
      unixTimeMs: () => UNIX_MS + Math.floor(world.now) + this.#wallOffset(node),
      now: () => world.now,
      content: this.#content,
      findProcess: (other, otherRun) => this.#findProcess(other, otherRun),
      after: (delayMs, action) => world.queue.schedule(world.now + delayMs, action),
      wake: () => world.wake(node),
      report: (violation) => this.#report(violation),
    });
    runs.push(model);
    this.#observer.start(observed(model, crypto, privateKey, world.now));
    if (!isRelay) model.link('relay')?.peer.connect(world.now);
    world.setEndpoint(node, model.endpoint);
  }

  #peerOptions(node: NodeName, peer: NodeName): PeerOptions {
    const client = node === 'relay' ? peer : node;
    const presharedKey = this.#presharedKeys.get(client);
    const keepaliveMs = this.#scenario.clients[this.#nodes.indexOf(client)]?.keepaliveMs ?? 0;
    return {
      publicKey: (this.#keys.get(peer) as Keys).publicKey,
      ...(presharedKey && { presharedKey }),
      ...(node !== 'relay' && { address: RELAY_ADDRESS, persistentKeepaliveMs: keepaliveMs }),
    };
  }

  #wallOffset(node: NodeName): number {
    return this.#scenario.wallSteps
      .filter((step) => step.node === node && step.at <= this.#world.now)
      .reduce((sum, { byMs }) => sum + byMs, 0);
  }

  #restart({ node, downMs }: Restart): void {
    this.#process(node).end();
    this.#world.setEndpoint(node, undefined);
    this.#world.queue.schedule(this.#world.now + downMs, () => {
      if (!this.#process(node).isAlive) this.#start(node);
    });
  }

  #close(node: NodeName): void {
    this.#hasClosed = true;
    const { endpoint, peers } = this.#process(node);
    endpoint.close();
    this.#world.wake(node);
    // If CLOSE was lost, the next contact makes up for it (spec streams 8).
    for (const peer of peers) this.#reconnect(node, peer);
  }

  #reconnect(node: NodeName, peer: NodeName): void {
    const world = this.#world;
    world.queue.schedule(world.now + RECONNECT_AFTER_MS, () => {
      this.#process(node).link(peer)?.peer.connect(world.now);
      world.wake(node);
    });
  }

  /** Makes the next packet that the process seals unreadable. */
  #misbehave(node: NodeName): void {
    this.#hasClosed = true;
    const process = this.#observer.process(node);
    if (process === undefined) return;
    let left = 1;
    process.crypto.tamper = (payload) => {
      if (left === 0 || payload.length < 16 || payload[0] !== 1) return false;
      left--;
      // Replace everything after the packet number: a frame that starts correctly and goes wrong later would have an
      // effect.
      payload.fill(UNKNOWN_FRAME, 1 + (1 << ((payload[1] as number) >>> 6)));
      this.#world.queue.schedule(this.#world.now, () => this.#reconnect(node, 'relay'));
      return true;
    };
  }

  #remove({ node, backAfterMs }: Removal): void {
    this.#hasClosed = true;
    this.#removed.add(node);
    this.#process('relay').removePeer(this.#world.now, node);
    this.#world.wake('relay');
    this.#world.queue.schedule(this.#world.now + backAfterMs, () => {
      this.#paths.forget(this.#observer.process('relay') as ObservedProcess, node);
      this.#process('relay').addPeer(node, this.#peerOptions('relay', node));
      this.#world.wake('relay');
    });
  }

  #flood({ at, forMs, perSecond, isFromClients }: Flood): void {
    const world = this.#world;
    const { publicKey } = this.#keys.get('relay') as Keys;
    const stranger = new ForgedInitiations(this.#suite, this.#random.derive(`stranger ${at}`), publicKey);
    const count = Math.ceil((forMs * perSecond) / 1000);
    for (let i = 0; i < count; i++) {
      world.queue.schedule(at + (1000 * i) / perSecond, () => {
        const network = world.networks[i % world.networks.length];
        const from = isFromClients ? network?.addressOf('client') : undefined;
        world.receive('relay', stranger.next(), from ?? stranger.address);
      });
    }
  }

  // ---- streams ------------------------------------------------------------------------------------------------

  #open(client: NodeName, plan: StreamPlan): void {
    const world = this.#world;
    const node = plan.openedBy === 'client' ? client : 'relay';
    const peer = plan.openedBy === 'client' ? 'relay' : client;
    const process = this.#process(node);
    if (process.isAlive) {
      world.dispatchEvents(node);
      // After a close no more streams are opened: two connections of the same two processes could not be distinguished.
      if (this.#hasClosed) {
        this.#unopened--;
        return;
      }
      const link = process.link(peer) as PeerLink;
      const model = link.open(plan);
      if (model !== undefined) {
        this.#opened.set(plan, model);
        this.#unopened--;
        world.wake(node);
        return;
      }
      this.#observer.onRefused(node, peer, link.opened);
    }
    world.queue.schedule(world.now + OPEN_RETRY_MS, () => this.#open(client, plan));
  }

  get #isOver(): boolean {
    if (this.#unopened > 0) return false;
    return this.#nodes.every((node) => this.#process(node).isAlive && this.#process(node).liveStreams === 0);
  }

  // ---- what must hold -----------------------------------------------------------------------------------------

  /** A connection survives everything except restarts, closes and violations (spec streams 3), and one peer's actions
   *  never affect another's connection. */
  #checkDisconnect(node: NodeName, peer: NodeName | undefined, error: ConnectionError): void {
    const { restarts, close, violation, removal } = this.#scenario;
    const isOf = (culprit: NodeName | undefined) =>
      culprit !== undefined && (culprit === 'relay' || culprit === node || culprit === peer);
    const { none, peerRestarted } = ConnectionErrorCode;
    if (error.code === peerRestarted) {
      if (restarts.some((restart) => isOf(restart.node))) return;
      if ([close, violation, removal].some((cause) => isOf(cause?.node))) return;
    }
    if (error.code === none && isOf(close?.node)) return;
    if (isOf(removal?.node)) return;
    if (isOf(violation?.node)) return;
    this.#report(`${node} lost its connection with ${peer}: ${error.code} ${error.reason} (by ${error.by})`);
  }

  /** Checks that the memory which the other side and the application can make a process hold is bounded. */
  #checkMemory(node: NodeName): void {
    const { clients, relayTransport } = this.#scenario;
    const own = node === 'relay' ? relayTransport : clients[this.#nodes.indexOf(node)]?.transport;
    const config = { ...DEFAULT_TRANSPORT, ...own };
    const process = this.#process(node);
    for (const peer of process.peers) {
      const { unreadBytes, unacknowledgedBytes, openStreams, notedPieces, rememberedPackets } = (
        process.link(peer) as PeerLink
      ).stats;
      if (notedPieces < 0 || notedPieces > MAX_NOTED_PIECES || rememberedPackets > MAX_SENT_PACKETS) {
        this.#report(
          `${node} notes ${notedPieces} pieces and remembers ${rememberedPackets} packets`,
          'memory',
        );
      }
      if (unreadBytes < 0 || unreadBytes > config.connectionWindowBytes) {
        this.#report(
          `${node} holds ${unreadBytes} unread bytes, its window is ${config.connectionWindowBytes}`,
          'memory',
        );
      }
      const sendLimit = config.sendBufferBytes + openStreams * config.minStreamSendBufferBytes;
      if (unacknowledgedBytes < 0 || unacknowledgedBytes > sendLimit) {
        this.#report(
          `${node} holds ${unacknowledgedBytes} unacknowledged bytes, its limit is ${sendLimit}`,
          'memory',
        );
      }
    }
  }

  #checkExpectations(): void {
    for (const { streams, expectations } of this.#scenario.clients) {
      for (const expectation of expectations) {
        const plan = streams[expectation.stream] as StreamPlan;
        const { besides } = expectation;
        const own = this.#opened.get(plan);
        const twin = besides === undefined ? undefined : this.#opened.get(streams[besides] as StreamPlan);
        const problem = judgeExpectation(expectation, plan, own) ?? judgeShares(plan, own, twin);
        if (problem !== undefined) this.#report(`${problem} [expectations]`, 'expectations');
      }
    }
  }

  /** spec streams 7, session 6.3: two idle peers fall silent, and nothing is left behind. */
  #checkSilence(): void {
    if (this.#violations.length > 0) return;
    const world = this.#world;
    world.run(world.now + SETTLING_MS);
    // Persistent keepalives may have caused a rekey just now.
    world.run(world.now + SETTLING_MS, () => this.#leftovers().length === 0);
    for (const leftover of this.#leftovers())
      this.#report(`${leftover} after everything had ended`, 'silence');
    if (this.#scenario.clients.some(({ keepaliveMs }) => keepaliveMs > 0)) return;
    const before = world.datagramsSent;
    world.run(world.now + SILENCE_MS);
    const sent = world.datagramsSent - before;
    if (sent > 0) this.#report(`${sent} datagrams were sent although nothing was left to send`, 'silence');
    this.#observer.end();
  }

  /** spec session 4: only a datagram that arrived twice is a replay. None here falls so far behind that it would be
   *  mistaken for one. */
  #checkReplays(): void {
    let replays = 0;
    for (const runs of this.#processes.values()) {
      for (const { endpoint } of runs) replays += endpoint.drops['replayed-counter'];
    }
    const copies = this.#world.networks.reduce(
      (sum, { counts }) => sum + counts.duplicated + counts.replayed,
      0,
    );
    if (replays > copies)
      this.#report(
        `${replays} datagrams were dropped as replays, but only ${copies} arrived twice`,
        'replays',
      );
  }

  #leftovers(): string[] {
    return this.#nodes.flatMap((node) => {
      const process = this.#process(node);
      return process.peers.flatMap((peer) => {
        const { openStreams, unreadBytes, unacknowledgedBytes, bytesInFlight, notedPieces } = (
          process.link(peer) as PeerLink
        ).stats;
        return Object.entries({ openStreams, unreadBytes, unacknowledgedBytes, bytesInFlight, notedPieces })
          .filter(([, value]) => value !== 0)
          .map(([name, value]) => `${node} has ${name} ${value}`);
      });
    });
  }

  #report(violation: string, rule = 'model'): void {
    this.#broken.add(rule);
    if (this.#violations.length >= MAX_VIOLATIONS) return;
    this.#violations.push(`at ${this.#world.now.toFixed(3)} ms: ${violation}`);
  }

  #stats(healed: boolean): RunStats {
    const processes = [...this.#processes.values()].flat();
    const ends = processes.flatMap((process) => process.ends);
    const { clients, restarts, close, removal, violation, floods, freezes } = this.#scenario;
    const counts = this.#world.networks.map((network) => network.counts);
    const total = (name: keyof NetworkCounts) => counts.reduce((sum, count) => sum + count[name], 0);
    const handshakes = processes
      .filter(({ node }) => node !== 'relay')
      .reduce((sum, process) => sum + Math.max(0, (process.link('relay')?.stats.handshakes ?? 0) - 1), 0);
    return {
      delivered: total('delivered'),
      lost: total('lost'),
      duplicated: total('duplicated'),
      corrupted: total('corrupted'),
      forged: total('forged'),
      replayed: total('replayed'),
      misdirected: total('misdirected'),
      datagramsSent: this.#world.datagramsSent,
      virtualMs: this.#world.now,
      clients: clients.length,
      streams: clients.reduce((sum, { streams }) => sum + streams.length, 0),
      bytes: ends.reduce((sum, end) => sum + end.readBytes, 0),
      resets: ends.filter((end) => end.sawReset).length,
      stops: ends.filter((end) => end.wasStopped).length,
      rekeys: handshakes,
      restarts: restarts.length,
      closes: close === undefined ? 0 : 1,
      removals: removal === undefined ? 0 : 1,
      misbehaved: violation === undefined ? 0 : 1,
      floods: floods.length,
      moves: clients.reduce((sum, { network }) => sum + network.moves.length, 0),
      freezes: freezes.length,
      lostStreams: ends.filter((end) => end.isLost).length,
      waitedMs: this.#waitedMs,
      healed: healed ? 1 : 0,
    };
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
    nodeOf: (peer) => model.nodeOf(peer),
    isStaticKey: (key) => key.every((byte, i) => byte === privateKey[i]),
  };
}
