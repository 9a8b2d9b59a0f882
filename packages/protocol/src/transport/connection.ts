/** A connection: streams, windows and recovery between two processes, whatever happens to keys and addresses
 *  (spec streams 3; recovery). It takes opened packets and gives packets to seal; the endpoint does the rest.
 *
 *  Calling order: `handlePacket` and `handleTimeout`, then `pollEvent` until undefined, then `pollPacket` until 0, then
 *  `pollTimeout`. */

import { copyBytes } from '../copy-bytes.js';
import { type Deadline, earlier } from '../deadline.js';
import { ConnectionErrorCode, type DropReason } from '../failure.js';
import type { TransportConfig } from './config.js';
import { type AckSample, emptyAckSample, emptyLossSample, type LossSample } from './congestion/controller.js';
import type { Epochs } from './epochs.js';
import {
  INITIAL_MAX_STREAMS,
  MAX_DATA_PROBES,
  MAX_FRAMES_PER_PACKET,
  PROTOCOL_VERSION,
  TRANSPORT_OVERHEAD_BYTES,
} from './limits.js';
import { PacketBuilder } from './packet-builder.js';
import { type ConnectionParts, composeParts, createController } from './parts.js';
import type { PeerBudgets } from './peer-budgets.js';
import { Content } from './recovery/packet-log.js';
import { SentFrameKind } from './recovery/sent-frames.js';
import type { Stream } from './streams/stream.js';
import type { FrameOutcome, StreamError, StreamEvent } from './streams/stream-set.js';
import { END, type FrameReader, MALFORMED } from './wire/frame-reader.js';
import { FrameType, type Hello } from './wire/frames.js';

/** What became of a packet: nothing special, dropped, the peer's CLOSE, or our reason to close. */
export type PacketOutcome =
  | undefined
  | { readonly dropped: DropReason }
  | { readonly closedByPeer: StreamError }
  | { readonly failed: StreamError };

/** What a stream may buffer, in congestion windows: data stays buffered until the oldest hole before it is filled, which on a lossy path
 *  takes several round trips. */
const SEND_AHEAD_WINDOWS = 6;

const DUPLICATE: PacketOutcome = { dropped: 'duplicate-packet' };
/** Left unacknowledged so that it comes again (spec streams 4.6). */
const LATER: PacketOutcome = { dropped: 'reassembly-full' };

export class Connection {
  readonly #parts: ConnectionParts;
  readonly #builder: PacketBuilder;
  readonly #ackSample: AckSample;
  readonly #lossSample: LossSample;
  #sendable = false;
  #pathResponse: Uint8Array | undefined;
  /** What congestion control and pacing were last told. */
  #datagramBytes: number;
  #hello: Hello | undefined;
  #closedByPeer: StreamError | undefined;
  /** The packet that is being handled changed something else than streams. */
  #hadEffect = false;
  readonly #budgets: PeerBudgets;

  /** @param onCommand called when a command on a stream may have given the connection something to do */
  constructor(
    role: 'client' | 'relay',
    config: TransportConfig,
    epochs: Epochs,
    budgets: PeerBudgets,
    random: (length: number) => Uint8Array,
    onCommand: () => void,
  ) {
    this.#budgets = budgets;
    this.#ackSample = emptyAckSample();
    this.#lossSample = emptyLossSample();
    this.#parts = composeParts(role, config, random, budgets, this, onCommand);
    this.#builder = new PacketBuilder(this.#parts, epochs);
    this.#datagramBytes = this.#parts.mtu.datagramBytes;
    this.#updateStreams(0);
  }

  // ---- getters ----------------------------------------------------------------------------------------------

  /** What the peer said of itself, once it did. */
  get peerHello(): Hello | undefined {
    return this.#hello;
  }
  get parts(): Readonly<Pick<ConnectionParts, 'recovery' | 'congestion' | 'streams' | 'received'>> {
    return this.#parts;
  }

  // ---- commands ---------------------------------------------------------------------------------------------

  openStream(): Stream | undefined {
    return this.#parts.streams.open();
  }

  /** A HELLO goes out with the next poll. */
  requestHello(): void {
    this.#parts.pending.hello = true;
  }

  /** Streams of which nothing was sent yet wait until this is called with false (spec streams 3.8). */
  holdNewStreams(isHolding: boolean): void {
    this.#parts.streams.isHoldingNew = isHolding;
  }

  /** Opens streams of an earlier connection again on which nobody can have acted (spec streams 3.8).
   *  @param keypairId the first one that the present run of the peer has
   *  @param maxStreams how many the peer permits, if its HELLO is there */
  reopenStreams(earlier: Connection, keypairId: number, maxStreams: number): void {
    const { streams } = this.#parts;
    streams.onMaxStreams(maxStreams);
    const most = Math.max(maxStreams, INITIAL_MAX_STREAMS);
    for (const stream of earlier.#parts.streams.takeUnheard(keypairId, most)) streams.reopen(stream);
  }

  /** The connection is over: every stream ends. */
  lose(): void {
    this.#parts.streams.loseAll();
  }

  // ---- the world comes in -----------------------------------------------------------------------------------

  /** @param reader stands behind the packet number; HELLO, if there is one, is judged already */
  handlePacket(now: number, packetNumber: number, reader: FrameReader): PacketOutcome {
    const { received, recovery, liveness } = this.#parts;
    this.#parts.streams.now = now;
    // spec streams 1.2
    if (received.isDuplicate(packetNumber)) return DUPLICATE;
    const { effects } = this.#parts.streams;
    let ackEliciting = false;
    let later = false;
    let acks = 0;
    this.#hadEffect = false;
    for (let frames = 0; ; frames++) {
      const type = reader.next();
      if (type === END) break;
      if (type === MALFORMED) return failed(ConnectionErrorCode.frameEncoding, reader.problem);
      // spec streams 2.3
      if (frames === MAX_FRAMES_PER_PACKET)
        return failed(ConnectionErrorCode.protocolViolation, 'too many frames');
      if (type === FrameType.ack && ++acks > 1)
        return failed(ConnectionErrorCode.protocolViolation, 'more than one ACK in a packet');
      if (type === FrameType.hello && frames > 0)
        return failed(ConnectionErrorCode.protocolViolation, 'HELLO behind another frame');
      if (type !== FrameType.ack && type !== FrameType.close) ackEliciting = true;
      const outcome = this.#handleFrame(now, type, reader);
      if (this.#closedByPeer !== undefined) return { closedByPeer: this.#closedByPeer };
      if (outcome === 'later') later = true;
      else if (outcome !== undefined) return { failed: outcome };
    }
    this.#parts.streams.announceRoom();
    // spec streams 2.5
    if (this.#hadEffect || this.#parts.streams.effects > effects) this.#budgets.idlePackets.give();
    else if (!this.#budgets.idlePackets.take(now))
      return failed(ConnectionErrorCode.protocolViolation, 'too many packets without effect');
    if (later) return LATER;
    received.record(now, packetNumber, ackEliciting);
    liveness.onReceived(now, ackEliciting, recovery.rtt.probeTimeoutMs);
    return undefined;
  }

  handleTimeout(now: number): void {
    this.#parts.streams.now = now;
    if (!this.#sendable) return;
    const { recovery, liveness, streams, tail } = this.#parts;
    streams.places.pay(now);
    // With packets in flight the probe timer asks.
    if (liveness.takeDue(now, streams.openStreams) && recovery.ackElicitingInFlight === 0) {
      this.#parts.pending.ping = true;
    }
    const repeated = tail.takeDue(now);
    if (repeated >= 0 && recovery.isOutstanding(repeated)) {
      tail.isRepeating = true;
      this.#sendAgain(repeated);
    }
    const due = recovery.pollTimeout();
    if (due === undefined || due.at > now) return;
    const before = recovery.ptoCount;
    recovery.handleTimeout(now);
    // spec mtu 4.2: packets of the base size would be lost for other reasons
    if (recovery.ptoCount > before && recovery.hasInFlightAbove(this.#parts.config.datagramBytes)) {
      this.#parts.mtu.onProbeTimeout(now);
    }
    this.#afterRecovery(now);
  }

  /** The address that the peer moved to is proven. @param isNew everything known of the path is void (spec path 4) */
  handleMove(now: number, isNew: boolean): void {
    if (!isNew) return;
    const { recovery, config, random, mtu, tail } = this.#parts;
    recovery.onNewPath();
    tail.onNewPath();
    mtu.restart(now);
    this.#parts.congestion = createController(config, mtu.datagramBytes, random);
    this.#updateDatagramBytes();
  }

  /** The system refused a datagram of so many bytes. */
  handleTooLarge(now: number, bytes: number): void {
    this.#parts.mtu.onTooLarge(now, bytes);
    this.#updateDatagramBytes();
  }

  /** PATH_CHALLENGE with these 8 bytes goes out with the next poll. */
  challenge(data: Uint8Array): void {
    this.#parts.pending.challenge = data;
  }

  /** The bytes of a PATH_RESPONSE that the last packet brought. */
  takePathResponse(): Uint8Array | undefined {
    const response = this.#pathResponse;
    this.#pathResponse = undefined;
    return response;
  }

  /** An authenticated datagram of the peer arrived, whatever was in it. */
  handleContact(now: number): void {
    if (this.#sendable) this.#parts.recovery.onSignOfLife(now);
  }

  /** A handshake was answered in this time. */
  handleHandshakeRtt(roundTripMs: number): void {
    this.#parts.recovery.rtt.seed(roundTripMs);
  }

  /** Tells whether there is a key to send under (spec recovery 7). */
  handleSendable(now: number, sendable: boolean): void {
    if (sendable && !this.#sendable) this.#parts.recovery.onSendingResumed(now);
    this.#sendable = sendable;
  }

  // ---- effects go out ---------------------------------------------------------------------------------------

  pollEvent(): StreamEvent | undefined {
    return this.#parts.streams.pollEvent();
  }

  /** Anything that a key would let out: new data, or data in flight that nobody has acknowledged. */
  wantsToSend(now: number): boolean {
    const { streams, recovery } = this.#parts;
    const isHeld = streams.isHoldingNew && streams.openStreams > 0;
    return this.#builder.wantsToSend(now) || recovery.ackElicitingInFlight > 0 || isHeld;
  }

  /** UDP payload of a full datagram now. */
  get datagramBytes(): number {
    return this.#datagramBytes;
  }

  /** UDP payload of a full datagram on a path of which nothing is known (spec mtu 1.2). */
  get baseDatagramBytes(): number {
    return this.#parts.config.datagramBytes;
  }

  /** The path carries not even that in one piece (spec mtu 3.6). */
  get isBaseFragmented(): boolean {
    return this.#parts.mtu.isBaseFragmented;
  }

  /** The peer has our HELLO under this keypair and wants no other: packets need not begin with one. */
  isHelloConfirmed(keypairId: number): boolean {
    return this.#builder.isHelloConfirmed(keypairId);
  }

  /** UDP payload of a packet that searches for the path's MTU and goes out alone, or undefined (spec mtu 2). */
  mtuProbeBytes(now: number): number | undefined {
    // An idle connection does not search.
    return this.#parts.streams.openStreams > 0 ? this.#parts.mtu.probeBytes(now) : undefined;
  }

  /** Writes such a packet. */
  pollMtuProbe(now: number, bytes: Uint8Array, start: number, maxBytes: number): number {
    const length = this.#builder.buildMtuProbe(now, bytes, start, maxBytes);
    if (length > 0) this.#parts.mtu.onProbeSent(now, length + TRANSPORT_OVERHEAD_BYTES);
    return length;
  }

  /** Writes one padded packet. @returns its length, 0 for none */
  pollPacket(now: number, keypairId: number, bytes: Uint8Array, start: number, maxBytes: number): number {
    this.#parts.streams.now = now;
    if (this.#parts.recovery.probesDue > 0) this.#prepareProbe();
    const length = this.#builder.build(now, keypairId, bytes, start, maxBytes);
    const { recovery, streams } = this.#parts;
    if (length === 0 && streams.openStreams === 0 && recovery.ackElicitingInFlight === 0) recovery.log.trim();
    return length;
  }

  /** What our HELLO says now. @param expectedEpoch whom it is for */
  helloFor(expectedEpoch: Uint8Array): Hello {
    return this.#builder.hello(expectedEpoch);
  }

  pollClosePacket(
    keypairId: number,
    bytes: Uint8Array,
    start: number,
    maxBytes: number,
    error: StreamError,
  ): number {
    return this.#builder.buildClose(keypairId, bytes, start, maxBytes, error.code, error.reason);
  }

  pollTimeout(): Deadline | undefined {
    if (!this.#sendable) return undefined;
    const { recovery, received, liveness, streams, tail } = this.#parts;
    const { pacedAt } = this.#builder;
    const pacing = pacedAt === undefined ? undefined : { at: pacedAt, reason: 'pacing' };
    const repeat = tail.dueAt === Infinity ? undefined : { at: tail.dueAt, reason: 'tail repeat' };
    const asking = liveness.pollTimeout(streams.openStreams);
    const ofPackets = earlier(recovery.pollTimeout(), received.pollTimeout());
    const search = streams.openStreams > 0 ? this.#parts.mtu.pollTimeout() : undefined;
    const ofStreams = earlier(asking, streams.places.pollTimeout(streams.now));
    return earlier(earlier(ofPackets, pacing), earlier(earlier(repeat, ofStreams), search));
  }

  // ---- what recovery tells (RecoveryListener) ---------------------------------------------------------------

  onPacketAcknowledged(now: number, packetNumber: number): void {
    const { received, mtu, recovery } = this.#parts;
    const { log } = recovery;
    const i = log.slot(packetNumber);
    const bytes = log.size[i] as number;
    if (log.isMtuProbe(packetNumber)) mtu.onProbeAcknowledged(now, bytes);
    else if (bytes > 0) mtu.onPacketAcknowledged(bytes, log.sentAt[i] as number);
    const contents = log.contents[i] as number;
    if ((contents & Content.ack) !== 0) received.onAckAcknowledged(log.ackLargest[i] as number);
    if ((contents & Content.hello) !== 0) this.#builder.onHelloAcknowledged(log.keypair[i] as number);
    const first = log.firstFrame[i] as number;
    const end = first + (log.frameCount[i] as number);
    for (let frame = first; frame < end; frame++) this.#frameAcknowledged(frame);
  }

  onPacketLost(now: number, packetNumber: number): void {
    const { recovery, congestion, mtu, tail } = this.#parts;
    const { log, rates } = recovery;
    const i = log.slot(packetNumber);
    const bytes = log.size[i] as number;
    const sentAt = log.sentAt[i] as number;
    // spec mtu 2.2
    if (log.isMtuProbe(packetNumber)) mtu.onProbeLost(now);
    else if (bytes > 0 && recovery.isOfThisPath(packetNumber)) {
      tail.onPacketLost(now);
      mtu.onPacketLost(now, bytes, sentAt);
      const loss = this.#lossSample;
      loss.now = now;
      loss.packetNumber = packetNumber;
      loss.bytes = bytes;
      loss.sentAt = sentAt;
      loss.bytesInFlightAtSend = rates.bytesInFlightAtSend(packetNumber);
      loss.lostSinceSendBytes = rates.lostSinceBytes(packetNumber);
      loss.rateApplicationLimited = rates.wasApplicationLimited(packetNumber);
      loss.totalDeliveredBytes = rates.deliveredBytes;
      congestion.onPacketLost(loss);
    }
    this.#sendAgain(packetNumber);
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  #handleFrame(now: number, type: number, frame: FrameReader): FrameOutcome {
    const { streams, pending } = this.#parts;
    switch (type) {
      case FrameType.stream:
      case FrameType.streamFin:
        return streams.onStreamFrame(frame, type === FrameType.streamFin);
      case FrameType.ack:
        return this.#handleAck(now, frame);
      case FrameType.maxData:
        streams.onMaxData(frame.limit);
        return undefined;
      case FrameType.maxStreamData:
        return streams.onMaxStreamData(frame.streamId, frame.limit);
      case FrameType.maxStreams:
        streams.onMaxStreams(frame.limit);
        return undefined;
      case FrameType.resetStream:
        return streams.onResetStream(frame.streamId, frame.code, frame.limit);
      case FrameType.stopSending:
        return streams.onStopSending(frame.streamId, frame.code);
      case FrameType.pathChallenge:
        pending.respond(frame.bytes.subarray(frame.dataStart, frame.dataStart + frame.dataLength));
        return undefined;
      case FrameType.pathResponse:
        this.#pathResponse = copyBytes(
          frame.bytes.subarray(frame.dataStart, frame.dataStart + frame.dataLength),
        );
        return undefined;
      case FrameType.hello:
        return this.#handleHello(now, frame.hello as Hello);
      case FrameType.close:
        this.#closedByPeer = { code: frame.code, reason: frame.closeReason };
        return undefined;
      default:
        return undefined; // PING, *_BLOCKED: advice that needs no action
    }
  }

  #handleHello(now: number, hello: Hello): FrameOutcome {
    if (hello.version !== PROTOCOL_VERSION) {
      return { code: ConnectionErrorCode.version, reason: `version ${PROTOCOL_VERSION} is spoken here` };
    }
    if (hello.role === this.#parts.role) {
      return { code: ConnectionErrorCode.protocolViolation, reason: `both sides are a ${hello.role}` };
    }
    if (this.#hello !== undefined) return undefined; // of the same run: it says what the first said
    this.#hadEffect = true;
    this.#hello = hello;
    this.#parts.mtu.restart(now, hello.maxDatagramBytes);
    this.#parts.streams.onHello(hello.maxData, hello.maxStreamData, hello.maxStreams);
    return undefined;
  }

  #handleAck(now: number, frame: FrameReader): FrameOutcome {
    const problem = this.#parts.recovery.onAck(now, frame);
    if (problem !== undefined) return { code: ConnectionErrorCode.protocolViolation, reason: problem };
    this.#afterRecovery(now);
    return undefined;
  }

  /** Hands the outcome of an ACK or a timer to the congestion controller and the streams. */
  #afterRecovery(now: number): void {
    const { recovery, congestion } = this.#parts;
    const { outcome, rtt } = recovery;
    if (outcome.spuriousLossSentAt >= 0) congestion.onSpuriousLoss(now, outcome.spuriousLossSentAt);
    if (outcome.persistentCongestion) congestion.onPersistentCongestion(now);
    if (outcome.ackedBytes > 0 || outcome.spuriousLossSentAt >= 0) this.#hadEffect = true;
    if (outcome.ackedBytes > 0) {
      congestion.onAck(this.#fillAckSample(now));
      if (congestion.isHoldingBack) recovery.rates.markApplicationLimited(recovery.bytesInFlight);
    }
    this.#updateDatagramBytes();
    this.#updateStreams(rtt.smoothedMs);
  }

  #updateDatagramBytes(): void {
    const { mtu, congestion, pacer } = this.#parts;
    if (mtu.datagramBytes === this.#datagramBytes) return;
    this.#datagramBytes = mtu.datagramBytes;
    congestion.onDatagramBytes(this.#datagramBytes);
    pacer.onDatagramBytes(this.#datagramBytes);
  }

  #fillAckSample(now: number): AckSample {
    const { outcome, rtt, rates, bytesInFlight } = this.#parts.recovery;
    const sample = this.#ackSample;
    sample.now = now;
    sample.ackedBytes = outcome.ackedBytes;
    sample.bytesInFlight = bytesInFlight;
    sample.newestSentAt = outcome.newestAckedSentAt;
    sample.hasRttSample = outcome.sampledRtt;
    sample.smoothedRttMs = rtt.smoothedMs;
    sample.latestRttMs = rtt.latestOfPathMs;
    sample.minRttMs = rtt.minMs;
    sample.applicationLimited = this.#builder.applicationLimited;
    sample.windowLimited = this.#builder.windowLimitedAt >= now - rtt.smoothedMs;
    sample.deliveryRate = rates.sample.deliveryRate;
    sample.deliveredBytes = rates.sample.deliveredBytes;
    sample.priorDeliveredBytes = rates.sample.priorDeliveredBytes;
    sample.totalDeliveredBytes = rates.deliveredBytes;
    sample.bytesInFlightAtSend = rates.sample.bytesInFlightAtSend;
    sample.lostSinceSendBytes = rates.sample.lostSinceBytes;
    sample.rateApplicationLimited = rates.sample.applicationLimited;
    return sample;
  }

  #updateStreams(roundTripMs: number): void {
    const { streams, congestion } = this.#parts;
    streams.roundTripMs = roundTripMs;
    streams.sendAheadBytes = SEND_AHEAD_WINDOWS * congestion.windowBytes;
  }

  /** A probe carries new data if there is some, else what the oldest packet in flight did (spec recovery 4). */
  #prepareProbe(): void {
    const { recovery, streams } = this.#parts;
    if (recovery.ptoCount > MAX_DATA_PROBES || streams.nextSendable() !== undefined) return;
    const oldest = recovery.oldestOutstanding();
    if (oldest >= 0) this.#sendAgain(oldest);
  }

  /** spec recovery 3.2: information again, not packets. */
  #sendAgain(packetNumber: number): void {
    const { recovery, streams } = this.#parts;
    const { log } = recovery;
    const i = log.slot(packetNumber);
    const contents = log.contents[i] as number;
    if ((contents & Content.maxData) !== 0) streams.credit.isDue = true;
    if ((contents & Content.maxStreams) !== 0) streams.places.isDue = true;
    const first = log.firstFrame[i] as number;
    const end = first + (log.frameCount[i] as number);
    for (let frame = first; frame < end; frame++) this.#frameAgain(frame);
  }

  #frameAcknowledged(frame: number): void {
    const { recovery, streams } = this.#parts;
    const { frames } = recovery.log;
    const i = frames.slot(frame);
    const id = frames.streamId[i] as number;
    const kind = frames.kind[i] as SentFrameKind;
    if (kind === SentFrameKind.stream || kind === SentFrameKind.streamFin) {
      const fin = kind === SentFrameKind.streamFin;
      streams.onFrameAcknowledged(id, frames.start[i] as number, frames.length[i] as number, fin);
    } else if (kind === SentFrameKind.reset) streams.onResetAcknowledged(id);
  }

  #frameAgain(frame: number): void {
    const { recovery, streams } = this.#parts;
    const { frames } = recovery.log;
    const i = frames.slot(frame);
    const id = frames.streamId[i] as number;
    switch (frames.kind[i] as SentFrameKind) {
      case SentFrameKind.stream:
        streams.onFrameLost(id, frames.start[i] as number, frames.length[i] as number, false);
        break;
      case SentFrameKind.streamFin:
        streams.onFrameLost(id, frames.start[i] as number, frames.length[i] as number, true);
        break;
      case SentFrameKind.reset:
        streams.onResetLost(id);
        break;
      case SentFrameKind.stop:
        streams.onStopLost(id);
        break;
      case SentFrameKind.maxStreamData:
        streams.onMaxStreamDataLost(id);
        break;
    }
  }
}

function failed(code: number, reason: string): PacketOutcome {
  return { failed: { code, reason } };
}
