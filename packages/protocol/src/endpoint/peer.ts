/** One peer of an endpoint: its WireGuard sessions below, its connection above, and the epochs that tie them together. */

import { type Address, sameAddress } from '../address.js';
import { copyBytes } from '../copy-bytes.js';
import { HEADER_BYTES, PADDING_BYTES, TRANSPORT_OVERHEAD_BYTES } from '../datagram-layout.js';
import { type Deadline, earlier } from '../deadline.js';
import { type ConnectionError, ConnectionErrorCode, type DropReason } from '../failure.js';
import type { TransportConfig } from '../transport/config.js';
import { Connection } from '../transport/connection.js';
import { Epochs } from '../transport/epochs.js';
import {
  DEAD_KEYS_PTO_COUNT,
  EPOCH_BYTES,
  KEY_SHARED_SILENCE_MS,
  MOVE_SILENCE_MS,
  PACKET_TYPE,
  PROTOCOL_VERSION,
} from '../transport/limits.js';
import type { Path } from '../transport/path/path.js';
import { PeerBudgets } from '../transport/peer-budgets.js';
import type { Stream } from '../transport/streams/stream.js';
import type { StreamError, StreamEvent } from '../transport/streams/stream-set.js';
import { FrameReader, MALFORMED } from '../transport/wire/frame-reader.js';
import { FrameType, type Hello } from '../transport/wire/frames.js';
import { announcedVarintLength, readVarint } from '../transport/wire/varint.js';
import type { Session } from '../wireguard/session.js';
import { type Farewell, writeFarewell } from './farewell.js';
import { Silence } from './silence.js';
import type { TransmitBatch } from './transmit-batch.js';

/** Less is not worth a packet: PATH_CHALLENGE has to fit, and HELLO where it has to stand in front. A keepalive of the peer's
 *  permits 96 bytes. */
const MIN_DATAGRAM_BYTES = 64;
const MIN_HELLO_DATAGRAM_BYTES = 192;
/** HELLO and CLOSE with the longest texts, sealed. */
const MAX_FAREWELL_BYTES = 400;

export interface PeerStats {
  readonly address: Address | undefined;
  /** HELLO of the present run of the peer arrived. */
  readonly connected: boolean;
  /** What the peer calls its software, or undefined before HELLO. */
  readonly software: string | undefined;
  /** Smoothed round trip of the path, or undefined before the first sample. */
  readonly smoothedRttMs: number | undefined;
  /** From the newest initiation of ours to its response; undefined when only the peer initiated. */
  readonly handshakeRttMs: number | undefined;
  readonly handshakes: number;
  readonly datagramsSent: number;
  readonly datagramsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly streamBytesSent: number;
  readonly streamBytesReceived: number;
  readonly packetsLost: number;
  readonly congestionWindowBytes: number;
  readonly bytesInFlight: number;
  readonly openStreams: number;
  /** When the answer came due that has not come for so long that connections wait (monotonic ms), or undefined. */
  readonly waitingSince: number | undefined;
  /** Received bytes that no application has read yet, and written ones that the peer has not acknowledged. */
  readonly unreadBytes: number;
  readonly unacknowledgedBytes: number;
  /** Pieces of what was written that are noted as acknowledged or lost (docs/spec/streams.md §5.7), and packets remembered as sent. */
  readonly notedPieces: number;
  readonly rememberedPackets: number;
}

export interface PeerContext {
  readonly role: 'client' | 'relay';
  readonly transport: TransportConfig;
  readonly random: (length: number) => Uint8Array;
  /** A command on a peer or on one of its streams may have given it something to do. */
  readonly onTouched: (peer: Peer) => void;
}

export type PeerEvent =
  /** HELLO of a new epoch arrived: first contact, or contact with a restarted peer. */
  | { readonly type: 'connected'; readonly peer: Peer }
  /** The connection is over (closed, broken, or the peer restarted); its streams got `stream-reset` events first. */
  | {
      readonly type: 'disconnected';
      readonly peer: Peer;
      readonly error: ConnectionError;
      /** How many streams ended with it. */
      readonly lostStreams: number;
    }
  /** Two processes use the peer's key (spec streams 3.7): where the one is whose connection lasts, and the one that came back after its
   *  end. */
  | { readonly type: 'key-shared'; readonly peer: Peer; readonly addresses: readonly Address[] }
  /** An answer has been due since `since`, and nothing is heard: streams wait. */
  | { readonly type: 'waiting'; readonly peer: Peer; readonly since: number }
  /** The peer is heard again. */
  | { readonly type: 'resumed'; readonly peer: Peer; readonly silentMs: number }
  /** The peer's new address is proven (spec path 3); at most one event a second. `from` is the one reported before. */
  | { readonly type: 'moved'; readonly peer: Peer; readonly from: Address; readonly to: Address }
  /** The path carries no full datagram in one piece; told once for each path (spec mtu 3.6). */
  | { readonly type: 'path-fragments'; readonly peer: Peer; readonly datagramBytes: number }
  /** `openStream` gives streams again, after it gave none. */
  | { readonly type: 'streams-available'; readonly peer: Peer }
  /** The other side opened it. */
  | { readonly type: 'stream-opened'; readonly peer: Peer; readonly stream: Stream }
  /** Bytes or the FIN can be read: call `read` until undefined. */
  | { readonly type: 'stream-readable'; readonly stream: Stream }
  | { readonly type: 'stream-writable'; readonly stream: Stream }
  /** The other side's sending direction ended early, or the connection is over: nothing more to read. */
  | { readonly type: 'stream-reset'; readonly stream: Stream; readonly code: number }
  /** The other side will not read on: our sending direction is over. */
  | { readonly type: 'stream-stopped'; readonly stream: Stream; readonly code: number }
  /** Both directions are over and everything we sent was acknowledged: the last event of a stream. */
  | { readonly type: 'stream-closed'; readonly stream: Stream };

export class Peer {
  readonly publicKey: Uint8Array;
  readonly session: Session<Peer>;
  readonly #context: PeerContext;
  readonly #reader = new FrameReader();
  /** News of this peer in order; the events of lost connections go before them. */
  readonly #events: PeerEvent[] = [];
  readonly #budgets = new PeerBudgets();
  #epochs: Epochs;
  #connection: Connection;
  /** Connections that are over but still have events to tell. */
  #lost: Connection[] = [];
  #connected = false;
  /** Of connections that are over. */
  readonly #earlier = { streamBytesSent: 0, streamBytesReceived: 0, packetsLost: 0 };
  readonly #silence = new Silence();
  readonly #path: Path;
  #minDatagramBytes = MIN_HELLO_DATAGRAM_BYTES;
  /** 'path-fragments' was told of the present path. */
  #toldOfFragments = false;
  /** CLOSE has to go out, and with it the connection ends. */
  #closing: StreamError | undefined;
  /** Where the peer was when its present epoch was bound to its newest keypair. */
  #runAddress: Address | undefined;
  /** Where the last 'connected' or 'moved' saw the peer. */
  #reportedAddress: Address | undefined;
  #moveReportedAt = Number.NEGATIVE_INFINITY;
  #keySharedAt = Number.NEGATIVE_INFINITY;
  #farewell: Farewell | undefined;
  #isRemoved = false;

  constructor(session: Session<Peer>, path: Path, context: PeerContext) {
    this.session = session;
    this.#path = path;
    this.#context = context;
    this.publicKey = session.publicKey;
    this.#epochs = new Epochs(drawEpoch(context.random));
    this.#connection = this.#newConnection();
  }

  // ---- for the application ----------------------------------------------------------------------------------

  /** Where datagrams to the peer go now. */
  get address(): Address | undefined {
    return this.#path.address;
  }

  /** Starts the handshake and the HELLO now and not with the first stream. */
  connect(now: number): void {
    this.#connection.requestHello();
    this.session.requestHandshake(now);
    this.#touch();
  }

  /** Compares without giving the key away. @param presharedKey undefined: whether there is none */
  hasPresharedKey(presharedKey: Uint8Array | undefined): boolean {
    return this.session.hasPresharedKey(presharedKey);
  }

  /** @returns undefined when the other side's limit on streams is reached */
  openStream(): Stream | undefined {
    return this.#connection.openStream();
  }

  /** We know better where the peer is. Another address than the last is another path (spec path 4). */
  setAddress(now: number, address: Address): void {
    const isNew = this.#path.proven?.address !== address.address;
    this.#path.trust(address);
    this.#movePath(now, isNew);
    this.#touch();
  }

  /** Tries another of the peer's addresses: what is sent goes there from now on, and a handshake message goes there at once. When one
   *  that was tried before answers first, that is where the peer is (spec outage 7). */
  tryAddress(now: number, address: Address): void {
    this.setAddress(now, address);
    this.session.requestHandshake(now);
    this.session.repeatInitiation();
  }

  /** Ends the connection politely: CLOSE with NONE. */
  close(): void {
    this.#fail({ code: ConnectionErrorCode.none, reason: 'closed' });
    this.#touch();
  }

  stats(): PeerStats {
    const { recovery, congestion, streams } = this.#connection.parts;
    const session = this.session.stats;
    return {
      address: this.#path.address,
      connected: this.#connected,
      software: this.#connection.peerHello?.softwareName,
      smoothedRttMs: recovery.rtt.hasSample ? recovery.rtt.smoothedMs : undefined,
      handshakeRttMs: session.handshakeRttMs,
      handshakes: session.handshakes,
      datagramsSent: session.datagramsSent,
      datagramsReceived: session.datagramsReceived,
      bytesSent: session.bytesSent,
      bytesReceived: session.bytesReceived,
      streamBytesSent: this.#earlier.streamBytesSent + streams.credit.sentBytes,
      streamBytesReceived: this.#earlier.streamBytesReceived + streams.credit.receivedBytes,
      packetsLost: this.#earlier.packetsLost + recovery.packetsLost,
      congestionWindowBytes: congestion.windowBytes,
      bytesInFlight: recovery.bytesInFlight,
      openStreams: streams.openStreams,
      waitingSince: this.#silence.waitingSince,
      unreadBytes: streams.credit.unreadBytes,
      unacknowledgedBytes: streams.bufferedBytes,
      notedPieces: streams.notedPieces,
      rememberedPackets: recovery.log.next - recovery.log.first,
    };
  }

  // ---- for the endpoint -------------------------------------------------------------------------------------

  /** An opened payload. @returns why it had no effect, or undefined */
  handlePayload(now: number, keypairId: number, payload: Uint8Array): DropReason | undefined {
    const first = payload[0] as number;
    if (first !== PACKET_TYPE) {
      const nibble = first >>> 4;
      return nibble === 4 || nibble === 6 ? 'ip-packet' : 'unknown-payload';
    }
    if (this.#closing !== undefined) return 'closed';
    if (payload.length < 2 || payload.length < 1 + announcedVarintLength(payload[1] as number)) {
      return this.#failWith(ConnectionErrorCode.frameEncoding, 'truncated packet number');
    }
    const packetNumber = readVarint(payload, 1);
    if (packetNumber < 0) return this.#failWith(ConnectionErrorCode.frameEncoding, 'packet number too large');
    const start = 1 + announcedVarintLength(payload[1] as number);
    const stopped = this.#passGate(now, keypairId, payload, start);
    if (stopped !== undefined) return stopped;
    this.#reader.begin(payload, start, payload.length);
    const outcome = this.#connection.handlePacket(now, packetNumber, this.#reader);
    this.#checkPathResponse(now);
    if (outcome === undefined) return undefined;
    if ('dropped' in outcome) return outcome.dropped;
    if ('failed' in outcome) {
      this.#fail(outcome.failed);
      return undefined;
    }
    this.#end({ by: 'peer', ...outcome.closedByPeer });
    return undefined;
  }

  /** An authenticated datagram arrived. */
  handleContact(now: number): void {
    const silentMs = this.#silence.onHeard(now);
    if (silentMs !== undefined) this.#events.push({ type: 'resumed', peer: this, silentMs });
    this.#connection.holdNewStreams(false);
    this.#connection.handleContact(now);
  }

  handleTimeout(now: number): void {
    this.#provePath(now);
    this.#connection.handleSendable(now, this.session.sendableKeypairId(now) !== undefined);
    this.#connection.handleTimeout(now);
    this.#judgeSilence(now);
    if (this.#silenceEndsAt <= now) {
      this.#fail({ code: ConnectionErrorCode.idleTimeout, reason: 'nothing heard for too long' });
    }
  }

  handleTooLarge(now: number, bytes: number): void {
    this.#connection.handleTooLarge(now, bytes);
  }

  /** spec path 2 */
  get #mayBeSent(): boolean {
    return this.#path.allowanceBytes >= this.#minDatagramBytes;
  }

  /** spec path 3 */
  #checkPathResponse(now: number): void {
    const response = this.#connection.takePathResponse();
    const moved = response === undefined ? undefined : this.#path.onResponse(response);
    if (moved === undefined) return;
    const to = this.#path.proven as Address;
    this.session.releaseInitiation();
    this.#movePath(now, moved === 'address');
    const from = this.#reportedAddress;
    if (from === undefined || sameAddress(from, to)) return; // 'connected' has said so
    if (now - this.#moveReportedAt < MOVE_SILENCE_MS) return;
    this.#events.push({ type: 'moved', peer: this, from, to });
    this.#moveReportedAt = now;
    this.#reportedAddress = to;
  }

  #movePath(now: number, isNew: boolean): void {
    this.#connection.handleMove(now, isNew);
    if (isNew) this.#toldOfFragments = false;
  }

  #provePath(now: number): void {
    this.#path.handleTimeout(now);
    const challenge = this.#path.takeChallenge(now, this.#connection.parts.recovery.rtt.probeTimeoutMs);
    if (challenge !== undefined) this.#connection.challenge(challenge);
  }

  /** Asks for new keys when these may be dead, and reports that streams wait. */
  #judgeSilence(now: number): void {
    const { ptoCount, rtt } = this.#connection.parts.recovery;
    if (this.#silence.suspectAt(rtt.probeTimeoutMs) <= now) {
      this.#silence.suspect();
      // spec streams 3.8
      this.#connection.holdNewStreams(true);
    }
    // spec recovery 4.1
    if (ptoCount >= DEAD_KEYS_PTO_COUNT || this.#silence.isSuspect) this.session.requestHandshake(now);
    // spec outage 2
    if (!this.#connected || this.#silence.waitingAt(rtt.probeTimeoutMs) > now) return;
    this.#silence.wait();
    this.#events.push({ type: 'waiting', peer: this, since: this.#silence.waitingSince as number });
  }

  /** When silence next has a consequence, or infinity. */
  get #silenceDueAt(): number {
    const { probeTimeoutMs } = this.#connection.parts.recovery.rtt;
    const waitingAt = this.#connected ? this.#silence.waitingAt(probeTimeoutMs) : Infinity;
    return Math.min(this.#silence.suspectAt(probeTimeoutMs), waitingAt, this.#silenceEndsAt);
  }

  /** spec outage 4: when streams that nobody asks for any more are given up. */
  get #silenceEndsAt(): number {
    const { streams, recovery } = this.#connection.parts;
    const isIdle = streams.openStreams === 0 && recovery.ackElicitingInFlight === 0;
    const { heardAt } = this.#silence;
    if (heardAt === undefined || isIdle) return Infinity;
    return heardAt + this.#context.transport.maxSilenceMs;
  }

  pollEvent(): PeerEvent | undefined {
    if (this.#connection.isBaseFragmented && !this.#toldOfFragments) {
      this.#toldOfFragments = true;
      const datagramBytes = this.#connection.baseDatagramBytes;
      this.#events.push({ type: 'path-fragments', peer: this, datagramBytes });
    }
    while (this.#lost.length > 0) {
      const event = (this.#lost[0] as Connection).pollEvent();
      if (event !== undefined) return this.#withPeer(event);
      this.#lost.shift();
    }
    const event = this.#events.shift();
    if (event !== undefined) return event;
    const ofStreams = this.#connection.pollEvent();
    return ofStreams && this.#withPeer(ofStreams);
  }

  /** Fills `batch` with sealed packets of equal size. @returns false when there are none now */
  pollTransmit(now: number, batch: TransmitBatch): boolean {
    const session = this.session;
    const keypairId = session.sendableKeypairId(now);
    this.#connection.handleSendable(now, keypairId !== undefined);
    if (keypairId === undefined || this.#path.address === undefined) {
      if (this.#closing !== undefined) this.#endClosing();
      else if (this.#connection.wantsToSend(now)) {
        session.requestHandshake(now);
        this.#silence.ask(now);
      }
      return false;
    }
    const { handshakeRttMs } = session.stats;
    if (handshakeRttMs !== undefined) this.#connection.handleHandshakeRtt(handshakeRttMs);
    batch.to = this.#path.address;
    if (this.#pollMtuProbe(now, keypairId, batch)) return true;
    // spec path 2
    const allowed = this.#path.allowanceBytes;
    // spec mtu 5: an address that is not proven may lie behind a smaller path
    const isOnTrial = this.#path.candidate !== undefined;
    const fullBytes = isOnTrial ? this.#connection.baseDatagramBytes : this.#connection.datagramBytes;
    const datagramBytes = Math.min(fullBytes, roundedDown(allowed));
    batch.mayFragment = fullBytes === this.#connection.baseDatagramBytes;
    const isHelloConfirmed = this.#connection.isHelloConfirmed(keypairId);
    this.#minDatagramBytes = isHelloConfirmed ? MIN_DATAGRAM_BYTES : MIN_HELLO_DATAGRAM_BYTES;
    if (!this.#mayBeSent) {
      if (this.#closing !== undefined) this.#endClosing(); // without a word: it could not be sent
      return false;
    }
    const room = datagramBytes - TRANSPORT_OVERHEAD_BYTES;
    const limit = Math.min(batch.buffer.length, allowed);
    batch.lengthBytes = 0;
    batch.segmentBytes = datagramBytes;
    while (batch.lengthBytes + datagramBytes <= limit) {
      const offset = batch.lengthBytes;
      const length = this.#nextPacket(now, keypairId, batch.buffer, offset + HEADER_BYTES, room);
      if (length === 0) break;
      batch.lengthBytes += session.seal(now, batch.buffer, offset, length, room);
      if (this.#closing !== undefined) {
        this.#endClosing();
        break;
      }
      // A shorter datagram can only be the last of a batch
      if (length < room || session.sendableKeypairId(now) !== keypairId) break;
    }
    if (this.#connection.parts.recovery.ackElicitingInFlight > 0) this.#silence.ask(now);
    if (batch.lengthBytes < batch.segmentBytes) batch.segmentBytes = batch.lengthBytes;
    return batch.lengthBytes > 0;
  }

  pollTimeout(): Deadline | undefined {
    const at = this.#silenceDueAt;
    const silence = at === Infinity ? undefined : { at, reason: 'silence' };
    const { dueAt } = this.#path;
    const path = dueAt === Infinity ? undefined : { at: dueAt, reason: 'path validation' };
    // Nothing may be sent there: whatever is due waits for the peer's next datagram, or for the end of the trial.
    const connection = this.#mayBeSent ? this.#connection.pollTimeout() : undefined;
    return earlier(connection, earlier(silence, path));
  }

  /** The peer is forgotten: its streams end. @returns what is to be sent to it, if it is connected */
  remove(now: number, reason: string): Farewell | undefined {
    const error = { code: ConnectionErrorCode.removed, reason };
    const farewell = this.#connected ? this.#writeFarewell(now, this.#epochs.expected, error) : undefined;
    this.#end({ by: 'local', ...error });
    this.#isRemoved = true;
    return farewell;
  }

  /** A farewell to another process with the peer's key, once. */
  takeFarewell(): Farewell | undefined {
    const farewell = this.#farewell;
    this.#farewell = undefined;
    return farewell;
  }

  /** A packet that is larger than the others goes alone (spec mtu 2). */
  #pollMtuProbe(now: number, keypairId: number, batch: TransmitBatch): boolean {
    const probeBytes = this.#connection.mtuProbeBytes(now);
    if (probeBytes === undefined || !this.#connection.isHelloConfirmed(keypairId)) return false;
    if (this.#closing !== undefined || this.#path.candidate !== undefined) return false;
    const room = probeBytes - TRANSPORT_OVERHEAD_BYTES;
    batch.mayFragment = false;
    const length = this.#connection.pollMtuProbe(now, batch.buffer, HEADER_BYTES, room);
    if (length === 0) return false;
    batch.lengthBytes = this.session.seal(now, batch.buffer, 0, length, room);
    batch.segmentBytes = batch.lengthBytes;
    return true;
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  #touch(): void {
    if (!this.#isRemoved) this.#context.onTouched(this);
  }

  #withPeer(event: StreamEvent): PeerEvent {
    if (event.type === 'stream-opened') return { type: event.type, peer: this, stream: event.stream };
    return event.type === 'streams-available' ? { type: event.type, peer: this } : event;
  }

  #nextPacket(now: number, keypairId: number, bytes: Uint8Array, start: number, room: number): number {
    if (this.#closing === undefined) return this.#connection.pollPacket(now, keypairId, bytes, start, room);
    return this.#connection.pollClosePacket(keypairId, bytes, start, room, this.#closing);
  }

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
      return this.#failWith(ConnectionErrorCode.frameEncoding, this.#reader.problem);
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
      this.#supersede(now, keypairId, hello);
      return 'stale-epoch';
    }
    if (meaning === 'violation') {
      return this.#failWith(ConnectionErrorCode.protocolViolation, 'epoch changed under one keypair');
    }
    if (hello.version !== PROTOCOL_VERSION) {
      return this.#failWith(ConnectionErrorCode.version, `version ${PROTOCOL_VERSION} is spoken here`);
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
    if (this.#epochs.bind(keypairId, hello)) this.#runAddress = this.#path.address;
    if (meaning !== 'known') {
      this.#connected = true;
      this.#reportedAddress = this.#path.address;
      this.#events.push({ type: 'connected', peer: this });
    }
    return undefined;
  }

  /** spec streams 3.7: a process whose connection another one with the same key has ended is told so; that other one goes on undisturbed. */
  #supersede(now: number, keypairId: number, hello: Hello): void {
    if (this.session.sendableKeypairId(now) !== keypairId) return;
    const { address } = this.#path;
    const reason = 'another client with the same key has connected';
    this.#farewell = this.#writeFarewell(now, hello.epoch, { code: ConnectionErrorCode.superseded, reason });
    this.session.dropCurrentKeypair();
    this.#path.endTrial();
    if (now - this.#keySharedAt < KEY_SHARED_SILENCE_MS) return;
    this.#keySharedAt = now;
    const addresses = [this.#runAddress, address].filter((known) => known !== undefined);
    this.#events.push({ type: 'key-shared', peer: this, addresses });
  }

  /** Seals a farewell under the current keypair. @returns undefined where none may be sent */
  #writeFarewell(now: number, expectedEpoch: Uint8Array, error: StreamError): Farewell | undefined {
    const { session } = this;
    const to = this.#path.address;
    if (to === undefined || session.sendableKeypairId(now) === undefined) return undefined;
    if (this.#path.allowanceBytes < MAX_FAREWELL_BYTES) return undefined;
    const buffer = new Uint8Array(MAX_FAREWELL_BYTES);
    const hello = this.#connection.helloFor(expectedEpoch);
    const length = writeFarewell(buffer, HEADER_BYTES, hello, error);
    return { to, datagram: buffer.subarray(0, session.seal(now, buffer, 0, length)) };
  }

  #failWith(code: number, reason: string): DropReason {
    this.#fail({ code, reason });
    return 'closed';
  }

  /** Our side ends the connection: CLOSE goes out with the next poll. */
  #fail(error: StreamError): void {
    this.#closing ??= error;
  }

  #endClosing(): void {
    const error = this.#closing as StreamError;
    this.#closing = undefined;
    this.#end({ by: 'local', ...error });
  }

  /** spec streams 8: state and keypairs go, the next contact meets a new epoch under a new keypair. */
  #end(error: ConnectionError): void {
    this.session.dropKeypairs();
    this.#epochs = new Epochs(drawEpoch(this.#context.random));
    // spec streams 3.8: a peer that stops will come back, one that found fault with us may find it again.
    const isStop = error.by === 'peer' && error.code === ConnectionErrorCode.none;
    this.#replaceConnection(error, isStop ? { keypairId: Infinity, maxStreams: 0 } : undefined);
    this.#connected = false;
    this.#silence.end();
  }

  /** @param reopening which streams begin again in the new connection: see `Connection.reopenStreams` */
  #replaceConnection(
    error: ConnectionError,
    reopening?: { readonly keypairId: number; readonly maxStreams: number },
  ): void {
    const { recovery, streams } = this.#connection.parts;
    this.#earlier.streamBytesSent += streams.credit.sentBytes;
    this.#earlier.streamBytesReceived += streams.credit.receivedBytes;
    this.#earlier.packetsLost += recovery.packetsLost;
    const next = this.#newConnection();
    if (reopening !== undefined) {
      next.reopenStreams(this.#connection, reopening.keypairId, reopening.maxStreams);
    }
    const lostStreams = streams.openStreams;
    this.#connection.lose();
    this.#lost.push(this.#connection);
    this.#connection = next;
    if (this.#connected) this.#events.push({ type: 'disconnected', peer: this, error, lostStreams });
  }

  #newConnection(): Connection {
    const { role, transport, random } = this.#context;
    const onCommand = (): void => this.#touch();
    return new Connection(role, transport, this.#epochs, this.#budgets, random, onCommand);
  }
}

function roundedDown(bytes: number): number {
  return bytes === Infinity ? bytes : bytes - (bytes % PADDING_BYTES);
}

/** 8 random bytes, never all zero. */
function drawEpoch(random: (length: number) => Uint8Array): Uint8Array {
  const epoch = copyBytes(random(EPOCH_BYTES));
  epoch[0] = (epoch[0] as number) | 1;
  return epoch;
}
