/** Runs what a seed stands for, and says what was wrong with it: safety first, on the network as drawn; then liveness, once
 *  the network is healed; then silence. */
import {
  type ConnectionError,
  ConnectionErrorCode,
  type CryptoSuite,
  DEFAULT_TRANSPORT,
} from '@underpass/protocol';
import { Content } from './content.js';
import { Pair } from './pair.js';
import { createInsecureTestSuite } from './plain-suite.js';
import { ProcessModel } from './process-model.js';
import { drawScenario, type Restart, type Scenario, type StreamPlan } from './scenario.js';
import { SeededRandom } from './seeded-random.js';
import { type NetworkCounts, other, RELAY_ADDRESS, SIDES, type Side } from './simulated-network.js';
import { type ScenarioName, TROUBLES } from './troubles.js';

export interface RunOptions {
  /** Default: the insecure suite of the testkit, which is fast. */
  readonly suite?: CryptoSuite;
  /** What kind of trouble; default: any. */
  readonly scenario?: ScenarioName;
  /** One line for each thing that happens. */
  readonly trace?: (line: string) => void;
}

export interface RunStats extends NetworkCounts {
  datagramsSent: number;
  virtualMs: number;
  streams: number;
  /** Read by applications. */
  bytes: number;
  resets: number;
  stops: number;
  /** Handshakes of the client beyond the first of each run. */
  rekeys: number;
  restarts: number;
  closes: number;
  moves: number;
  freezes: number;
  /** Streams that a restart or a close ended. */
  lostStreams: number;
  /** From the last planned deed to the end of the last stream. */
  waitedMs: number;
  /** 1 when streams were left after the patience with the network as drawn was over. */
  healed: number;
}

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly string[];
  /** The same for the same seed and the same code: it covers every datagram and every event. */
  readonly digest: string;
  readonly stats: RunStats;
}

/** After the last planned deed, on the network as drawn, and then on a healed one. */
const PATIENCE_MS = 300_000;
const HEALED_PATIENCE_MS = 300_000;
/** Keepalives and handshakes that are under way have ended after this (spec session 5, 6), and for so long nothing may
 *  follow. */
const SETTLING_MS = 60_000;
const SILENCE_MS = 600_000;
const OPEN_RETRY_MS = 50;
const RECONNECT_AFTER_MS = 1_000;
const UNIX_MS = 1_700_000_000_000;
const MAX_VIOLATIONS = 20;
/** Turns between two looks at how much memory is in use. */
const STATS_EVERY_EVENTS = 16;

export function runScenario(seed: number, options: RunOptions = {}): RunResult {
  return new ScenarioRun(seed, options).run();
}

class ScenarioRun {
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #scenario: Scenario;
  readonly #suite: CryptoSuite;
  readonly #content: Content;
  readonly #pair: Pair;
  readonly #violations: string[] = [];
  readonly #keys: Readonly<Record<Side, { privateKey: Uint8Array; publicKey: Uint8Array }>>;
  readonly #presharedKey: Uint8Array | undefined;
  /** Every run of each side, in order. */
  readonly #processes: Record<Side, ProcessModel[]> = { client: [], relay: [] };
  #unopened = 0;
  #hasClosed = false;
  #waitedMs = 0;
  #events = 0;

  constructor(seed: number, options: RunOptions) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
    const drawn = drawScenario(this.#random.derive('scenario'));
    this.#scenario = TROUBLES[options.scenario ?? 'any'](drawn, this.#random.derive('trouble'));
    this.#suite = options.suite ?? createInsecureTestSuite();
    this.#content = new Content(this.#random.derive('content'));
    const keys = this.#random.derive('keys');
    const newKey = () => {
      const privateKey = keys.bytes(32);
      return { privateKey, publicKey: this.#suite.x25519PublicKey(privateKey) };
    };
    this.#keys = { client: newKey(), relay: newKey() };
    this.#presharedKey = this.#scenario.hasPresharedKey ? keys.bytes(32) : undefined;
    this.#pair = new Pair({
      network: this.#scenario.network,
      timing: this.#scenario.timing,
      random: this.#random.derive('pair'),
      onEvent: (side, event) => {
        if (event.type === 'disconnected') this.#checkDisconnect(side, event.error);
        this.#process(side).onEvent(event);
        if (++this.#events % STATS_EVERY_EVENTS === 0) this.#checkMemory(side);
      },
      onViolation: (violation) => this.#report(violation),
      ...(options.trace && { trace: options.trace }),
    });
  }

  run(): RunResult {
    const { streams, restarts, close, freezes, plannedUntil } = this.#scenario;
    const pair = this.#pair;
    this.#start('relay');
    this.#start('client');
    this.#unopened = streams.length;
    for (const plan of streams) pair.queue.schedule(plan.openAt, () => this.#open(plan));
    for (const restart of restarts) pair.queue.schedule(restart.at, () => this.#restart(restart));
    for (const { side, at, forMs } of freezes) pair.queue.schedule(at, () => pair.freeze(side, at + forMs));
    if (close !== undefined) pair.queue.schedule(close.at, () => this.#close(close.side));
    pair.run(plannedUntil);
    pair.run(plannedUntil + PATIENCE_MS, () => this.#isOver);
    const healed = !this.#isOver;
    pair.network.heal();
    pair.run(pair.now + HEALED_PATIENCE_MS, () => this.#isOver);
    this.#waitedMs = Math.max(0, pair.now - plannedUntil);
    for (const side of SIDES) for (const end of this.#process(side).ends) end.checkEnd();
    if (this.#unopened > 0) this.#report(`${this.#unopened} streams could never be opened`);
    this.#checkSilence();
    this.#checkReplays();
    if (!this.#content.isUntouched) this.#report('bytes that were written to a stream were changed');
    return {
      seed: this.#seed,
      violations: this.#violations,
      digest: pair.digest.value,
      stats: this.#stats(healed),
    };
  }

  // ---- processes ----------------------------------------------------------------------------------------------

  #process(side: Side): ProcessModel {
    return this.#processes[side].at(-1) as ProcessModel;
  }

  #start(side: Side): void {
    const runs = this.#processes[side];
    const run = runs.length + 1;
    const { transport, clientKeepaliveMs } = this.#scenario;
    const pair = this.#pair;
    const process = new ProcessModel({
      side,
      run,
      privateKey: this.#keys[side].privateKey,
      peer: {
        publicKey: this.#keys[other(side)].publicKey,
        ...(this.#presharedKey && { presharedKey: this.#presharedKey }),
        ...(side === 'client' && { address: RELAY_ADDRESS, persistentKeepaliveMs: clientKeepaliveMs }),
      },
      suite: this.#suite,
      transport: transport[side],
      random: this.#random.derive(`${side} ${run}`),
      unixTimeMs: () => UNIX_MS + Math.floor(pair.now) + this.#wallOffset(side),
      content: this.#content,
      findOther: (otherRun) => this.#processes[other(side)][otherRun - 1],
      after: (delayMs, action) => pair.queue.schedule(pair.now + delayMs, action),
      wake: () => pair.wake(side),
      report: (violation) => this.#report(violation),
    });
    runs.push(process);
    if (side === 'client') process.peer.connect(pair.now);
    pair.setEndpoint(side, process.endpoint);
  }

  #wallOffset(side: Side): number {
    return this.#scenario.wallSteps
      .filter((step) => step.side === side && step.at <= this.#pair.now)
      .reduce((sum, { byMs }) => sum + byMs, 0);
  }

  #restart({ side, downMs }: Restart): void {
    this.#process(side).end();
    this.#pair.setEndpoint(side, undefined);
    this.#pair.queue.schedule(this.#pair.now + downMs, () => {
      if (!this.#process(side).isAlive) this.#start(side);
    });
  }

  #close(side: Side): void {
    this.#hasClosed = true;
    const { endpoint, peer } = this.#process(side);
    endpoint.close();
    this.#pair.wake(side);
    // A farewell that was lost is made up for by the next contact (spec streams 8).
    this.#pair.queue.schedule(this.#pair.now + RECONNECT_AFTER_MS, () => {
      peer.connect(this.#pair.now);
      this.#pair.wake(side);
    });
  }

  // ---- streams ------------------------------------------------------------------------------------------------

  #open(plan: StreamPlan): void {
    const side = plan.openedBy;
    const process = this.#process(side);
    if (process.isAlive) {
      this.#pair.dispatchEvents(side);
      // After a farewell nobody opens more: two connections of the same two processes could not be told apart.
      if (this.#hasClosed || process.open(plan)) {
        this.#unopened--;
        this.#pair.wake(side);
        return;
      }
    }
    this.#pair.queue.schedule(this.#pair.now + OPEN_RETRY_MS, () => this.#open(plan));
  }

  get #isOver(): boolean {
    if (this.#unopened > 0) return false;
    return SIDES.every((side) => this.#process(side).isAlive && this.#process(side).liveStreams === 0);
  }

  // ---- what must hold -----------------------------------------------------------------------------------------

  /** Connections outlive everything but restarts and farewells (spec streams 3). */
  #checkDisconnect(side: Side, error: ConnectionError): void {
    const { restarts, close } = this.#scenario;
    const isRestart = error.code === ConnectionErrorCode.peerRestarted;
    if (isRestart && (restarts.length > 0 || close !== undefined)) return;
    if (error.code === ConnectionErrorCode.none && close !== undefined) return;
    this.#report(`${side} lost its connection: ${error.code} ${error.reason} (by ${error.by})`);
  }

  /** Memory that the other side can make a process hold has a bound, and so has what its own application can. */
  #checkMemory(side: Side): void {
    const config = { ...DEFAULT_TRANSPORT, ...this.#scenario.transport[side] };
    const { unreadBytes, unacknowledgedBytes, openStreams } = this.#process(side).stats;
    if (unreadBytes < 0 || unreadBytes > config.connectionWindowBytes) {
      this.#report(
        `${side} holds ${unreadBytes} unread bytes, its window is ${config.connectionWindowBytes}`,
      );
    }
    const sendLimit = config.sendBufferBytes + openStreams * config.minStreamSendBufferBytes;
    if (unacknowledgedBytes < 0 || unacknowledgedBytes > sendLimit) {
      this.#report(`${side} holds ${unacknowledgedBytes} unacknowledged bytes, its limit is ${sendLimit}`);
    }
  }

  /** spec streams 7, session 6.3: two peers with nothing to say fall silent, and nothing is left behind. */
  #checkSilence(): void {
    if (this.#violations.length > 0) return;
    const pair = this.#pair;
    pair.run(pair.now + SETTLING_MS);
    // Persistent keepalives may have renewed the keys just now.
    pair.run(pair.now + SETTLING_MS, () => this.#leftovers().length === 0);
    for (const leftover of this.#leftovers()) this.#report(`${leftover} after everything came to its end`);
    if (this.#scenario.clientKeepaliveMs > 0) return;
    const before = pair.datagramsSent;
    pair.run(pair.now + SILENCE_MS);
    const sent = pair.datagramsSent - before;
    if (sent > 0) this.#report(`${sent} datagrams were sent although there was nothing to say`);
  }

  /** spec session 4: only a datagram that came twice is a replay; none here is far enough behind to be taken for one. */
  #checkReplays(): void {
    const replays = SIDES.flatMap((side) => this.#processes[side]).reduce(
      (sum, { endpoint }) => sum + endpoint.drops['replayed-counter'],
      0,
    );
    const { duplicated } = this.#pair.network.counts;
    if (replays > duplicated)
      this.#report(`${replays} datagrams were taken for replays, ${duplicated} came twice`);
  }

  #leftovers(): string[] {
    return SIDES.flatMap((side) => {
      const { openStreams, unreadBytes, unacknowledgedBytes, bytesInFlight } = this.#process(side).stats;
      return Object.entries({ openStreams, unreadBytes, unacknowledgedBytes, bytesInFlight })
        .filter(([, value]) => value !== 0)
        .map(([name, value]) => `${side} has ${name} ${value}`);
    });
  }

  #report(violation: string): void {
    if (this.#violations.length >= MAX_VIOLATIONS) return;
    this.#violations.push(`at ${this.#pair.now.toFixed(3)} ms: ${violation}`);
  }

  #stats(healed: boolean): RunStats {
    const processes = SIDES.flatMap((side) => this.#processes[side]);
    const ends = processes.flatMap((process) => process.ends);
    const { restarts, close, network } = this.#scenario;
    return {
      ...this.#pair.network.counts,
      datagramsSent: this.#pair.datagramsSent,
      virtualMs: this.#pair.now,
      streams: this.#scenario.streams.length,
      bytes: ends.reduce((sum, end) => sum + end.readBytes, 0),
      resets: ends.filter((end) => end.sawReset).length,
      stops: ends.filter((end) => end.wasStopped).length,
      rekeys: this.#processes.client.reduce((sum, { stats }) => sum + Math.max(0, stats.handshakes - 1), 0),
      restarts: restarts.length,
      closes: close === undefined ? 0 : 1,
      moves: network.moves.length,
      freezes: this.#scenario.freezes.length,
      lostStreams: ends.filter((end) => end.isLost).length,
      waitedMs: this.#waitedMs,
      healed: healed ? 1 : 0,
    };
  }
}
