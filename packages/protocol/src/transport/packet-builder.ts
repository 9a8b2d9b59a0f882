import { TRANSPORT_OVERHEAD_BYTES } from '../datagram-layout.js';
import type { Epochs } from './epochs.js';
import { INITIAL_MAX_STREAM_DATA_BYTES, MAX_DATA_PROBES, PROTOCOL_VERSION } from './limits.js';
import type { OwnHello } from './own-hello.js';
import { PacketWriter } from './packet-writer.js';
import { type ConnectionParts, hasDataToSend } from './parts.js';
import { Content, PacketKind } from './recovery/packet-log.js';
import { SentFrameKind } from './recovery/sent-frames.js';
import type { SendGate } from './send-gate.js';
import { SkippedNumbers } from './skipped-numbers.js';
import { StreamControl } from './streams/frame-requests.js';
import type { ConnectionStream } from './streams/stream.js';
import { encodeHello, FrameType, type Hello } from './wire/frames.js';

/** Less room than this is not worth another STREAM frame. */
const MIN_STREAM_ROOM_BYTES = 24;
/** The room that an ACK leaves, so that the packet can ask for an acknowledgement itself. */
const PING_BYTES = 1;
/** The most control frames of one stream: RESET_STREAM, STOP_SENDING and MAX_STREAM_DATA. */
const MAX_CONTROL_FRAMES = 3;

/** Builds packets: decides whether one may be sent now, and what goes into it (spec streams 1, 2; recovery 1, 4 to 6).
 *
 *  The builder collects what other parts want to send: control frames from PendingFrames, data from the streams, and an
 *  ACK from ReceivedPackets. It records the contents of each packet in the PacketLog, so that a loss can ask for them
 *  again, and reports the packet to everything that counts packets.
 *
 *  The connection owns it. A packet is written in place, into the batch that will be sent; sealing and sending it is
 *  left to the endpoint. */
export class PacketBuilder {
  readonly #parts: ConnectionParts;
  readonly #epochs: Epochs;
  readonly #hello: OwnHello;
  readonly #gate: SendGate;
  readonly #writer = new PacketWriter();
  readonly #skipped: SkippedNumbers;
  /** Where the frames after HELLO begin in the packet that is being built, and whether it can be of no larger size. */
  #afterHello = 0;
  #isLargest = false;
  /** The next packet with data begins with messages of flows, and not with bytes of streams (spec datagrams 3.2). */
  #isDatagramsTurn = true;
  #lastPingAt = Number.NEGATIVE_INFINITY;

  constructor(parts: ConnectionParts, epochs: Epochs, hello: OwnHello, gate: SendGate) {
    this.#parts = parts;
    this.#epochs = epochs;
    this.#hello = hello;
    this.#gate = gate;
    this.#skipped = new SkippedNumbers(parts.random);
  }

  /** Whether there is anything to send, apart from keys and the congestion window. */
  wantsToSend(now: number): boolean {
    const { recovery, received, pending } = this.#parts;
    return pending.isUrgent || recovery.probesDue > 0 || received.isAckDue(now) || hasDataToSend(this.#parts);
  }

  /** The contents of our HELLO now.
   *  @param expectedEpoch the epoch of the peer that it is for */
  helloFor(expectedEpoch: Uint8Array): Hello {
    const { role, config, streams } = this.#parts;
    return {
      version: PROTOCOL_VERSION,
      epoch: this.#epochs.own,
      expectedEpoch,
      role,
      maxData: streams.credit.granted,
      maxStreamData: INITIAL_MAX_STREAM_DATA_BYTES,
      maxStreams: streams.places.granted,
      maxDatagramBytes: config.maxReceivedDatagramBytes,
      softwareName: config.softwareName,
    };
  }

  // ---- packets ----------------------------------------------------------------------------------------------

  /** Writes one padded packet to bytes[start, start + maxBytes).
   *  @param keypairId the keypair that it will be sealed under
   *  @param maxBytes a multiple of 16, or the most that the path carries
   *  @returns its length, or 0 if there is nothing to send now */
  build(now: number, keypairId: number, bytes: Uint8Array, start: number, maxBytes: number): number {
    const { recovery, received, pending } = this.#parts;
    const writer = this.#writer;
    this.#gate.begin(now);
    if (recovery.log.isFull) return 0;
    const probing = recovery.probesDue > 0;
    const isAckDue = received.isAckDue(now);
    const mustSend = probing || this.#hello.isFirst(keypairId) || pending.isUrgent || isAckDue;
    const mayCarryData = this.#mayCarryData(now, maxBytes + TRANSPORT_OVERHEAD_BYTES);
    if (!mustSend && !mayCarryData) return 0;

    this.#begin(bytes, start, maxBytes);
    if (pending.hello || !this.#hello.isConfirmed(keypairId)) this.#addHello(keypairId);
    // A HELLO without end would follow if a message waited for a larger packet behind it.
    this.#isLargest = !writer.isEmpty || maxBytes + TRANSPORT_OVERHEAD_BYTES >= this.#parts.mtu.datagramBytes;
    this.#afterHello = writer.at;
    // PATH_CHALLENGE comes before the ACK, which may take all the room but one byte for PING.
    const hasChallenge = this.#addChallenge();
    const beforeAck = writer.at;
    let hasAck = this.#addAck(now);
    let hasStreamData = mayCarryData && this.#addData(now, keypairId);
    if (hasAck && !writer.isAckEliciting && !(isAckDue || probing || pending.ping)) {
      // spec recovery 1.1: an ACK that is not due never goes alone. Without it the data may fit.
      writer.rewind(beforeAck);
      hasAck = false;
      hasStreamData = mayCarryData && this.#addData(now, keypairId);
    }
    if (!writer.isAckEliciting) {
      if (probing || pending.ping || (hasAck && this.#isPingUseful(now))) this.#addPing(now);
    }
    // Any ack-eliciting frame serves as well as a PING.
    if (writer.isAckEliciting) pending.pingSent();
    if (writer.isEmpty) return 0;

    if (hasAck) {
      recovery.log.addAck(received.largest);
      received.ackSent();
    }
    if (hasChallenge) writer.fill();
    const length = writer.finish();
    this.#notePacket(now, length + TRANSPORT_OVERHEAD_BYTES, hasStreamData);
    return length;
  }

  /** Writes a probe of the MTU search: PING and padding, exactly `maxBytes` long (spec mtu 2.1).
   *  @returns its length, or 0 if no more packets can be remembered */
  buildMtuProbe(now: number, bytes: Uint8Array, start: number, maxBytes: number): number {
    const { recovery, rates } = this.#parts;
    if (!recovery.hasRoom(now)) return 0;
    this.#begin(bytes, start, maxBytes);
    this.#addPing(now);
    this.#writer.fill();
    const sizeBytes = maxBytes + TRANSPORT_OVERHEAD_BYTES;
    const packetNumber = recovery.onPacketSent(now, sizeBytes, PacketKind.mtuProbe);
    rates.onPacketSent(now, packetNumber, sizeBytes, recovery.bytesInFlight);
    return maxBytes;
  }

  /** Writes the packet that closes the connection (spec streams 8).
   *  @returns its length */
  buildClose(
    keypairId: number,
    bytes: Uint8Array,
    start: number,
    maxBytes: number,
    code: number,
    reason: string,
  ): number {
    this.#begin(bytes, start, maxBytes);
    if (!this.#hello.isConfirmed(keypairId)) this.#addHello(keypairId);
    this.#writer.addClose(code, reason);
    return this.#writer.finish();
  }

  /** Begins a packet, perhaps after skipping a number. */
  #begin(bytes: Uint8Array, start: number, maxBytes: number): void {
    const { recovery, congestion, config } = this.#parts;
    const { log } = recovery;
    this.#skipped.skipIfDue(log, Math.ceil(congestion.windowBytes / config.datagramBytes));
    log.begin();
    this.#writer.begin(bytes, start, maxBytes, log.next);
  }

  /** Reports the packet to everything that counts packets. */
  #notePacket(now: number, sizeBytes: number, hasStreamData: boolean): void {
    const { recovery, rates, tail, pacer, congestion } = this.#parts;
    if (!this.#writer.isAckEliciting) {
      recovery.onPacketSent(now, sizeBytes, PacketKind.quiet);
      return;
    }
    const packetNumber = recovery.onPacketSent(now, sizeBytes, PacketKind.ackEliciting);
    rates.onPacketSent(now, packetNumber, sizeBytes, recovery.bytesInFlight);
    tail.onPacketSent(now, packetNumber, sizeBytes, hasStreamData, !hasDataToSend(this.#parts));
    pacer.onPacketSent(sizeBytes);
    congestion.onPacketSent(now, sizeBytes, recovery.bytesInFlight);
  }

  // ---- what may be sent -------------------------------------------------------------------------------------

  /** Whether a packet may carry data now. */
  #mayCarryData(now: number, datagramBytes: number): boolean {
    const { recovery } = this.#parts;
    // The first probes carry data even beyond the window (spec recovery 4).
    if (recovery.probesDue > 0 && recovery.ptoCount <= MAX_DATA_PROBES) return true;
    return this.#gate.allows(now, hasDataToSend(this.#parts), datagramBytes) && recovery.hasRoom(now);
  }

  /** Whether a packet with an ACK should ask for an acknowledgement itself. A side that only receives does that about
   *  once per round trip (spec recovery 1.3). */
  #isPingUseful(now: number): boolean {
    const { received, recovery } = this.#parts;
    return received.rangeCount > 1 && now - this.#lastPingAt > recovery.rtt.smoothedMs;
  }

  // ---- frames that are not subject to the window ------------------------------------------------------------

  #addHello(keypairId: number): void {
    const { recovery, pending } = this.#parts;
    this.#writer.addHello(encodeHello(this.helloFor(this.#epochs.expected)));
    this.#hello.onSent(keypairId, !this.#epochs.isPeerKnown);
    pending.helloSent();
    recovery.log.addHello(keypairId);
  }

  /** Adds PATH_CHALLENGE, if it is due and fits.
   *  @returns whether it was added */
  #addChallenge(): boolean {
    const { pending } = this.#parts;
    if (pending.challenge === undefined) return false;
    if (!this.#writer.addPath(FrameType.pathChallenge, pending.challenge)) return false;
    pending.endChallenge();
    return true;
  }

  /** Adds an ACK, if there is anything new to acknowledge and it fits.
   *  @returns whether it was added */
  #addAck(now: number): boolean {
    const { received } = this.#parts;
    const { bytes, at, room } = this.#writer;
    if (!received.hasNews) return false;
    return this.#writer.advance(received.writeAck(now, bytes, at, room - PING_BYTES), false);
  }

  #addPing(now: number): void {
    if (this.#writer.addPing()) this.#lastPingAt = now;
  }

  // ---- frames that are subject to the window ----------------------------------------------------------------

  /** Adds everything that is due and fits.
   *  @returns whether it includes bytes of streams */
  #addData(now: number, keypairId: number): boolean {
    this.#addConnectionFrames();
    this.#addStreamControl();
    const isFirst = this.#isDatagramsTurn && this.#addDatagrams(now);
    const hasStreamData = this.#addStreams(keypairId);
    if (!isFirst) this.#addDatagrams(now);
    this.#isDatagramsTurn = !isFirst;
    this.#addStreamControl(); // A stream's first bytes may have raised its window.
    this.#addDataBlocked();
    return hasStreamData;
  }

  #addConnectionFrames(): void {
    const { streams, recovery, pending } = this.#parts;
    const writer = this.#writer;
    while (pending.nextResponse !== undefined) {
      if (!writer.addPath(FrameType.pathResponse, pending.nextResponse)) break;
      pending.responseSent();
    }
    if (pending.maxData && writer.addLimit(FrameType.maxData, streams.credit.granted)) {
      pending.maxDataSent();
      recovery.log.addContent(Content.maxData);
    }
    if (pending.maxStreams && writer.addLimit(FrameType.maxStreams, streams.places.granted)) {
      pending.maxStreamsSent();
      recovery.log.addContent(Content.maxStreams);
    }
  }

  /** Adds RESET_STREAM, STOP_SENDING and MAX_STREAM_DATA of the streams for which they are due. */
  #addStreamControl(): void {
    for (const stream of this.#parts.pending.streamsWithControl()) {
      if (!this.#addControlOf(stream)) return;
    }
  }

  /** Adds the control frames of one stream.
   *  @returns false if one of them did not fit */
  #addControlOf(stream: ConnectionStream): boolean {
    const { sending, receiving, id } = stream;
    const { recovery, pending } = this.#parts;
    const { log } = recovery;
    const writer = this.#writer;
    if (!log.frames.hasRoomFor(MAX_CONTROL_FRAMES)) return false;
    if (pending.isControlDue(stream, StreamControl.reset)) {
      if (!writer.addResetStream(id, sending.resetCode, sending.finalSize)) return false;
      pending.withdrawControl(stream, StreamControl.reset);
      log.addFrame(SentFrameKind.reset, id, 0, 0);
    }
    if (pending.isControlDue(stream, StreamControl.stop)) {
      if (!writer.addStreamLimit(FrameType.stopSending, id, receiving.stopCode ?? 0)) return false;
      pending.withdrawControl(stream, StreamControl.stop);
      log.addFrame(SentFrameKind.stop, id, 0, 0);
    }
    if (pending.isControlDue(stream, StreamControl.maxStreamData)) {
      if (!writer.addStreamLimit(FrameType.maxStreamData, id, receiving.limit)) return false;
      pending.withdrawControl(stream, StreamControl.maxStreamData);
      log.addFrame(SentFrameKind.maxStreamData, id, 0, 0);
    }
    return true;
  }

  /** Adds STREAM frames until the packet is full.
   *  @returns whether there was one */
  #addStreams(keypairId: number): boolean {
    const { streams, recovery } = this.#parts;
    const { log } = recovery;
    const writer = this.#writer;
    let hasStreamData = false;
    while (writer.room >= MIN_STREAM_ROOM_BYTES && log.frames.hasRoomFor(1)) {
      const stream = streams.sending.next();
      if (stream === undefined) break;
      if (!writer.advance(streams.sending.writeFrame(stream, writer.bytes, writer.at, writer.room), true))
        break;
      const { sending } = stream;
      const kind = sending.frameFin ? SentFrameKind.streamFin : SentFrameKind.stream;
      log.addFrame(kind, stream.id, sending.frameStart, sending.frameLength);
      if (stream.isUnsent) streams.onFirstSent(stream);
      stream.noteSent(keypairId);
      hasStreamData = true;
      streams.sending.onSent(stream);
      this.#addBlocked(stream);
    }
    return hasStreamData;
  }

  /** Adds messages of flows.
   *  @returns whether there was one */
  #addDatagrams(now: number): boolean {
    const { datagrams } = this.#parts.streams;
    const { bytes, at, room } = this.#writer;
    if (!datagrams.isWaiting) return false;
    const isBare = this.#isLargest && at === this.#afterHello;
    return this.#writer.advance(datagrams.writeFrames(now, bytes, at, room, isBare), true);
  }

  /** Adds STREAM_DATA_BLOCKED, once per limit. */
  #addBlocked({ sending, id }: ConnectionStream): void {
    if (!sending.isBlocked || sending.blockedSentFor === sending.limit) return;
    if (this.#writer.addStreamLimit(FrameType.streamDataBlocked, id, sending.limit)) {
      sending.blockedSentFor = sending.limit;
    }
  }

  /** Adds DATA_BLOCKED, after the bytes that used up the credit. If there is no room, a later packet gets it. */
  #addDataBlocked(): void {
    const { streams } = this.#parts;
    const limit = streams.sending.dataBlockedAt;
    if (limit !== undefined && this.#writer.addLimit(FrameType.dataBlocked, limit)) {
      streams.credit.blockedSentFor = limit;
    }
  }
}
