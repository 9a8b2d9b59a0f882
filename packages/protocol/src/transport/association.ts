/** What ties us to one peer beyond keys and addresses: epochs, and the connections that belong to them (spec streams 3,
 *  8). */
import { copyBytes } from '../copy-bytes.js';
import { type ConnectionError, ConnectionErrorCode, type DropReason } from '../failure.js';
import type { TransportConfig } from './config.js';
import { Connection, type ConnectionStats } from './connection.js';
import { Epochs } from './epochs.js';
import { EPOCH_BYTES, PROTOCOL_VERSION } from './limits.js';
import { PeerBudgets } from './peer-budgets.js';
import type { Stream } from './streams/stream.js';
import type { StreamError, StreamEvent } from './streams/stream-set.js';
import { type FrameReader, MALFORMED } from './wire/frame-reader.js';
import { FrameType, type Hello } from './wire/frames.js';
import { announcedVarintLength, readVarint } from './wire/varint.js';

export interface AssociationOptions {
  readonly role: 'client' | 'relay';
  readonly transport: TransportConfig;
  readonly random: (length: number) => Uint8Array;
  /** Reads one packet after another for whoever shares it: it is 4 KB, and keeps nothing from one packet to the
   *  next. */
  readonly reader: FrameReader;
}

/** What the owner of the keys and of the address has to know. */
export interface AssociationListener {
  /** A keypair speaks for the present run of the peer from now on. */
  onBound(): void;
  /** HELLO of a new run of the peer arrived, under a keypair that `onBound` was called for. */
  onConnected(): void;
  /** A run that another one has ended speaks again: two processes use the peer's key (spec streams 3.7). */
  onReturned(now: number, keypairId: number, hello: Hello): void;
  /** A connection is over on which the peer had said HELLO. */
  onDisconnected(error: ConnectionError, lostStreams: number): void;
  /** Our own epoch is over: the keypairs that were bound to it must not be used any more (spec streams 8). */
  onEpochEnded(): void;
  /** A command on a stream may have given the connection something to do. */
  onCommand(): void;
}

/** An association outlives connections, as a connection outlives keys.
 *
 *  Each process draws an epoch, and a connection belongs to one epoch of either side. The association asks of every
 *  packet whether it belongs to the present ones (the gate) before anything in it has an effect. When the peer's HELLO
 *  states another epoch the peer has restarted, and the next connection begins; when either side closes, our own epoch
 *  ends with the connection. The association holds the present connection, those that are over and still have events,
 *  and what all of them have carried. It sees neither keys nor addresses, only the ids of keypairs. */
export class Association {
  readonly #options: AssociationOptions;
  readonly #listener: AssociationListener;
  readonly #reader: FrameReader;
  readonly #budgets = new PeerBudgets();
  #epochs: Epochs;
  #connection: Connection;
  /** Connections that are over and still have events. */
  readonly #ended: Connection[] = [];
  #isConnected = false;
  /** CLOSE has to go out, and with it the connection ends. */
  #closing: StreamError | undefined;
  /** Of connections that are over. */
  readonly #earlier = { streamBytesSent: 0, streamBytesReceived: 0, packetsLost: 0 };

  constructor(options: AssociationOptions, listener: AssociationListener) {
    this.#options = options;
    this.#listener = listener;
    this.#reader = options.reader;
    this.#epochs = this.#newEpochs();
    this.#connection = this.#newConnection();
  }

  /** The present one. */
  get connection(): Connection {
    return this.#connection;
  }
  /** HELLO of the present run of the peer arrived. */
  get isConnected(): boolean {
    return this.#isConnected;
  }
  /** See `Connection`. */
  get isIdle(): boolean {
    return this.#connection.isIdle;
  }
  get probeTimeoutMs(): number {
    return this.#connection.probeTimeoutMs;
  }
  /** CLOSE has to go out: `pollPacket` writes it. */
  get isClosing(): boolean {
    return this.#closing !== undefined;
  }
  /** What our HELLO says to the present run of the peer. */
  get hello(): Hello {
    return this.#connection.helloFor(this.#epochs.expected);
  }
  /** Totals are over all connections. */
  get stats(): ConnectionStats {
    const { streamBytesSent, streamBytesReceived, packetsLost, ...present } = this.#connection.stats;
    return {
      ...present,
      streamBytesSent: this.#earlier.streamBytesSent + streamBytesSent,
      streamBytesReceived: this.#earlier.streamBytesReceived + streamBytesReceived,
      packetsLost: this.#earlier.packetsLost + packetsLost,
    };
  }

  // ---- commands ---------------------------------------------------------------------------------------------

  openStream(): Stream | undefined {
    return this.#connection.openStream();
  }

  /** Our side ends the connection: CLOSE goes out with the next poll. */
  close(error: StreamError): void {
    this.#closing ??= error;
  }

  /** CLOSE was sent, or cannot be. */
  endClosing(): void {
    const error = this.#closing as StreamError;
    this.#closing = undefined;
    this.end({ by: 'local', ...error });
  }

  /** spec streams 8: state and keypairs go, the next contact meets a new epoch under a new keypair. */
  end(error: ConnectionError): void {
    this.#listener.onEpochEnded();
    this.#epochs = this.#newEpochs();
    // spec streams 3.8: a peer that stops will come back, one that found fault with us may find it again.
    const isStop = error.by === 'peer' && error.code === ConnectionErrorCode.none;
    this.#replaceConnection(error, isStop ? { keypairId: Infinity, maxStreams: 0 } : undefined);
    this.#isConnected = false;
  }

  // ---- inputs -----------------------------------------------------------------------------------------------

  /** An opened packet, behind its type. @returns why it had no effect, or undefined */
  handlePacket(now: number, keypairId: number, payload: Uint8Array): DropReason | undefined {
    if (this.#closing !== undefined) return 'closed';
    if (payload.length < 2 || payload.length < 1 + announcedVarintLength(payload[1] as number)) {
      return this.#fail(ConnectionErrorCode.frameEncoding, 'truncated packet number');
    }
    const packetNumber = readVarint(payload, 1);
    if (packetNumber < 0) return this.#fail(ConnectionErrorCode.frameEncoding, 'packet number too large');
    const start = 1 + announcedVarintLength(payload[1] as number);
    const stopped = this.#passGate(now, keypairId, payload, start);
    if (stopped !== undefined) return stopped;
    this.#reader.begin(payload, start, payload.length);
    const outcome = this.#connection.handlePacket(now, packetNumber, this.#reader);
    if (outcome === undefined) return undefined;
    if ('dropped' in outcome) return outcome.dropped;
    if ('failed' in outcome) this.close(outcome.failed);
    else this.end({ by: 'peer', ...outcome.closedByPeer });
    return undefined;
  }

  // ---- outputs ----------------------------------------------------------------------------------------------

  /** Events of connections that are over: they come before anything that happened since. */
  pollEndedEvent(): StreamEvent | undefined {
    while (this.#ended.length > 0) {
      const event = (this.#ended[0] as Connection).pollEvent();
      if (event !== undefined) return event;
      this.#ended.shift();
    }
    return undefined;
  }

  /** Writes one padded packet; while `isClosing`, the one with CLOSE, and then `endClosing` is called. @returns its
   *  length, 0 for none */
  pollPacket(now: number, keypairId: number, bytes: Uint8Array, start: number, room: number): number {
    if (this.#closing === undefined) return this.#connection.pollPacket(now, keypairId, bytes, start, room);
    return this.#connection.pollClosePacket(keypairId, bytes, start, room, this.#closing);
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  /** Epoch before anything else: does this packet belong to the present run of both sides (spec streams 3)?
   *  @returns why not, or undefined */
  #passGate(now: number, keypairId: number, payload: Uint8Array, start: number): DropReason | undefined {
    const standing = this.#epochs.standing(keypairId);
    if (payload[start] !== FrameType.hello) {
      if (standing === 'unbound') return 'no-hello';
      return standing === 'stale' ? 'stale-epoch' : undefined;
    }
    this.#reader.begin(payload, start, payload.length);
    if (this.#reader.next() === MALFORMED) {
      return this.#fail(ConnectionErrorCode.frameEncoding, this.#reader.problem);
    }
    return this.#admitHello(now, keypairId, this.#reader.hello as Hello);
  }

  #admitHello(now: number, keypairId: number, hello: Hello): DropReason | undefined {
    const meaning = this.#epochs.judge(keypairId, hello);
    if (meaning === 'not-for-us') {
      this.#connection.requestHello();
      return 'stale-epoch';
    }
    if (meaning === 'stale') return 'stale-epoch';
    if (meaning === 'returned') {
      this.#listener.onReturned(now, keypairId, hello);
      return 'stale-epoch';
    }
    if (meaning === 'violation') {
      return this.#fail(ConnectionErrorCode.protocolViolation, 'epoch changed under one keypair');
    }
    if (hello.version !== PROTOCOL_VERSION) {
      return this.#fail(ConnectionErrorCode.version, `version ${PROTOCOL_VERSION} is spoken here`);
    }
    // spec streams 3.6
    if (meaning !== 'known' && !this.#budgets.epochs.take(now)) return 'epoch-flood';
    if (meaning === 'restarted') {
      const error = {
        by: 'peer',
        code: ConnectionErrorCode.peerRestarted,
        reason: 'peer restarted',
      } as const;
      this.#replaceConnection(error, { keypairId, maxStreams: hello.maxStreams });
    }
    if (this.#epochs.bind(keypairId, hello)) this.#listener.onBound();
    if (meaning !== 'known') {
      this.#isConnected = true;
      this.#listener.onConnected();
    }
    return undefined;
  }

  #fail(code: number, reason: string): DropReason {
    this.close({ code, reason });
    return 'closed';
  }

  /** @param reopening which streams begin again in the new connection: see `Connection.reopenStreams` */
  #replaceConnection(
    error: ConnectionError,
    reopening?: { readonly keypairId: number; readonly maxStreams: number },
  ): void {
    const before = this.#connection;
    const { streamBytesSent, streamBytesReceived, packetsLost } = before.stats;
    this.#earlier.streamBytesSent += streamBytesSent;
    this.#earlier.streamBytesReceived += streamBytesReceived;
    this.#earlier.packetsLost += packetsLost;
    this.#connection = this.#newConnection();
    if (reopening !== undefined) {
      this.#connection.reopenStreams(before, reopening.keypairId, reopening.maxStreams);
    }
    const { openStreams } = before.stats;
    before.lose();
    this.#ended.push(before);
    if (this.#isConnected) this.#listener.onDisconnected(error, openStreams);
  }

  #newConnection(): Connection {
    const { role, transport, random } = this.#options;
    const onCommand = (): void => this.#listener.onCommand();
    return new Connection(role, transport, this.#epochs, this.#budgets, random, onCommand);
  }

  /** 8 random bytes, never all zero. */
  #newEpochs(): Epochs {
    const epoch = copyBytes(this.#options.random(EPOCH_BYTES));
    epoch[0] = (epoch[0] as number) | 1;
    return new Epochs(epoch);
  }
}
