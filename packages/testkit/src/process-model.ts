/** One run of one process in a simulation: an endpoint with its peers, and the applications on its streams. */
import {
  type CryptoSuite,
  Endpoint,
  type EndpointEvent,
  type Peer,
  type PeerOptions,
  type PeerStats,
  type Stream,
  type TransportConfig,
} from '@underpass/protocol';
import { type ConnectionRecord, findOpened, newConnection } from './connection-record.js';
import type { Content } from './content.js';
import type { EndPlan, StreamPlan } from './scenario.js';
import { BufferLike } from './simulation/buffer-like.js';
import type { SeededRandom } from './simulation/seeded-random.js';
import { type NodeName, sideOf } from './simulation/world.js';
import { type ActorHost, type EndCommand, StreamActor } from './stream-actor.js';
import { EndModel, type Report } from './stream-model.js';

export interface ProcessOptions {
  readonly node: NodeName;
  /** The number of this run of the node, from 1. */
  readonly run: number;
  readonly privateKey: Uint8Array;
  readonly peers: readonly { readonly node: NodeName; readonly options: PeerOptions }[];
  readonly suite: CryptoSuite;
  readonly transport: Partial<TransportConfig>;
  readonly random: SeededRandom;
  readonly unixTimeMs: () => number;
  readonly now: () => number;
  readonly content: Content;
  /** Returns the process of that node and run, if it ever existed. */
  readonly findProcess: (node: NodeName, run: number) => ProcessModel | undefined;
  readonly after: (delayMs: number, action: () => void) => void;
  readonly wake: () => void;
  readonly dispatch: () => void;
  readonly onCommand: (peer: NodeName, streamId: number, command: EndCommand) => void;
  readonly report: Report;
  readonly keyLog?: (line: string) => void;
}

/** A process with its endpoint, and what its applications did and saw.
 *
 *  It owns the endpoint and a `PeerLink` for each peer. The run of a scenario creates it, passes it every event of the
 *  endpoint, and asks it to open streams. To match the two ends of a stream, each process states its run in HELLO's
 *  software name, and an `epochWatch` says which epochs each connection has (spec streams 3). It judges nothing by itself; the
 *  models of its streams do. */
export class ProcessModel {
  readonly endpoint: Endpoint;
  readonly node: NodeName;
  readonly run: number;
  readonly name: string;
  isAlive = true;
  /** The peers that it knows now. */
  peers: readonly NodeName[] = [];
  readonly #options: ProcessOptions;
  readonly #links = new Map<NodeName, PeerLink>();
  /** Links to removed peers, which may still have events to report. */
  readonly #former: PeerLink[] = [];
  /** The links to its peers, and then the former ones. */
  #all: readonly PeerLink[] = [];
  readonly #host: ActorHost;

  constructor(options: ProcessOptions) {
    this.#options = options;
    const { node, run, privateKey, suite, random, transport, unixTimeMs, keyLog } = options;
    this.node = node;
    this.run = run;
    this.name = `${node}/${run}`;
    const bytes = random.derive('secrets');
    this.endpoint = new Endpoint({
      role: sideOf(node),
      privateKey,
      suite,
      random: (length) => BufferLike.from(bytes.bytes(length)),
      unixTimeMs,
      transport: { ...transport, softwareName: this.name },
      ...(keyLog && { keyLog }),
    });
    this.#host = {
      content: options.content,
      now: options.now,
      after: (delayMs, action) => options.after(delayMs, () => this.isAlive && action()),
      wake: options.wake,
      dispatch: options.dispatch,
    };
    for (const { node: peerNode, options: peerOptions } of options.peers) this.addPeer(peerNode, peerOptions);
  }

  /** All ends of streams that this run has or had. */
  get ends(): EndModel[] {
    return [...this.#former, ...this.#links.values()].flatMap((link) => link.ends);
  }
  get liveStreams(): number {
    let count = 0;
    for (const link of this.#all) count += link.liveStreams;
    return count;
  }
  link(node: NodeName): PeerLink | undefined {
    return this.#links.get(node);
  }

  nodeOf(peer: Peer): NodeName | undefined {
    return this.#linkOf(peer)?.node;
  }

  addPeer(node: NodeName, options: PeerOptions): void {
    const { findProcess, content, report, onCommand } = this.#options;
    const link = new PeerLink({
      process: this,
      node,
      peer: this.endpoint.addPeer(options),
      host: this.#host,
      content,
      report,
      findProcess,
      onCommand: (streamId, command) => onCommand(node, streamId, command),
    });
    this.#links.set(node, link);
    this.#noteLinks();
  }

  /** Removes a peer, which receives CLOSE. Its streams end. */
  removePeer(now: number, node: NodeName): void {
    const link = this.#links.get(node);
    if (link === undefined) return;
    this.endpoint.removePeer(now, link.peer, 'removed');
    this.#links.delete(node);
    this.#former.push(link);
    this.#noteLinks();
  }

  /** The connections with that node, in order. */
  connectionsWith(node: NodeName): ConnectionRecord[] {
    const links = [...this.#former, ...this.#links.values()].filter((link) => link.node === node);
    return links.flatMap((link) => link.connections);
  }

  onEvent(event: EndpointEvent): void {
    if ('peer' in event) {
      this.#linkOf(event.peer)?.onEvent(event);
      return;
    }
    if (!('stream' in event)) return;
    for (const link of this.#all) if (link.onStreamEvent(event)) return;
    this.#options.report(`${this.name} received ${event.type} for the unknown stream ${event.stream.id}`);
  }

  /** Ends the process. Nobody looks at its streams any longer. */
  end(): void {
    this.isAlive = false;
    for (const link of this.#links.values()) link.end();
  }

  #noteLinks(): void {
    this.peers = [...this.#links.keys()];
    this.#all = [...this.#links.values(), ...this.#former];
  }

  #linkOf(peer: Peer): PeerLink | undefined {
    for (const link of this.#all) if (link.peer === peer) return link;
    return undefined;
  }
}

interface PeerLinkOptions {
  readonly process: ProcessModel;
  readonly node: NodeName;
  readonly peer: Peer;
  readonly host: ActorHost;
  readonly content: Content;
  readonly report: Report;
  readonly findProcess: (node: NodeName, run: number) => ProcessModel | undefined;
  readonly onCommand: (streamId: number, command: EndCommand) => void;
}

/** Everything between a process and one of its peers: the connections so far, the streams of each, and the application
 *  at each live stream. Events of streams go to the `StreamActor`; the model of each end stays here for the checks at
 *  the end of the run. */
export class PeerLink {
  readonly node: NodeName;
  readonly peer: Peer;
  readonly ends: EndModel[] = [];
  readonly #options: PeerLinkOptions;
  readonly #actors = new Map<Stream, StreamActor>();
  readonly connections: ConnectionRecord[] = [newConnection()];
  /** The epochs of the other side that were accepted, and for which the 'connected' event is still to come. */
  readonly #accepted: string[] = [];
  #lastAccepted: string | undefined;
  /** How many streams were opened in the present connection. */
  opened = 0;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
    this.node = options.node;
    this.peer = options.peer;
  }

  get liveStreams(): number {
    return this.#actors.size;
  }
  get stats(): PeerStats {
    return this.peer.stats();
  }

  /** Opens a stream as planned. Events must have been dispatched before. @returns undefined when the other side's limit
   *  is reached */
  open(plan: StreamPlan): EndModel | undefined {
    const stream = this.peer.openStream();
    if (stream === undefined) return undefined;
    const connection = this.#connection;
    const model = this.#createModel(stream.id, plan.openerStart, connection);
    if (connection.opened.has(stream.id)) this.#fail(`opened stream ${stream.id} twice`);
    connection.opened.set(stream.id, { stream, plan, model, isReopened: false });
    this.opened++;
    this.#act(stream, plan.opener, model);
    return model;
  }

  /** How many bytes the application has read from a stream of the present connection. */
  readBytes(id: number): number | undefined {
    return this.#connection.ends.get(id)?.readBytes;
  }

  onEvent(event: Extract<EndpointEvent, { peer: Peer }>): void {
    if (event.type === 'connected') {
      this.#connection.otherRun = Number(event.software.split('/')[1]);
      this.#connection.otherEpoch = this.#accepted.shift() ?? this.#lastAccepted;
    } else if (event.type === 'disconnected') {
      this.#beginConnection();
    } else if (event.type === 'stream-opened') this.#onStreamOpened(event.stream);
  }

  /** @returns false when the stream does not belong to this peer */
  onStreamEvent(event: Extract<EndpointEvent, { type: `stream-${string}` }>): boolean {
    const actor = this.#actors.get(event.stream);
    if (actor === undefined) return false;
    switch (event.type) {
      case 'stream-readable':
        actor.onReadable();
        break;
      case 'stream-datagrams':
        actor.onDatagrams();
        break;
      case 'stream-writable':
        actor.onWritable();
        break;
      case 'stream-reset':
        actor.onReset(event.code);
        break;
      case 'stream-stopped':
        actor.onStopped(event.code);
        break;
      case 'stream-closed':
        actor.onClosed();
        this.#actors.delete(event.stream);
        break;
    }
    return true;
  }

  end(): void {
    this.#actors.clear();
  }

  /** A HELLO with this epoch was sent to the other side. */
  noteStated(epoch: string): void {
    this.#connection.ownEpochs.add(epoch);
  }

  /** A HELLO of the other side with this epoch was accepted. */
  noteAccepted(epoch: string): void {
    if (epoch !== this.#lastAccepted) this.#accepted.push(epoch);
    this.#lastAccepted = epoch;
  }

  get #connection(): ConnectionRecord {
    return this.connections.at(-1) as ConnectionRecord;
  }

  /** Streams that outlived the last connection get new ids (spec streams 3.8). */
  #beginConnection(): void {
    const alive = [...this.#connection.opened.values()].filter(({ stream }) => this.#actors.has(stream));
    const next = newConnection();
    for (const opened of alive) {
      if (opened.model.hasHeard)
        this.#fail(`started ${opened.model.name} over after something of it had arrived`);
      next.opened.set(opened.stream.id, { ...opened, isReopened: true });
      next.ends.set(opened.stream.id, opened.model);
    }
    this.connections.push(next);
    this.opened = alive.length;
  }

  #onStreamOpened(stream: Stream): void {
    const { process, findProcess } = this.#options;
    const connection = this.#connection;
    const run = connection.otherRun;
    if (run === undefined) {
      this.#fail(`received stream ${stream.id} before it had connected`);
      return;
    }
    const connections = findProcess(this.node, run)?.connectionsWith(process.node) ?? [];
    const opened = findOpened(connections, stream.id, process.run, connection);
    if (opened === undefined) {
      this.#fail(`received stream ${stream.id}, which nobody opened`);
      return;
    }
    const model = this.#createModel(stream.id, opened.plan.answererStart, connection);
    // spec streams 3.8. The other end may exist already: a later stream opens the earlier ones, before their requests.
    if (opened.isReopened && opened.model.peer?.hasHeard) {
      this.#fail(`received a second request for what is now stream ${stream.id}`);
    }
    model.peer = opened.model;
    opened.model.peer = model;
    this.#act(stream, opened.plan.answerer, model);
  }

  #act(stream: Stream, plan: EndPlan, model: EndModel): void {
    const { host, onCommand } = this.#options;
    const note = (command: EndCommand) => onCommand(stream.id, command);
    this.#actors.set(stream, new StreamActor(host, stream, plan, model, note));
  }

  #createModel(id: number, contentStart: number, connection: ConnectionRecord): EndModel {
    const { process, content, report } = this.#options;
    const model = new EndModel(
      `${process.name} stream ${id} with ${this.node}`,
      content,
      contentStart,
      report,
    );
    this.ends.push(model);
    connection.ends.set(id, model);
    return model;
  }

  #fail(problem: string): void {
    this.#options.report(`${this.#options.process.name} ${problem}`);
  }
}
