/** One run of one side: an endpoint with its one peer, and the application on its streams.
 *
 *  Which streams of two processes belong together follows from who talks to whom: a process tells its run in HELLO's software
 *  name, and a connection belongs to one run of each side (spec streams 3). */
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
import { BufferLike } from './buffer-like.js';
import type { Content } from './content.js';
import type { StreamPlan } from './scenario.js';
import type { SeededRandom } from './seeded-random.js';
import type { Side } from './simulated-network.js';
import { type ActorHost, StreamActor } from './stream-actor.js';
import { EndModel, type Report } from './stream-model.js';

export interface ProcessOptions {
  readonly side: Side;
  /** Counts the runs of this side from 1. */
  readonly run: number;
  readonly privateKey: Uint8Array;
  readonly peer: PeerOptions;
  readonly suite: CryptoSuite;
  readonly transport: Partial<TransportConfig>;
  readonly random: SeededRandom;
  readonly unixTimeMs: () => number;
  readonly content: Content;
  /** The other side's process with that run, if there ever was one. */
  readonly findOther: (run: number) => ProcessModel | undefined;
  readonly after: (delayMs: number, action: () => void) => void;
  readonly wake: () => void;
  readonly report: Report;
}

interface OpenedStream {
  readonly plan: StreamPlan;
  readonly model: EndModel;
}

/** What this process opened in one connection. */
interface ConnectionRecord {
  /** The other side's run, once its HELLO arrived. */
  otherRun: number | undefined;
  readonly opened: Map<number, OpenedStream>;
}

export class ProcessModel {
  readonly endpoint: Endpoint;
  readonly peer: Peer;
  /** Ends of streams, of this run, that are or were there. */
  readonly ends: EndModel[] = [];
  isAlive = true;
  readonly #options: ProcessOptions;
  readonly #host: ActorHost;
  readonly #actors = new Map<Stream, StreamActor>();
  readonly #connections: ConnectionRecord[] = [{ otherRun: undefined, opened: new Map() }];

  constructor(options: ProcessOptions) {
    this.#options = options;
    const { side, run, privateKey, suite, random, transport, unixTimeMs } = options;
    const bytes = random.derive('secrets');
    this.endpoint = new Endpoint({
      role: side,
      privateKey,
      suite,
      random: (length) => BufferLike.from(bytes.bytes(length)),
      unixTimeMs,
      transport: { ...transport, softwareName: `${side}/${run}` },
    });
    this.peer = this.endpoint.addPeer(options.peer);
    this.#host = {
      content: options.content,
      after: (delayMs, action) => options.after(delayMs, () => this.isAlive && action()),
      wake: options.wake,
    };
  }

  get liveStreams(): number {
    return this.#actors.size;
  }
  get stats(): PeerStats {
    return this.peer.stats();
  }

  /** Opens a stream as planned. Events must have been dispatched before. @returns false when the other side's limit is reached */
  open(plan: StreamPlan): boolean {
    const stream = this.peer.openStream();
    if (stream === undefined) return false;
    const { opened } = this.#connection;
    const model = this.#createModel(stream.id, plan.openerStart);
    if (opened.has(stream.id)) this.#fail(`opened stream ${stream.id} twice`);
    opened.set(stream.id, { plan, model });
    this.#actors.set(stream, new StreamActor(this.#host, stream, plan.opener, model));
    return true;
  }

  onEvent(event: EndpointEvent): void {
    switch (event.type) {
      case 'connected':
        this.#connection.otherRun = this.#otherRun();
        return;
      case 'disconnected':
        this.#connections.push({ otherRun: undefined, opened: new Map() });
        return;
      case 'stream-opened':
        this.#onStreamOpened(event.stream);
        return;
      case 'stream-readable':
        this.#actorOf(event)?.onReadable();
        return;
      case 'stream-writable':
        this.#actorOf(event)?.onWritable();
        return;
      case 'stream-reset':
        this.#actorOf(event)?.onReset(event.code);
        return;
      case 'stream-stopped':
        this.#actorOf(event)?.onStopped(event.code);
        return;
      case 'stream-closed':
        this.#actorOf(event)?.onClosed();
        this.#actors.delete(event.stream);
        return;
    }
  }

  /** The process is gone; nobody looks at its streams any more. */
  end(): void {
    this.isAlive = false;
    this.#actors.clear();
  }

  get #connection(): ConnectionRecord {
    return this.#connections.at(-1) as ConnectionRecord;
  }

  #onStreamOpened(stream: Stream): void {
    // What a connection still had to tell when it was lost comes before `disconnected`: then the peer's name is the next one's.
    const run = this.#connection.otherRun ?? this.#otherRun();
    if (run === undefined) {
      this.#fail(`was told of stream ${stream.id} before HELLO`);
      return;
    }
    const opened = this.#options.findOther(run)?.openedFor(this.#options.run, stream.id);
    if (opened === undefined) {
      this.#fail(`was told of stream ${stream.id}, which nobody opened`);
      return;
    }
    const model = this.#createModel(stream.id, opened.plan.answererStart);
    model.peer = opened.model;
    opened.model.peer = model;
    this.#actors.set(stream, new StreamActor(this.#host, stream, opened.plan.answerer, model));
  }

  /** What this process opened under that id in its connection with that run of the other side. */
  openedFor(otherRun: number, id: number): OpenedStream | undefined {
    return this.#connections
      .filter((connection) => connection.otherRun === undefined || connection.otherRun === otherRun)
      .findLast((connection) => connection.opened.has(id))
      ?.opened.get(id);
  }

  #otherRun(): number | undefined {
    const name = this.peer.stats().software;
    return name === undefined ? undefined : Number(name.split('/')[1]);
  }

  #createModel(id: number, contentStart: number): EndModel {
    const { side, run, content, report } = this.#options;
    const model = new EndModel(`${side}/${run} stream ${id}`, content, contentStart, report);
    this.ends.push(model);
    return model;
  }

  #actorOf(event: { readonly type: string; readonly stream: Stream }): StreamActor | undefined {
    const actor = this.#actors.get(event.stream);
    if (actor === undefined)
      this.#fail(`was told ${event.type} of stream ${event.stream.id}, which is not there`);
    return actor;
  }

  #fail(problem: string): void {
    const { side, run, report } = this.#options;
    report(`${side}/${run} ${problem}`);
  }
}
