/** Runs a scenario and reports what went wrong. */
import type { CryptoSuite } from '@underpass/protocol';
import { Content } from './content.js';
import { drawNamed } from './draw-named.js';
import { epochWatch } from './epoch-watch.js';
import { DEFAULT_MALFORMED_KIND, malform } from './malformed-packets.js';
import { type ObservedProcess, Observer } from './observer/observer.js';
import { createInsecureTestSuite } from './plain-suite.js';
import type { PeerLink } from './process-model.js';
import { ProcessTable } from './process-table.js';
import { refusing } from './refusing.js';
import { expectationProblems } from './rules/expectations.js';
import { FlightModels } from './rules/flight-models.js';
import { RULES } from './rules/index.js';
import { Paths } from './rules/path-model.js';
import { createStage } from './rules/stage.js';
import { disconnectProblem, leftoversOf, lostMessages, memoryProblems, replayProblem } from './run-checks.js';
import { type RunRecorder, recorded } from './run-recorder.js';
import { type RunStats, statsOf } from './run-stats.js';
import type { Flood, Removal, Restart, Scenario, StreamPlan, Violation } from './scenario.js';
import { ForgedInitiations } from './simulation/forged-initiations.js';
import { RELAY_ADDRESS } from './simulation/network-conditions.js';
import { SeededRandom } from './simulation/seeded-random.js';
import { clientName, type NodeName, World } from './simulation/world.js';
import type { EndModel } from './stream-model.js';
import type { ScenarioName } from './troubles.js';

export interface RunOptions {
  /** The default is the testkit's insecure suite, which is fast. */
  readonly suite?: CryptoSuite;
  /** The kind of trouble; the default is any. */
  readonly scenario?: ScenarioName;
  /** Receives one line for each thing that happens. */
  readonly trace?: (line: string) => void;
  readonly recorder?: RunRecorder;
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
const MAX_VIOLATIONS = 20;
/** How many events pass between two checks of memory in use. */
const STATS_EVERY_EVENTS = 16;

/** Draws the scenario of a seed and runs it. */
export function runScenario(seed: number, options: RunOptions = {}): RunResult {
  return runDrawn(seed, drawNamed(seed, options.scenario), options);
}

/** Runs a scenario that was drawn before. @param seed for everything that the scenario does not fix */
export function runDrawn(seed: number, scenario: Scenario, options: RunOptions = {}): RunResult {
  return new ScenarioRun(seed, scenario, options).run();
}

/** One run of one scenario.
 *
 *  It owns the world, the `ProcessTable` and the record of violations. It first checks safety on the network as drawn,
 *  then liveness once the network is healed, and finally that everything falls silent. It restarts, freezes and closes
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
  readonly #flights = new FlightModels((process, peer) => this.#paths.of(process, peer));
  readonly #violations: string[] = [];
  readonly #broken = new Set<string>();
  readonly #nodes: readonly NodeName[];
  readonly #processes: ProcessTable;
  /** The opener's end of each planned stream. */
  readonly #opened = new Map<StreamPlan, EndModel>();
  #unopened = 0;
  #hasClosed = false;
  #waitedMs = 0;
  #events = 0;

  constructor(seed: number, scenario: Scenario, options: RunOptions) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
    this.#scenario = scenario;
    this.#suite = options.suite ?? createInsecureTestSuite();
    this.#content = new Content(this.#random.derive('content'));
    this.#nodes = [...scenario.clients.map((_, i) => clientName(i)), 'relay'];
    this.#observer = new Observer(() => this.#world.now);
    const { recorder } = options;
    const peersOf = (node: NodeName) => this.#processes.current(node).endpoint.peers;
    this.#world = new World({
      networks: scenario.clients.map(({ network }) => network),
      timing: scenario.timing,
      random: this.#random.derive('pair'),
      watcher: recorder ? recorded(this.#observer, recorder, () => this.#world, peersOf) : this.#observer,
      ...(recorder && { watchNetwork: () => ({ onLost: (_to, _bytes, why) => recorder.onLost(why) }) }),
      onEvent: (node, event) => {
        if (event.type === 'disconnected') {
          const peer = this.#processes.current(node).nodeOf(event.peer);
          this.#report(disconnectProblem(scenario, node, peer, event.error));
        }
        this.#observer.onEvent(node, event);
        this.#processes.current(node).onEvent(event);
        if (++this.#events % STATS_EVERY_EVENTS === 0) this.#checkMemory(node);
      },
      onViolation: (violation) => this.#report(violation),
      ...refusing(
        scenario,
        () => this.#world,
        (node) => this.#processes.current(node),
      ),
      ...(options.trace && { trace: options.trace }),
    });
    this.#processes = new ProcessTable({
      scenario,
      nodes: this.#nodes,
      suite: this.#suite,
      content: this.#content,
      random: this.#random,
      world: this.#world,
      observer: this.#observer,
      report: (violation) => this.#report(violation),
      ...(recorder && { onKeyLog: (node, line) => recorder.onKeyLog(node, line) }),
    });
    const [paths, flights] = [this.#paths, this.#flights];
    const linkOf = ({ node, run }: ObservedProcess, peer: NodeName) =>
      this.#processes.find(node, run)?.link(peer);
    this.#observer.add(epochWatch(linkOf));
    for (const first of [paths, flights]) this.#observer.add(first.before);
    const stage = createStage({
      scenario,
      secrets: this.#processes,
      networks: this.#world.networks,
      paths,
      flights,
      now: () => this.#world.now,
      moment: () => this.#observer.moment,
      linkOf,
    });
    for (const rule of RULES) {
      const report = (violation: string) => this.#report(`${violation} [${rule.name}]`, rule.name);
      this.#observer.add(rule.watch({ ...stage, report }));
    }
    this.#observer.add(flights.after);
    this.#observer.add(paths.after);
  }

  run(): RunResult {
    const { clients, restarts, close, violation, removal, freezes, floods, plannedUntil } = this.#scenario;
    const world = this.#world;
    for (const node of [...this.#nodes].reverse()) this.#processes.start(node);
    for (const [i, { streams }] of clients.entries()) {
      this.#unopened += streams.length;
      for (const plan of streams) world.queue.schedule(plan.openAt, () => this.#open(clientName(i), plan));
    }
    for (const restart of restarts) world.queue.schedule(restart.at, () => this.#restart(restart));
    for (const { node, at, forMs } of freezes) world.queue.schedule(at, () => world.freeze(node, at + forMs));
    if (close !== undefined) world.queue.schedule(close.at, () => this.#close(close.node));
    if (violation !== undefined) world.queue.schedule(violation.at, () => this.#misbehave(violation));
    if (removal !== undefined) world.queue.schedule(removal.at, () => this.#remove(removal));
    for (const flood of floods) this.#flood(flood);
    world.run(plannedUntil);
    world.run(plannedUntil + PATIENCE_MS, () => this.#isOver);
    const healed = !this.#isOver;
    for (const network of world.networks) network.heal();
    world.run(world.now + HEALED_PATIENCE_MS, () => this.#isOver);
    this.#waitedMs = Math.max(0, world.now - plannedUntil);
    for (const node of this.#nodes) for (const end of this.#processes.current(node).ends) end.checkEnd();
    if (this.#unopened > 0) this.#report(`${this.#unopened} streams could never be opened`);
    this.#checkExpectations();
    this.#checkSilence();
    this.#report(replayProblem(this.#processes.all, world.networks, this.#scenario), 'replays');
    if (!this.#content.isUntouched) this.#report('bytes that were written to a stream were changed');
    return {
      seed: this.#seed,
      violations: this.#violations,
      broken: [...this.#broken],
      digest: world.digest.value,
      stats: statsOf(this.#scenario, world, this.#processes.all, this.#waitedMs, healed),
    };
  }

  // ---- processes ----------------------------------------------------------------------------------------------

  #restart({ node, downMs }: Restart): void {
    this.#processes.current(node).end();
    this.#world.setEndpoint(node, undefined);
    this.#world.queue.schedule(this.#world.now + downMs, () => {
      if (!this.#processes.current(node).isAlive) this.#processes.start(node);
    });
  }

  #close(node: NodeName): void {
    this.#hasClosed = true;
    const { endpoint, peers } = this.#processes.current(node);
    endpoint.close();
    this.#world.wake(node);
    // If CLOSE was lost, the next contact makes up for it (spec streams 8).
    for (const peer of peers) this.#reconnect(node, peer);
  }

  #reconnect(node: NodeName, peer: NodeName): void {
    const world = this.#world;
    world.queue.schedule(world.now + RECONNECT_AFTER_MS, () => {
      this.#processes.current(node).link(peer)?.peer.connect(world.now);
      world.wake(node);
    });
  }

  /** Makes the next packet that the process seals unreadable. */
  #misbehave({ node, kind = DEFAULT_MALFORMED_KIND }: Violation): void {
    this.#hasClosed = true;
    const crypto = this.#observer.process(node)?.crypto;
    if (crypto === undefined) return;
    crypto.tamper = (payload) => {
      if (!malform(payload, kind)) return false;
      crypto.tamper = undefined;
      this.#world.queue.schedule(this.#world.now, () => this.#reconnect(node, 'relay'));
      return true;
    };
  }

  #remove({ node, backAfterMs }: Removal): void {
    this.#hasClosed = true;
    this.#processes.current('relay').removePeer(this.#world.now, node);
    this.#world.wake('relay');
    this.#world.queue.schedule(this.#world.now + backAfterMs, () => {
      this.#observer.forget('relay', node);
      this.#processes.current('relay').addPeer(node, this.#processes.peerOptions('relay', node));
      this.#world.wake('relay');
    });
  }

  #flood({ at, forMs, perSecond, isFromClients }: Flood): void {
    const world = this.#world;
    const publicKey = this.#processes.keysOf('relay').publicKey;
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
    const process = this.#processes.current(node);
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
    return this.#nodes.every(
      (node) => this.#processes.current(node).isAlive && this.#processes.current(node).liveStreams === 0,
    );
  }

  // ---- what must hold -----------------------------------------------------------------------------------------

  #checkMemory(node: NodeName): void {
    const { clients, relayTransport } = this.#scenario;
    const transport = node === 'relay' ? relayTransport : clients[this.#nodes.indexOf(node)]?.transport;
    for (const problem of memoryProblems(this.#processes.current(node), transport))
      this.#report(problem, 'memory');
  }

  #leftovers(): string[] {
    return this.#nodes.flatMap((node) => leftoversOf(this.#processes.current(node)));
  }

  #checkExpectations(): void {
    const sizeOf = ({ openedBy }: StreamPlan, client: number): number | undefined => {
      const [node, peer] =
        openedBy === 'relay'
          ? (['relay', clientName(client)] as const)
          : ([clientName(client), 'relay'] as const);
      return this.#processes.current(node).link(peer)?.stats.datagramBytes;
    };
    for (const problem of expectationProblems(this.#scenario.clients, this.#opened, sizeOf))
      this.#report(`${problem} [expectations]`, 'expectations');
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
    for (const node of this.#nodes)
      for (const problem of lostMessages(this.#processes.current(node))) this.#report(problem, 'messages');
    if (this.#scenario.clients.some(({ keepaliveMs }) => keepaliveMs > 0)) return;
    const before = world.datagramsSent;
    world.run(world.now + SILENCE_MS);
    const sent = world.datagramsSent - before;
    if (sent > 0) this.#report(`${sent} datagrams were sent although nothing was left to send`, 'silence');
    this.#observer.end();
  }

  #report(violation: string | undefined, rule = 'model'): void {
    if (violation === undefined) return;
    this.#broken.add(rule);
    if (this.#violations.length >= MAX_VIOLATIONS) return;
    this.#violations.push(`at ${this.#world.now.toFixed(3)} ms: ${violation}`);
  }
}
