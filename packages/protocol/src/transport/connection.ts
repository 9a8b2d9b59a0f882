import { TRANSPORT_OVERHEAD_BYTES } from '../datagram-layout.js';
import { type Deadline, deadlineAt, earlier } from '../deadline.js';
import type { TransportConfig } from './config.js';
import type { ConnectionStats, ConnectionTotals } from './connection-stats.js';
import { type ConnectionView, viewConnection } from './connection-view.js';
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

/** The streams, windows and recovery state that two processes share, whatever happens to keys and addresses
 *  (spec streams 3; recovery).
 *
 *  A connection composes the parts of this folder, most of which do not know each other: it owns them, passes in what
 *  has happened, and lets them send. It takes opened packets, and writes packets for others to seal. It knows no keys,
 *  only the ids of keypairs, and no addresses: Association says when the path has changed. It owns the connection, and
 *  judges epochs before it passes a packet in.
 *
 *  Its owner calls `handlePacket` and `handleTimeout`, then `pollEvent` until that returns undefined, then `pollPacket`
 *  until that returns 0, and then `pollTimeout`. */
export class Connection {
  readonly #parts: ConnectionParts;
  readonly #budgets: PeerBudgets;
  readonly hello = new OwnHello();
  readonly #gate: SendGate;
  readonly #builder: PacketBuilder;
  readonly #feedback: PathFeedback;
  readonly #fate: PacketFate;
  readonly #handler: PacketHandler;
  /** Whether there is a key to send under. */
  #sendable = false;

  /** @param budgets those of the peer, which outlive the connection
   *  @param onCommand is called when a command on a stream may have given the connection something to do */
  constructor(
    role: 'client' | 'relay',
    config: TransportConfig,
    epochs: Epochs,
    budgets: PeerBudgets,
    random: (length: number) => Uint8Array,
    onCommand: () => void,
  ) {
    this.#budgets = budgets;
    this.#parts = composeParts(role, config, random, budgets, onCommand);
    this.#gate = new SendGate(this.#parts);
    this.#builder = new PacketBuilder(this.#parts, epochs, this.hello, this.#gate);
    this.#feedback = new PathFeedback(this.#parts, this.#gate);
    this.#fate = new PacketFate(this.#parts, this.hello, this.#feedback);
    this.#handler = new PacketHandler(this.#parts, this.#fate, budgets);
  }

  // ---- getters ----------------------------------------------------------------------------------------------

  get openStreams(): number {
    return this.#parts.streams.openStreams;
  }
  /** Whether no stream is open and nothing is in flight. */
  get isIdle(): boolean {
    return this.openStreams === 0 && !this.isAwaitingAck;
  }
  /** Whether the peer has to acknowledge something. */
  get isAwaitingAck(): boolean {
    return this.#parts.recovery.ackElicitingInFlight > 0;
  }
  /** One probe timeout, without back-off. */
  get probeTimeoutMs(): number {
    return this.#parts.recovery.rtt.probeTimeoutMs;
  }
  /** How many probe timeouts in a row have expired. */
  get ptoCount(): number {
    return this.#parts.recovery.ptoCount;
  }
  /** Statistics. @param earlier the totals of the connections before, which are added to this one's */
  stats(earlier: ConnectionTotals): ConnectionStats {
    const { recovery, congestion, streams } = this.#parts;
    return {
      software: this.#handler.peerHello?.softwareName,
      smoothedRttMs: recovery.rtt.hasSample ? recovery.rtt.smoothedMs : undefined,
      streamBytesSent: earlier.streamBytesSent + streams.credit.sentBytes,
      streamBytesReceived: earlier.streamBytesReceived + streams.credit.receivedBytes,
      packetsSent: earlier.packetsSent + recovery.packetsSent,
      packetsLost: earlier.packetsLost + recovery.packetsLost,
      congestionWindowBytes: congestion.windowBytes,
      bytesInFlight: recovery.bytesInFlight,
      openStreams: streams.openStreams,
      unreadBytes: streams.credit.unreadBytes,
      unacknowledgedBytes: streams.sending.bufferedBytes,
      notedPieces: streams.sending.notedPieces,
      rememberedPackets: recovery.log.next - recovery.log.first,
      flowDatagrams: streams.datagrams.counts,
    };
  }
  /** The inside, for tools that show it. */
  get view(): ConnectionView {
    const timers = this.#sendable ? this.#deadlines().filter((deadline) => deadline !== undefined) : [];
    return viewConnection(this.#parts, timers);
  }
  /** The parts, for tests and tools. */
  get parts(): Readonly<Pick<ConnectionParts, 'recovery' | 'congestion' | 'streams' | 'received'>> {
    return this.#parts;
  }

  // ---- commands ---------------------------------------------------------------------------------------------

  /** Opens a stream.
   *  @returns undefined if the peer permits no more streams */
  openStream(): Stream | undefined {
    return this.#parts.streams.open();
  }

  /** Has a HELLO sent with the next poll. */
  requestHello(): void {
    this.#parts.pending.requestHello();
  }

  /** Sets whether streams of which nothing was sent yet have to wait (spec streams 3.8). */
  holdNewStreams(isHolding: boolean): void {
    this.#parts.streams.sending.isHoldingNew = isHolding;
  }

  /** Takes over those streams of an earlier connection on which nobody can have acted, and starts them over
   *  (spec streams 3.8).
   *  @param keypairId the first keypair of the peer's current run
   *  @param maxStreams how many streams the peer's HELLO permits; 0 if there is none */
  reopenStreams(earlier: Connection, keypairId: number, maxStreams: number): void {
    const { streams } = this.#parts;
    streams.onMaxStreams(maxStreams);
    const most = Math.max(maxStreams, INITIAL_MAX_STREAMS);
    for (const stream of earlier.#parts.streams.takeUnheard(keypairId, most)) streams.reopen(stream);
  }

  /** Ends the connection: all its streams end. */
  lose(): void {
    this.#parts.streams.loseAll();
  }

  // ---- inputs -----------------------------------------------------------------------------------------------

  /** Handles a packet.
   *  @param reader is at the first frame. If that is a HELLO, its epoch has been accepted. */
  handlePacket(now: number, packetNumber: number, reader: FrameReader): PacketOutcome {
    return this.#handler.handle(now, packetNumber, reader);
  }

  /** Handles the timers that are due. */
  handleTimeout(now: number): void {
    if (!this.#sendable) return;
    const { recovery, liveness, streams, tail } = this.#parts;
    this.#settleStreams(now);
    // While packets are in flight, the probe timer asks for a sign of life.
    if (liveness.takeDue(now, streams.openStreams) && recovery.ackElicitingInFlight === 0) {
      this.#parts.pending.requestPing();
    }
    const repeated = tail.takeDue(now);
    if (repeated >= 0 && this.#fate.sendAgain(repeated)) tail.beginRepeat(repeated);
    // The search is on from now, whatever keeps its first probe back.
    if (streams.openStreams > 0) this.#parts.mtu.handleTimeout(now);
    const due = recovery.pollTimeout();
    if (due === undefined || due.at > now) return;
    const before = recovery.ptoCount;
    const outcome = recovery.handleTimeout(now);
    // Only packets larger than the base can show that the path MTU became smaller (spec mtu 4.2).
    if (recovery.ptoCount > before && recovery.hasInFlightAbove(this.#parts.config.datagramBytes)) {
      this.#parts.mtu.onProbeTimeout(now);
    }
    this.#fate.handle(now, outcome);
  }

  /** The peer has moved to an address that is proven.
   *  @param isNew whether its IP address has changed, so that nothing is known about the path (spec path 4) */
  handleMove(now: number, isNew: boolean): void {
    if (!isNew) return;
    this.#parts.recovery.onNewPath();
    this.#feedback.restart(now);
  }

  /** The system refused to send a datagram of this many bytes (spec mtu 4.4). */
  handleTooLarge(now: number, bytes: number): void {
    this.#feedback.handleTooLarge(now, bytes);
  }

  /** Has a PATH_CHALLENGE with these 8 bytes sent with the next poll. */
  challenge(data: Uint8Array): void {
    this.#parts.pending.requestChallenge(data);
  }

  /** Discards the PATH_CHALLENGE that waits to be sent, unless it has these 8 bytes: its trial is over. */
  discardChallenge(except: Uint8Array | undefined): void {
    const { pending } = this.#parts;
    if (pending.challenge !== except) pending.endChallenge();
  }

  /** Takes the 8 bytes of the last PATH_RESPONSE, if one has arrived since the last call. */
  takePathResponse(): Uint8Array | undefined {
    return this.#handler.takePathResponse();
  }

  /** A datagram of the peer authenticated, whatever it contains (spec recovery 4.2). */
  handleContact(now: number): void {
    if (this.#sendable) this.#parts.recovery.onSignOfLife(now);
  }

  /** A handshake got its response in this time (spec recovery 2). */
  handleHandshakeRtt(roundTripMs: number): void {
    this.#parts.recovery.rtt.seed(roundTripMs);
  }

  /** Sets whether there is a key to send under (spec recovery 7). */
  handleSendable(now: number, sendable: boolean): void {
    if (sendable && !this.#sendable) this.#parts.recovery.onSendingResumed(now);
    if (!sendable) this.#gate.heldBack();
    this.#sendable = sendable;
  }

  /** The path permits no datagram now (spec path 2). */
  handleHeldBack(): void {
    this.#gate.heldBack();
  }

  // ---- outputs ----------------------------------------------------------------------------------------------

  pollEvent(): StreamEvent | undefined {
    return this.#parts.streams.pollEvent();
  }

  /** Whether there would be anything to send if there were a key: anything new, or packets that are not
   *  acknowledged. */
  wantsToSend(now: number): boolean {
    const { streams, recovery } = this.#parts;
    this.#settleStreams(now);
    const isHeld = streams.sending.isHoldingNew && streams.openStreams > 0;
    return this.#builder.wantsToSend(now) || recovery.ackElicitingInFlight > 0 || isHeld;
  }

  /** The size of a full datagram now: bytes of UDP payload. */
  get datagramBytes(): number {
    return this.#feedback.datagramBytes;
  }

  /** The size of a full datagram on a path about which nothing is known (spec mtu 1.2). */
  get baseDatagramBytes(): number {
    return this.#parts.config.datagramBytes;
  }

  /** Whether even datagrams of that size travel in fragments (spec mtu 3.6). */
  get isBaseFragmented(): boolean {
    return this.#parts.mtu.isBaseFragmented;
  }

  /** Whether packets under this keypair need not start with a HELLO: one was acknowledged, and no other was
   *  requested. */
  isHelloConfirmed(keypairId: number): boolean {
    return this.hello.isConfirmed(keypairId) && !this.#parts.pending.hello;
  }

  /** The size of the MTU probe to send now, if one is due: bytes of UDP payload (spec mtu 2). */
  mtuProbeBytes(now: number): number | undefined {
    // An idle connection does not search, so that it stays silent (spec mtu 2.4).
    return this.#parts.streams.openStreams > 0 ? this.#parts.mtu.probeBytes(now) : undefined;
  }

  /** Writes the packet of an MTU probe.
   *  @param maxBytes the size of the packet, without what sealing adds
   *  @returns its length, or 0 if it cannot be sent now */
  pollMtuProbe(now: number, bytes: Uint8Array, start: number, maxBytes: number): number {
    const length = this.#builder.buildMtuProbe(now, bytes, start, maxBytes);
    if (length > 0) this.#parts.mtu.onProbeSent(now, length + TRANSPORT_OVERHEAD_BYTES);
    return length;
  }

  /** Writes one padded packet.
   *  @returns its length, or 0 if there is nothing to send now */
  pollPacket(now: number, keypairId: number, bytes: Uint8Array, start: number, maxBytes: number): number {
    this.#settleStreams(now);
    if (this.#parts.recovery.probesDue > 0) this.#prepareProbe();
    const length = this.#builder.build(now, keypairId, bytes, start, maxBytes);
    const { recovery, streams } = this.#parts;
    if (length === 0 && streams.openStreams === 0 && recovery.ackElicitingInFlight === 0) {
      recovery.log.trim();
      this.#budgets.blocks.clear();
    }
    return length;
  }

  /** The contents of our HELLO now, for a peer with this epoch. */
  helloFor(expectedEpoch: Uint8Array): Hello {
    return this.#builder.helloFor(expectedEpoch);
  }

  /** Writes the packet with CLOSE (spec streams 8).
   *  @returns its length */
  pollClosePacket(
    keypairId: number,
    bytes: Uint8Array,
    start: number,
    maxBytes: number,
    error: StreamError,
  ): number {
    return this.#builder.buildClose(keypairId, bytes, start, maxBytes, error.code, error.reason);
  }

  /** When to call `handleTimeout` next. There is no deadline without a key (spec recovery 7). */
  pollTimeout(): Deadline | undefined {
    return this.#sendable ? this.#deadlines().reduce(earlier) : undefined;
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  /** The next deadline of each part. */
  #deadlines(): [Deadline | undefined, ...(Deadline | undefined)[]] {
    const { recovery, received, liveness, streams, tail, mtu } = this.#parts;
    return [
      recovery.pollTimeout(),
      received.pollTimeout(),
      deadlineAt(this.#gate.pacedAt ?? Number.POSITIVE_INFINITY, 'pacing'),
      deadlineAt(tail.dueAt, 'tail repeat'),
      liveness.pollTimeout(streams.openStreams),
      streams.places.pollTimeout(),
      streams.openStreams > 0 ? mtu.pollTimeout() : undefined,
    ];
  }

  /** Lets the streams decide what depends on the time. */
  #settleStreams(now: number): void {
    const { streams, recovery } = this.#parts;
    streams.settle(now, recovery.rtt.hasSample ? recovery.rtt.smoothedMs : 0);
  }

  /** Chooses the contents of a probe: new data if there is any, otherwise what the oldest packet in flight carried that
   *  was more than PING (spec recovery 4). */
  #prepareProbe(): void {
    const { recovery, streams } = this.#parts;
    if (recovery.ptoCount > MAX_DATA_PROBES || streams.sending.next() !== undefined) return;
    let oldest = recovery.oldestOutstanding();
    while (oldest >= 0 && !this.#fate.sendAgain(oldest)) oldest = recovery.oldestOutstanding(oldest + 1);
  }
}
