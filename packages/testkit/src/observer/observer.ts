/** Observes a simulation and shows it to the rules. */
import type { Address, DropReason, Endpoint, EndpointEvent, Peer } from '@underpass/protocol';
import { copyBytes, DROP_REASONS, readUint32 } from '@underpass/protocol';
import type { Turn } from '../simulation/endpoint-driver.js';
import type { NodeName, Watcher } from '../simulation/world.js';
import type { EndCommand } from '../stream-actor.js';
import { type CryptoLog, takeSealed } from './crypto-log.js';
import { identityOf } from './handshake-reader.js';
import type { PacketView } from './packet-view.js';

/** One run of one process, as the rules see it. */
export interface ObservedProcess {
  readonly node: NodeName;
  readonly run: number;
  readonly name: string;
  readonly startedAt: number;
  readonly endpoint: Endpoint;
  readonly crypto: CryptoLog;
  /** The peers that it has now. */
  readonly peers: readonly NodeName[];
  /** How often it has met each peer after it had been removed and added again. Absent means never. The observer counts. */
  readonly timesForgotten: Map<NodeName, number>;
  nodeOf(peer: Peer): NodeName | undefined;
  isStaticKey(key: Uint8Array): boolean;
}

export const MessageKind = { initiation: 1, response: 2, cookieReply: 3, transport: 4 } as const;

/** A datagram that a process sent. */
export interface SentDatagram {
  readonly by: ObservedProcess;
  readonly at: number;
  readonly to: Address;
  /** The node that has, or had, that address. Undefined if nobody had it, and for the farewell to a peer that was removed
   *  and has been added again and met since: to the process, the node is another peer now. */
  readonly towards: NodeName | undefined;
  readonly bytes: number;
  /** A `MessageKind`. */
  readonly kind: number;
  /** The sender's index in a handshake message. */
  readonly senderIndex: number;
  /** Whether the same bytes were sent before. */
  readonly isCopy: boolean;
  /** For a copy of a transport message: the message as it was first sent. */
  readonly original: SentDatagram | undefined;
  /** The receiver's index in a transport message. */
  readonly receiverIndex: number;
  /** The key of a transport message that is no copy. */
  readonly key: string | undefined;
  readonly counter: number;
  readonly packet: PacketView | undefined;
  readonly payloadBytes: number;
  /** The bytes of a handshake message or cookie reply. */
  readonly message: Uint8Array | undefined;
}

/** A datagram that arrived at a process, after it was handled. */
export interface ArrivedDatagram {
  readonly at: number;
  readonly by: ObservedProcess;
  readonly from: Address;
  readonly bytes: number;
  readonly kind: number;
  /** The datagram as it was sent. Known only if it authenticated. */
  readonly sent: SentDatagram | undefined;
  /** Whether it authenticated and was not seen before, so that it has an effect. */
  readonly isFresh: boolean;
  /** Fresh, with the largest counter so far under the newest key of its sender. */
  readonly isNewest: boolean;
  /** Whether it is a handshake message that created a keypair. */
  readonly madeKeypair: boolean;
  /** Why the process dropped it, according to the process. */
  readonly dropped: DropReason | undefined;
  /** If it was dropped because its index is unknown: the datagram that seems to have been sent with that index. */
  readonly unknown: SentDatagram | undefined;
  /** The handshake message that it is a copy of, whether it was accepted or not. Its macs may differ. */
  readonly known: SentDatagram | undefined;
  /** The bytes of a handshake message or cookie reply. */
  readonly message: Uint8Array | undefined;
}

/** The observations of a rule, each of them optional. Rules identify processes and peers by name and must not keep the
 *  program's objects for long. */
export interface RuleWatch {
  onStart?(process: ObservedProcess): void;
  onSent?(datagram: SentDatagram): void;
  onArrived?(datagram: ArrivedDatagram): void;
  onTurn?(process: ObservedProcess, turn: Turn): void;
  onEvent?(process: ObservedProcess, event: EndpointEvent): void;
  /** A stream could not be opened. `opened` streams were, in this connection. */
  onRefused?(process: ObservedProcess, peer: NodeName, opened: number): void;
  /** The application ends a direction of a stream. */
  onCommand?(process: ObservedProcess, peer: NodeName, streamId: number, command: EndCommand): void;
  /** Everything has ended, followed by a long silence. */
  onEnd?(processes: readonly ObservedProcess[]): void;
}

/** The messages that were sealed with one key. */
interface KeyRecord {
  /** By counter. */
  readonly sealed: SentDatagram[];
  /** Counters that arrived, by the process that opened them. */
  readonly arrived: Set<number>;
  greatest: number;
  /** The position of the key among those that its reader was given. */
  order: number;
  /** How often the process had forgotten the peer when it made the key. */
  timesForgotten: number;
}

/** spec session 4 */
const REPLAY_WINDOW = 8128;

/** Joins what the network shows with what the processes' ciphers show, and passes it to the rules.
 *
 *  The world calls it as a `Watcher` for each datagram and each turn, and the run of the scenario for each event. For a
 *  datagram that is sent it finds the packet inside, through the `CryptoLog`. For one that arrives it finds out which
 *  sent datagram it is a copy of, and whether the process accepted it. It only observes: nothing in the simulation
 *  depends on it. */
export class Observer implements Watcher {
  readonly #now: () => number;
  readonly #watches: RuleWatch[] = [];
  /** Frequent observations go only to the rules that ask for them. */
  readonly #onSent: ((datagram: SentDatagram) => void)[] = [];
  readonly #onArrived: ((datagram: ArrivedDatagram) => void)[] = [];
  readonly #onTurn: ((process: ObservedProcess, turn: Turn) => void)[] = [];
  readonly #processes = new Map<NodeName, ObservedProcess>();
  readonly #keys = new Map<string, KeyRecord>();
  /** The newest key of each sender that each process has read. */
  readonly #newestKeys = new Map<ObservedProcess, Map<NodeName | undefined, number>>();
  readonly #handshakes = new Map<string, SentDatagram>();
  /** Peers that were added again, and have not been met since, by both names. */
  readonly #forgotten = new Set<string>();
  /** The key that was used with each receiver index. */
  readonly #keyOfIndex = new Map<number, string>();
  /** How many observations there have been. */
  moment = 0;
  #keysBefore = 0;
  /** By the position of the reason in `DROP_REASONS`. */
  readonly #dropsBefore: number[] = DROP_REASONS.map(() => 0);

  constructor(now: () => number) {
    this.#now = now;
  }

  add(watch: RuleWatch): void {
    this.#watches.push(watch);
    const { onSent, onArrived, onTurn } = watch;
    if (onSent !== undefined) this.#onSent.push(onSent);
    if (onArrived !== undefined) this.#onArrived.push(onArrived);
    if (onTurn !== undefined) this.#onTurn.push(onTurn);
  }

  start(process: ObservedProcess): void {
    this.#processes.set(process.node, process);
    this.#newestKeys.set(process, new Map());
    for (const watch of this.#watches) watch.onStart?.(process);
  }

  /** The process adds a peer again that it had removed. Nothing is known of it: its first contact is a handshake. What is
   *  sent before that is the farewell. */
  forget(node: NodeName, peer: NodeName): void {
    const process = this.#processes.get(node);
    if (process !== undefined) this.#forgotten.add(`${process.name} ${peer}`);
  }

  /** The process that runs as that node now. */
  process(node: NodeName): ObservedProcess | undefined {
    return this.#processes.get(node);
  }

  onEvent(node: NodeName, event: EndpointEvent): void {
    const process = this.#processes.get(node);
    if (process === undefined) return;
    this.moment++;
    for (const watch of this.#watches) watch.onEvent?.(process, event);
  }

  onRefused(node: NodeName, peer: NodeName, opened: number): void {
    const process = this.#processes.get(node);
    if (process === undefined) return;
    this.moment++;
    for (const watch of this.#watches) watch.onRefused?.(process, peer, opened);
  }

  onCommand(node: NodeName, peer: NodeName, streamId: number, command: EndCommand): void {
    const process = this.#processes.get(node);
    if (process === undefined) return;
    this.moment++;
    for (const watch of this.#watches) watch.onCommand?.(process, peer, streamId, command);
  }

  end(): void {
    const processes = [...this.#processes.values()];
    this.moment++;
    for (const watch of this.#watches) watch.onEnd?.(processes);
  }

  // ---- what the world shows (Watcher) -------------------------------------------------------------------------

  onSent(node: NodeName, to: Address, datagram: Uint8Array, towards: NodeName | undefined): void {
    const by = this.#processes.get(node);
    if (by === undefined) return;
    const kind = datagram[0] as number;
    const sealed = kind === MessageKind.transport ? takeSealed(by.crypto, datagram) : undefined;
    const identity = kind === MessageKind.transport ? '' : identityOf(datagram);
    const isUnsealed = kind === MessageKind.transport && sealed === undefined;
    const original = isUnsealed ? this.#sentAs(datagram) : undefined;
    const isForFormerPeer =
      sealed !== undefined &&
      this.#key(sealed.key).timesForgotten < (by.timesForgotten.get(towards as NodeName) ?? 0);
    const sent: SentDatagram = {
      by,
      at: this.#now(),
      to: { address: to.address, port: to.port },
      towards: isForFormerPeer ? undefined : towards,
      bytes: datagram.length,
      kind,
      senderIndex: kind === MessageKind.transport ? -1 : readUint32(datagram, 4),
      receiverIndex: kind === MessageKind.transport ? readUint32(datagram, 4) : -1,
      isCopy: original !== undefined || (kind !== MessageKind.transport && this.#handshakes.has(identity)),
      original,
      key: sealed?.key,
      counter: sealed?.counter ?? -1,
      packet: sealed?.packet,
      payloadBytes: sealed?.payloadBytes ?? original?.payloadBytes ?? 0,
      message: kind === MessageKind.transport ? undefined : copyBytes(datagram),
    };
    if (sealed !== undefined) {
      this.#key(sealed.key).sealed[sealed.counter] = sent;
      this.#keyOfIndex.set(readUint32(datagram, 4), sealed.key);
    }
    if (kind !== MessageKind.transport && !sent.isCopy) this.#handshakes.set(identity, sent);
    this.moment++;
    for (const onSent of this.#onSent) onSent(sent);
  }

  onArrival(node: NodeName): void {
    const process = this.#processes.get(node);
    if (process === undefined) return;
    process.crypto.opened = undefined;
    this.#keysBefore = process.crypto.keys.length;
    const { drops } = process.endpoint;
    for (let i = 0; i < DROP_REASONS.length; i++) {
      this.#dropsBefore[i] = drops[DROP_REASONS[i] as DropReason];
    }
  }

  onHandled(node: NodeName, datagram: Uint8Array, from: Address): void {
    const by = this.#processes.get(node);
    if (by === undefined) return;
    const kind = datagram[0] as number;
    const madeKeypair = by.crypto.keys.length > this.#keysBefore;
    const { opened } = by.crypto;
    const record = opened === undefined ? undefined : this.#key(opened.key);
    const known = kind === MessageKind.transport ? undefined : this.#handshakes.get(identityOf(datagram));
    const made = madeKeypair ? known : undefined;
    const sent = opened === undefined ? made : record?.sealed[opened.counter];
    const standing =
      record === undefined ? undefined : this.#note(by, record, opened?.counter as number, sent);
    if (madeKeypair && sent !== undefined && this.#forgotten.delete(`${by.name} ${sent.by.node}`)) {
      by.timesForgotten.set(sent.by.node, (by.timesForgotten.get(sent.by.node) ?? 0) + 1);
    }
    if (madeKeypair) this.#noteKeys(by, sent?.by.node);
    const { drops } = by.endpoint;
    const dropped = this.#findDrop(drops);
    const arrived: ArrivedDatagram = {
      at: this.#now(),
      by,
      from,
      bytes: datagram.length,
      kind,
      sent,
      isFresh: standing !== undefined && standing !== 'seen',
      isNewest: standing === 'newest',
      madeKeypair,
      dropped,
      unknown:
        dropped === 'unknown-index' && kind === MessageKind.transport ? this.#sentAs(datagram) : undefined,
      known,
      message: kind === MessageKind.transport ? undefined : copyBytes(datagram),
    };
    this.moment++;
    for (const onArrived of this.#onArrived) onArrived(arrived);
  }

  onTurn(node: NodeName, turn: Turn): void {
    const process = this.#processes.get(node);
    if (process === undefined) return;
    this.moment++;
    for (const onTurn of this.#onTurn) onTurn(process, turn);
  }

  // ---- inside -------------------------------------------------------------------------------------------------

  #findDrop(drops: Endpoint['drops']): DropReason | undefined {
    for (let i = 0; i < DROP_REASONS.length; i++) {
      const reason = DROP_REASONS[i] as DropReason;
      if (drops[reason] !== this.#dropsBefore[i]) return reason;
    }
    return undefined;
  }

  #key(key: string): KeyRecord {
    let record = this.#keys.get(key);
    if (record === undefined) {
      record = { sealed: [], arrived: new Set(), greatest: -1, order: -1, timesForgotten: 0 };
      this.#keys.set(key, record);
    }
    return record;
  }

  #sentAs(datagram: Uint8Array): SentDatagram | undefined {
    const key = this.#keyOfIndex.get(readUint32(datagram, 4));
    if (key === undefined || datagram.length < 16) return undefined;
    return this.#key(key).sealed[readUint32(datagram, 8) + readUint32(datagram, 12) * 2 ** 32];
  }

  /** Keys are created in pairs, the sending one first. */
  #noteKeys({ crypto, timesForgotten }: ObservedProcess, peer: NodeName | undefined): void {
    const order = crypto.keys.length - 1;
    this.#key((crypto.keys[order] as { key: string }).key).order = order;
    if (timesForgotten.size === 0) return;
    const sending = this.#key((crypto.keys[order - 1] as { key: string }).key);
    sending.timesForgotten = timesForgotten.get(peer as NodeName) ?? 0;
  }

  /** spec session 4, 7 */
  #note(
    by: ObservedProcess,
    record: KeyRecord,
    counter: number,
    sent: SentDatagram | undefined,
  ): 'seen' | 'fresh' | 'newest' {
    if (record.arrived.has(counter) || counter < record.greatest - REPLAY_WINDOW) return 'seen';
    record.arrived.add(counter);
    const newestKeys = this.#newestKeys.get(by) as Map<NodeName | undefined, number>;
    const newest = newestKeys.get(sent?.by.node) ?? -1;
    const isNewest = counter > record.greatest && record.order >= newest;
    if (counter > record.greatest) record.greatest = counter;
    if (isNewest) newestKeys.set(sent?.by.node, record.order);
    return isNewest ? 'newest' : 'fresh';
  }
}
