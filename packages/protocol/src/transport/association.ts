import { copyBytes } from '../copy-bytes.js';
import { type ConnectionError, ConnectionErrorCode, type DropReason } from '../failure.js';
import type { TransportConfig } from './config.js';
import { Connection } from './connection.js';
import type { ConnectionStats, ConnectionTotals } from './connection-stats.js';
import { Epochs, expectsAnEpoch } from './epochs.js';
import { EPOCH_BYTES, PROTOCOL_VERSION } from './limits.js';
import { PeerBudgets } from './peer-budgets.js';
import type { Stream } from './streams/stream.js';
import type { StreamError } from './streams/stream-set.js';
import { type FrameReader, MALFORMED } from './wire/frame-reader.js';
import { FrameType, type Hello } from './wire/frames.js';
import { announcedVarintLength, readVarint } from './wire/varint.js';

/** What all associations of an endpoint have in common. */
export interface AssociationOptions {
  /** The role of our own side. */
  readonly role: 'client' | 'relay';
  readonly transport: TransportConfig;
  readonly random: (length: number) => Uint8Array;
  /** Reads packets for all associations, one after the other. It takes 4 KB, and keeps nothing between packets. */
  readonly reader: FrameReader;
}

/** What an association reports to the owner of the keys and the address. */
export interface AssociationListener {
  /** A keypair was bound to the peer's current run. */
  onBound(): void;
  /** A HELLO of a new run of the peer was accepted, under a keypair that `onBound` has reported. */
  onConnected(hello: Hello): void;
  /** A HELLO came from a run that another one has ended, so two processes use the peer's key (spec streams 3.7). */
  onReturned(now: number, keypairId: number, hello: Hello): void;
  /** A connection has ended. Events of its streams may still wait in it. */
  onEnded(connection: Connection): void;
  /** Follows `onEnded` if a HELLO of the peer had arrived on the connection. */
  onDisconnected(error: ConnectionError, lostStreams: number): void;
  /** Our own epoch has ended. The keypairs that were bound to it must not be used any more (spec streams 8). */
  onEpochEnded(): void;
  /** A command on a stream may have given the connection something to do. */
  onCommand(): void;
}

/** Everything that ties us to one peer apart from keys and addresses: epochs, and the connections that belong to them
 *  (spec streams 3, 8). An association outlives connections, as a connection outlives keys.
 *
 *  Each process draws an epoch, and a connection belongs to one epoch of each side. Before a packet can have any
 *  effect, the association checks that it belongs to the current two; this check is the _gate_. If the peer's HELLO
 *  states another epoch, the peer has restarted, and a new connection begins. If either side closes the connection, our
 *  own epoch ends with it.
 *
 *  The association owns the current connection, the totals of all connections, and the budgets of the peer. It never
 *  sees keys or addresses, only the ids of keypairs. Peer owns it, passes in packets after they were opened, and listens
 *  to its reports. */
export class Association {
  readonly #options: AssociationOptions;
  readonly #listener: AssociationListener;
  readonly #reader: FrameReader;
  readonly #budgets = new PeerBudgets();
  #epochs: Epochs;
  #connection: Connection;
  #isConnected = false;
  /** CLOSE has to be sent with this error. The connection ends once it was. */
  #closing: StreamError | undefined;
  /** The connection after the one that is closing is wanted already. */
  #isWantedAgain = false;
  /** The totals of the connections that have ended. */
  #earlier: ConnectionTotals = {
    streamBytesSent: 0,
    streamBytesReceived: 0,
    packetsSent: 0,
    packetsLost: 0,
  };

  constructor(options: AssociationOptions, listener: AssociationListener) {
    this.#options = options;
    this.#listener = listener;
    this.#reader = options.reader;
    this.#epochs = this.#newEpochs();
    this.#connection = this.#newConnection();
  }

  /** The current connection. */
  get connection(): Connection {
    return this.#connection;
  }
  /** Whether a HELLO of the peer's current run has arrived. */
  get isConnected(): boolean {
    return this.#isConnected;
  }
  /** Whether no stream is open and nothing is in flight. */
  get isIdle(): boolean {
    return this.#connection.isIdle;
  }
  /** One probe timeout, without back-off. */
  get probeTimeoutMs(): number {
    return this.#connection.probeTimeoutMs;
  }
  /** Whether CLOSE has to be sent. `pollPacket` writes it. */
  get isClosing(): boolean {
    return this.#closing !== undefined;
  }
  /** Whether messages of flows may be sent (spec datagrams). */
  get hasMessages(): boolean {
    return this.#closing === undefined && this.#connection.parts.streams.datagrams.isWaiting;
  }
  /** Our HELLO to the peer's current run. */
  get hello(): Hello {
    return this.#connection.helloFor(this.#epochs.expected);
  }
  /** Statistics. Totals cover all connections, the rest is of the current one. */
  get stats(): ConnectionStats {
    return this.#connection.stats(this.#earlier);
  }

  // ---- commands ---------------------------------------------------------------------------------------------

  /** Opens a stream.
   *  @returns undefined if the peer permits no more streams */
  openStream(): Stream | undefined {
    return this.#connection.openStream();
  }

  /** Has HELLO sent although there is nothing else to send. While the connection is closing, the next one sends it. */
  requestHello(): void {
    if (this.isClosing) this.#isWantedAgain = true;
    else this.#connection.requestHello();
  }

  /** Closes the connection: CLOSE is sent with the next poll. If it is closing already, the first error counts. */
  close(error: StreamError): void {
    this.#closing ??= error;
  }

  /** CLOSE was sent, or cannot be sent: ends the connection. */
  endClosing(): void {
    const error = this.#closing as StreamError;
    this.#closing = undefined;
    this.end({ by: 'local', ...error });
    if (this.#isWantedAgain) this.#connection.requestHello();
    this.#isWantedAgain = false;
  }

  /** Ends the connection and our own epoch. The next contact starts a new connection, under a new keypair
   *  (spec streams 8). */
  end(error: ConnectionError): void {
    this.#listener.onEpochEnded();
    this.#epochs = this.#newEpochs();
    // A peer that stops will come back, so streams that were never sent are kept for it, as for one that has restarted.
    // A peer that closed because of an error might find the same error again (spec streams 3.8).
    const { none, peerRestarted } = ConnectionErrorCode;
    const isStop = error.by === 'peer' && (error.code === none || error.code === peerRestarted);
    this.#replaceConnection(error, isStop ? { keypairId: Infinity, maxStreams: 0 } : undefined);
    this.#isConnected = false;
  }

  // ---- inputs -----------------------------------------------------------------------------------------------

  /** Handles a packet.
   *  @param payload the opened payload, which begins with PACKET_TYPE
   *  @returns why the packet had no effect, or undefined */
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

  /** Writes one padded packet. While `isClosing`, it is the one with CLOSE, after which `endClosing` must be called.
   *  @returns its length, or 0 if there is nothing to send */
  pollPacket(now: number, keypairId: number, bytes: Uint8Array, start: number, room: number): number {
    if (this.#closing === undefined) return this.#connection.pollPacket(now, keypairId, bytes, start, room);
    return this.#connection.pollClosePacket(keypairId, bytes, start, room, this.#closing);
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  /** The gate: checks that a packet belongs to the current run of both sides, before anything else (spec streams 3).
   *  @returns why it does not, or undefined */
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

  /** Decides what follows from a HELLO.
   *  @returns why the packet is dropped, or undefined */
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
    if (meaning === 'first' && this.#connection.hello.isOpenBeyond(keypairId)) {
      // A late CLOSE ends nothing (spec streams 8: "MUST ignore the whole packet").
      if (this.#reader.next() === FrameType.close) return 'stale-epoch';
    }
    if (hello.version !== PROTOCOL_VERSION) {
      return this.#fail(ConnectionErrorCode.version, `version ${PROTOCOL_VERSION} is spoken here`);
    }
    // Each new epoch costs a connection, so they are limited (spec streams 3.6).
    if (meaning !== 'known' && !this.#budgets.epochs.take(now)) return 'epoch-flood';
    if (meaning === 'restarted') {
      const error = {
        by: 'peer',
        code: ConnectionErrorCode.peerRestarted,
        reason: 'peer restarted',
      } as const;
      // It knows our epoch, so it has taken packets of the connection that ends (spec streams 3.4: "MUST then draw a
      // new epoch").
      if (expectsAnEpoch(hello)) {
        this.end(error);
        return 'stale-epoch';
      }
      this.#replaceConnection(error, { keypairId, maxStreams: hello.maxStreams });
    }
    this.#connection.hello.onMet(keypairId);
    if (this.#epochs.bind(keypairId, hello)) this.#listener.onBound();
    if (meaning !== 'known') {
      this.#isConnected = true;
      this.#listener.onConnected(hello);
    }
    return undefined;
  }

  #fail(code: number, reason: string): DropReason {
    this.close({ code, reason });
    return 'closed';
  }

  /** Ends the current connection and begins a new one.
   *  @param reopening which streams start over in the new connection: see `Connection.reopenStreams` */
  #replaceConnection(
    error: ConnectionError,
    reopening?: { readonly keypairId: number; readonly maxStreams: number },
  ): void {
    const before = this.#connection;
    this.#earlier = before.stats(this.#earlier);
    this.#connection = this.#newConnection();
    if (reopening !== undefined) {
      this.#connection.reopenStreams(before, reopening.keypairId, reopening.maxStreams);
    }
    const { openStreams } = before;
    before.lose();
    this.#listener.onEnded(before);
    if (this.#isConnected) this.#listener.onDisconnected(error, openStreams);
  }

  #newConnection(): Connection {
    const { role, transport, random } = this.#options;
    const onCommand = (): void => this.#listener.onCommand();
    return new Connection(role, transport, this.#epochs, this.#budgets, random, onCommand);
  }

  /** Draws an epoch of our own: 8 random bytes that are never all zero. */
  #newEpochs(): Epochs {
    const epoch = copyBytes(this.#options.random(EPOCH_BYTES));
    epoch[0] = (epoch[0] as number) | 1;
    return new Epochs(epoch);
  }
}
