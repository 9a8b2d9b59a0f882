/** A relay whose peers are divided among worker processes (spec session 3.3). */
import {
  type Address,
  bytesKey,
  copySecret,
  createPortableSuite,
  MAX_SHARDS,
  shardOfKey,
  wipe,
} from '@underpass/protocol';
import {
  ambiguousAddresses,
  chooseSuite,
  monotonicMs,
  openSocketGroup,
  type SocketGroup,
  SUITE_NAMES,
  type SuiteName,
  systemTimers,
  UnderpassError,
} from '@underpass/runtime';
import { checkPeers } from '../check-peers.js';
import { Registrar } from '../registrar.js';
import type {
  EnrolOutcome,
  Relay,
  RelayEvent,
  RelayInviteOptions,
  RelayOptions,
  RelayPeerOptions,
  RelayStatus,
} from '../relay-options.js';
import { ownAddresses } from '../this-machine.js';
import { mergedStatus } from './merged-status.js';
import {
  type DatagramMessage,
  type EnrolMessage,
  type LogMessage,
  type PeersMessage,
  peerMessage,
  type StartMessage,
  statusFromMessage,
} from './messages.js';
import { type SpawnWorker, WORKER_SOCKET_FD, type WorkerEnd, WorkerProcess } from './worker-process.js';

/** How many processes may serve the peers of one relay. */
export const MAX_WORKERS = MAX_SHARDS;
/** How long to wait before a worker that ended is started again. The time doubles up to the longest while the worker
 *  keeps ending sooner than the shortest life. */
export const MIN_RESTART_MS = 500;
export const MAX_RESTART_MS = 30_000;
const SHORTEST_LIFE_MS = 60_000;

export interface SharedRelayOptions extends Omit<RelayOptions, 'resolve' | 'socket' | 'tap' | 'onFatal'> {
  /** 2 to MAX_WORKERS. */
  readonly workers: number;
  readonly spawn: SpawnWorker;
}

/** A relay in several processes. It answers later than one in this process. */
export interface SharedRelay extends Pick<Relay, 'address' | 'close'> {
  status(): Promise<RelayStatus>;
  /** Like `Relay.setPeers`.
   *  @returns when every worker has the new lists. One that hangs is killed */
  setPeers(peers: readonly RelayPeerOptions[], invites?: readonly RelayInviteOptions[]): Promise<void>;
}

/** Opens the UDP port and starts the workers.
 *  @throws UnderpassError when the port cannot be bound, datagrams cannot be steered, or two peers share a name or a key */
export async function startSharedRelay(options: SharedRelayOptions): Promise<SharedRelay> {
  checkPeers(options.peers, options.invites);
  const suite = await chooseSuite({ name: options.suite, log: options.log });
  const group = await openSocketGroup({ ...options.listen, count: options.workers });
  if (options.listen.host === undefined && ambiguousAddresses(ownAddresses()).length > 0) {
    options.log.warn(
      { event: 'several-addresses' },
      "this machine has several addresses, and with workers the system may answer from another one than a client uses; NATs and firewalls drop such answers: set 'listen' to one address, or leave out --workers",
    );
  }
  const relay = new RelayOfWorkers(
    options,
    group,
    suiteName(suite.name),
    suite.x25519PublicKey(options.privateKey),
  );
  try {
    await relay.start(options.peers, options.invites ?? []);
  } catch (error) {
    await relay.close();
    throw new UnderpassError(
      'cannot-bind',
      'a worker of the relay could not be started',
      'see the log, or leave out --workers',
      {
        cause: error,
      },
    );
  }
  return relay;
}

function suiteName(name: string): SuiteName {
  return SUITE_NAMES.find((known) => known === name) ?? 'portable';
}

/** How events change the number of a peer's open streams. */
const STREAM_CHANGES = { 'stream-opened': 1, 'stream-closed': -1, 'visitor-opened': 1, 'visitor-closed': -1 };

/** A worker that runs, or is about to be started again. */
interface Worker {
  readonly index: number;
  process: WorkerProcess | undefined;
  startedAt: number;
  restartMs: number;
  restart: object | undefined;
  /** The names of its connected peers, with the number of their open streams. */
  readonly connected: Map<string, number>;
}

/** The main process of a relay with workers.
 *
 *  It owns the sockets, the list of all peers and invites with their keys, and the processes. It decides who enrols, and
 *  carries what workers say to the outside and to each other. It never reads a datagram from a socket, and has no
 *  session with anybody. A worker that ends takes the connections of its own peers with it; it is started again with
 *  the same peers. */
class RelayOfWorkers implements SharedRelay {
  readonly address: Address;
  readonly #options: SharedRelayOptions;
  readonly #group: SocketGroup;
  readonly #suite: SuiteName;
  readonly #hash = createPortableSuite();
  readonly #privateKey: Uint8Array;
  readonly #registrar: Registrar;
  readonly #workers: readonly Worker[];
  /** By public key, in the order of the config. Their preshared keys are copies that belong to this process. */
  #peers = new Map<string, RelayPeerOptions>();
  #invites = new Map<string, RelayInviteOptions>();
  #closing: Promise<void> | undefined;

  constructor(options: SharedRelayOptions, group: SocketGroup, suite: SuiteName, publicKey: Uint8Array) {
    this.#options = options;
    this.#group = group;
    this.#suite = suite;
    this.address = group.address;
    this.#privateKey = copySecret(options.privateKey);
    this.#registrar = new Registrar({
      publicKey,
      everybody: {
        nameOf: (key) => this.#peers.get(bytesKey(key))?.name,
        isInvite: (key) => this.#invites.has(bytesKey(key)),
        count: () => this.#peers.size + this.#invites.size,
        add: (peer) => this.#add(peer),
      },
      emit: (event) => this.#emit(event),
      relay: options,
    });
    this.#workers = Array.from({ length: options.workers }, (_, index) => ({
      index,
      process: undefined,
      startedAt: 0,
      restartMs: MIN_RESTART_MS,
      restart: undefined,
      connected: new Map(),
    }));
  }

  /** @throws if a worker cannot be started */
  async start(peers: readonly RelayPeerOptions[], invites: readonly RelayInviteOptions[]): Promise<void> {
    this.#keep(peers, invites);
    await Promise.all(this.#workers.map((worker) => this.#start(worker)));
  }

  async status(): Promise<RelayStatus> {
    const reports = await Promise.all(
      this.#workers.map(async ({ process }) => {
        const message = await process?.status();
        return message && statusFromMessage(message, monotonicMs());
      }),
    );
    const order = Array.from(this.#peers.values(), ({ name }) => name);
    return mergedStatus(
      { address: this.address, suite: this.#suite },
      reports.filter((report) => report !== undefined),
      order,
    );
  }

  async setPeers(
    peers: readonly RelayPeerOptions[],
    invites: readonly RelayInviteOptions[] = [],
  ): Promise<void> {
    checkPeers(peers, invites);
    if (this.#closing !== undefined) return;
    this.#keep(peers, invites);
    // A worker that has just ended gets the lists when it is started again.
    await Promise.all(
      this.#workers.map(({ index, process }) =>
        process?.order('set-peers', this.#messageFor(index)).catch(() => {}),
      ),
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const { restart } of this.#workers) if (restart !== undefined) systemTimers.clear(restart);
    await Promise.all(this.#workers.map(({ process }) => process?.close()));
    this.#group.close();
    this.#keep([], []);
    wipe(this.#privateKey);
  }

  /** Replaces the lists by copies, and wipes the old ones. */
  #keep(peers: readonly RelayPeerOptions[], invites: readonly RelayInviteOptions[]): void {
    const old = [...this.#peers.values(), ...this.#invites.values()];
    this.#peers = new Map(peers.map((peer) => [bytesKey(peer.publicKey), withOwnSecret(peer)]));
    this.#invites = new Map(
      invites.map((invite) => {
        return [bytesKey(invite.publicKey), { ...invite, presharedKey: copySecret(invite.presharedKey) }];
      }),
    );
    for (const { presharedKey } of old) wipe(presharedKey);
  }

  /** spec enrolment 4.2: the client is answered when its worker knows it. */
  async #add(peer: RelayPeerOptions): Promise<void> {
    this.#peers.set(bytesKey(peer.publicKey), withOwnSecret(peer));
    const worker = this.#workers[this.#shardOf(peer.publicKey)];
    await worker?.process?.order('add-peer', peerMessage(peer)).catch(() => {});
  }

  #shardOf(publicKey: Uint8Array): number {
    return shardOfKey(this.#hash, publicKey, this.#workers.length);
  }

  #messageFor(index: number): PeersMessage {
    const isTheirs = ({ publicKey }: { readonly publicKey: Uint8Array }) =>
      this.#shardOf(publicKey) === index;
    return {
      relayName: this.#options.name?.(),
      peers: [...this.#peers.values()].filter(isTheirs).map(peerMessage),
      invites: [...this.#invites.values()].filter(isTheirs),
    };
  }

  // ---- processes --------------------------------------------------------------------------------------------

  /** @throws if the process ends before it serves */
  async #start(worker: Worker): Promise<void> {
    const { spawn, log, keyLog, congestion, memoryPerPeerBytes, maxOutageMs, idleTimeoutMs } = this.#options;
    const socket = this.#group.sockets[worker.index];
    if (socket === undefined) return;
    const started = new WorkerProcess(spawn, socket, {
      event: (event: RelayEvent) => this.#onEvent(worker, event),
      log: ({ level, fields, text }: LogMessage) => log[level](fields, text),
      'key-log': (line: string) => keyLog?.(line),
      datagram: (message: DatagramMessage) => this.#passOn(message),
      enrol: (message: EnrolMessage) => this.#enrol(message),
    });
    worker.process = started;
    worker.startedAt = monotonicMs();
    void started.ended.then((end) => this.#onEnd(worker, started, end));
    const message: StartMessage = {
      ...this.#messageFor(worker.index),
      shard: { index: worker.index, count: this.#workers.length },
      socket: { fd: WORKER_SOCKET_FD, family: socket.family },
      privateKey: this.#privateKey,
      suite: this.#suite,
      hasKeyLog: keyLog !== undefined,
      maxOutageMs,
      idleTimeoutMs,
      ...(congestion && { congestion }),
      ...(memoryPerPeerBytes && { memoryPerPeerBytes }),
    };
    await started.order('start', message);
  }

  #onEnd(worker: Worker, ended: WorkerProcess, { text, ...end }: WorkerEnd): void {
    if (worker.process !== ended) return;
    worker.process = undefined;
    ended.channel.close();
    if (this.#closing !== undefined) return;
    const { index, connected } = worker;
    const isYoung = monotonicMs() - worker.startedAt < SHORTEST_LIFE_MS;
    worker.restartMs = isYoung ? Math.min(2 * worker.restartMs, MAX_RESTART_MS) : MIN_RESTART_MS;
    this.#options.log.error(
      {
        event: 'worker-ended',
        worker: index,
        ...end,
        peers: connected.size,
        restartMs: worker.restartMs,
      },
      `worker ${index} ended (${text}) with the connections of ${connected.size} peers; it is started again`,
    );
    for (const [peer, lostStreams] of connected) {
      this.#emit({ type: 'peer-disconnected', peer, reason: 'its worker process ended', lostStreams });
    }
    connected.clear();
    worker.restart = systemTimers.set(() => {
      worker.restart = undefined;
      // If that fails, the process ends, which leads back here.
      this.#start(worker).catch(() => worker.process?.kill());
    }, worker.restartMs);
  }

  // ---- what workers say -------------------------------------------------------------------------------------

  #onEvent({ connected }: Worker, event: RelayEvent): void {
    if (event.type === 'peer-connected') connected.set(event.peer, 0);
    else if (event.type === 'peer-disconnected') connected.delete(event.peer);
    else if (event.type in STREAM_CHANGES) {
      // The socket of a stream that was lost closes later. Its connection is not there any more, or is a new one.
      const { peer, type } = event as { readonly peer: string; readonly type: keyof typeof STREAM_CHANGES };
      const open = connected.get(peer);
      if (open !== undefined) connected.set(peer, Math.max(open + STREAM_CHANGES[type], 0));
    }
    this.#emit(event);
  }

  #passOn(message: DatagramMessage): void {
    const channel = this.#workers[message.shard]?.process?.channel;
    if (channel?.isBehind === false) channel.tell('datagram', message);
  }

  async #enrol({ invite, publicKey, address }: EnrolMessage): Promise<object> {
    const outcome: EnrolOutcome = await this.#registrar.enrol(invite, Uint8Array.from(publicKey), address);
    if (outcome.status !== 'opened') return outcome;
    const { presharedKey } = outcome.peer;
    // The answer is serialized when this function has returned, so the key is wiped after that.
    setImmediate(() => wipe(presharedKey));
    return { status: outcome.status, peer: peerMessage(outcome.peer) };
  }

  #emit(event: RelayEvent): void {
    this.#options.onEvent?.(event);
  }
}

function withOwnSecret(peer: RelayPeerOptions): RelayPeerOptions {
  return peer.presharedKey === undefined ? peer : { ...peer, presharedKey: copySecret(peer.presharedKey) };
}
