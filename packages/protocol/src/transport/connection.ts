/** A connection: streams, windows and recovery between two processes, whatever happens to keys and addresses
 *  (spec streams 3; recovery). It takes opened packets and gives packets to seal; the endpoint does the rest.
 *
 *  Calling order: `handlePacket` and `handleTimeout`, then `pollEvent` until undefined, then `pollPacket` until 0, then
 *  `pollTimeout`. */

import { TRANSPORT_OVERHEAD_BYTES } from '../datagram-layout.js';
import { type Deadline, earlier } from '../deadline.js';
import type { TransportConfig } from './config.js';
import type { Epochs } from './epochs.js';
import { INITIAL_MAX_STREAMS, MAX_DATA_PROBES } from './limits.js';
import { OwnHello } from './own-hello.js';
import { PacketBuilder } from './packet-builder.js';
import { PacketFate } from './packet-fate.js';
import { PacketHandler, type PacketOutcome } from './packet-handler.js';
import { type ConnectionParts, composeParts } from './parts.js';
import { PathFeedback } from './path-feedback.js';
import type { PeerBudgets } from './peer-budgets.js';
import { SendGate } from './send-gate.js';
import type { Stream } from './streams/stream.js';
import type { StreamError, StreamEvent } from './streams/stream-set.js';
import type { FrameReader } from './wire/frame-reader.js';
import type { Hello } from './wire/frames.js';

export type { PacketOutcome } from './packet-handler.js';

/** What a connection has to report of itself. */
export interface ConnectionStats {
  /** What the peer calls its software, or undefined before HELLO. */
  readonly software: string | undefined;
  /** Smoothed round trip of the path, or undefined before the first sample. */
  readonly smoothedRttMs: number | undefined;
  readonly streamBytesSent: number;
  readonly streamBytesReceived: number;
  readonly packetsLost: number;
  readonly congestionWindowBytes: number;
  readonly bytesInFlight: number;
  readonly openStreams: number;
  /** Received bytes that no application has read yet, and written ones that the peer has not acknowledged. */
  readonly unreadBytes: number;
  readonly unacknowledgedBytes: number;
  /** Pieces of what was written that are noted as acknowledged or lost (spec streams 5.7), and packets remembered as
   *  sent. */
  readonly notedPieces: number;
  readonly rememberedPackets: number;
}

export class Connection {
  readonly #parts: ConnectionParts;
  readonly #hello = new OwnHello();
  readonly #gate: SendGate;
  readonly #builder: PacketBuilder;
  readonly #feedback: PathFeedback;
  readonly #fate: PacketFate;
  readonly #handler: PacketHandler;
  #sendable = false;

  /** @param onCommand called when a command on a stream may have given the connection something to do */
  constructor(
    role: 'client' | 'relay',
    config: TransportConfig,
    epochs: Epochs,
    budgets: PeerBudgets,
    random: (length: number) => Uint8Array,
    onCommand: () => void,
  ) {
    this.#parts = composeParts(role, config, random, budgets, onCommand);
    this.#gate = new SendGate(this.#parts);
    this.#builder = new PacketBuilder(this.#parts, epochs, this.#hello, this.#gate);
    this.#feedback = new PathFeedback(this.#parts, this.#gate);
    this.#fate = new PacketFate(this.#parts, this.#hello, this.#feedback);
    this.#handler = new PacketHandler(this.#parts, this.#fate, budgets);
  }

  // ---- getters ----------------------------------------------------------------------------------------------

  /** Nothing is open, and no answer is due. */
  get isIdle(): boolean {
    return this.#parts.streams.openStreams === 0 && !this.isAwaitingAck;
  }
  /** The peer has to acknowledge something. */
  get isAwaitingAck(): boolean {
    return this.#parts.recovery.ackElicitingInFlight > 0;
  }
  /** Without back-off. */
  get probeTimeoutMs(): number {
    return this.#parts.recovery.rtt.probeTimeoutMs;
  }
  /** Probe timeouts in a row. */
  get ptoCount(): number {
    return this.#parts.recovery.ptoCount;
  }
  get stats(): ConnectionStats {
    const { recovery, congestion, streams } = this.#parts;
    return {
      software: this.#handler.peerHello?.softwareName,
      smoothedRttMs: recovery.rtt.hasSample ? recovery.rtt.smoothedMs : undefined,
      streamBytesSent: streams.credit.sentBytes,
      streamBytesReceived: streams.credit.receivedBytes,
      packetsLost: recovery.packetsLost,
      congestionWindowBytes: congestion.windowBytes,
      bytesInFlight: recovery.bytesInFlight,
      openStreams: streams.openStreams,
      unreadBytes: streams.credit.unreadBytes,
      unacknowledgedBytes: streams.sending.bufferedBytes,
      notedPieces: streams.sending.notedPieces,
      rememberedPackets: recovery.log.next - recovery.log.first,
    };
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
    this.#parts.streams.sending.isHoldingNew = isHolding;
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
    return this.#handler.handle(now, packetNumber, reader);
  }

  handleTimeout(now: number): void {
    if (!this.#sendable) return;
    const { recovery, liveness, streams, tail } = this.#parts;
    this.#settleStreams(now);
    // With packets in flight the probe timer asks.
    if (liveness.takeDue(now, streams.openStreams) && recovery.ackElicitingInFlight === 0) {
      this.#parts.pending.ping = true;
    }
    const repeated = tail.takeDue(now);
    if (repeated >= 0 && recovery.isOutstanding(repeated)) {
      tail.isRepeating = true;
      this.#fate.sendAgain(repeated);
    }
    const due = recovery.pollTimeout();
    if (due === undefined || due.at > now) return;
    const before = recovery.ptoCount;
    const outcome = recovery.handleTimeout(now);
    // spec mtu 4.2: packets of the base size would be lost for other reasons
    if (recovery.ptoCount > before && recovery.hasInFlightAbove(this.#parts.config.datagramBytes)) {
      this.#parts.mtu.onProbeTimeout(now);
    }
    this.#fate.handle(now, outcome);
  }

  /** The address that the peer moved to is proven. @param isNew everything known of the path is void (spec path 4) */
  handleMove(now: number, isNew: boolean): void {
    if (!isNew) return;
    this.#parts.recovery.onNewPath();
    this.#feedback.restart(now);
  }

  /** The system refused a datagram of so many bytes. */
  handleTooLarge(now: number, bytes: number): void {
    this.#feedback.handleTooLarge(now, bytes);
  }

  /** PATH_CHALLENGE with these 8 bytes goes out with the next poll. */
  challenge(data: Uint8Array): void {
    this.#parts.pending.challenge = data;
  }

  /** The bytes of a PATH_RESPONSE that the last packet brought. */
  takePathResponse(): Uint8Array | undefined {
    return this.#handler.takePathResponse();
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
    this.#settleStreams(now);
    const isHeld = streams.sending.isHoldingNew && streams.openStreams > 0;
    return this.#builder.wantsToSend(now) || recovery.ackElicitingInFlight > 0 || isHeld;
  }

  /** UDP payload of a full datagram now. */
  get datagramBytes(): number {
    return this.#feedback.datagramBytes;
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
    return this.#hello.isConfirmed(keypairId) && !this.#parts.pending.hello;
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
    this.#settleStreams(now);
    if (this.#parts.recovery.probesDue > 0) this.#prepareProbe();
    const length = this.#builder.build(now, keypairId, bytes, start, maxBytes);
    const { recovery, streams } = this.#parts;
    if (length === 0 && streams.openStreams === 0 && recovery.ackElicitingInFlight === 0) recovery.log.trim();
    return length;
  }

  /** What our HELLO says now. @param expectedEpoch whom it is for */
  helloFor(expectedEpoch: Uint8Array): Hello {
    return this.#builder.helloFor(expectedEpoch);
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
    const { pacedAt } = this.#gate;
    const pacing = pacedAt === undefined ? undefined : { at: pacedAt, reason: 'pacing' };
    const repeat = tail.dueAt === Infinity ? undefined : { at: tail.dueAt, reason: 'tail repeat' };
    const asking = liveness.pollTimeout(streams.openStreams);
    const ofPackets = earlier(recovery.pollTimeout(), received.pollTimeout());
    const search = streams.openStreams > 0 ? this.#parts.mtu.pollTimeout() : undefined;
    const ofStreams = earlier(asking, streams.places.pollTimeout());
    return earlier(earlier(ofPackets, pacing), earlier(earlier(repeat, ofStreams), search));
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  #settleStreams(now: number): void {
    const { streams, recovery } = this.#parts;
    streams.settle(now, recovery.rtt.hasSample ? recovery.rtt.smoothedMs : 0);
  }

  /** A probe carries new data if there is some, else what the oldest packet in flight did (spec recovery 4). */
  #prepareProbe(): void {
    const { recovery, streams } = this.#parts;
    if (recovery.ptoCount > MAX_DATA_PROBES || streams.sending.next() !== undefined) return;
    const oldest = recovery.oldestOutstanding();
    if (oldest >= 0) this.#fate.sendAgain(oldest);
  }
}
