/** Fills packets: decides whether one may go out now, and what is in it (spec streams 1, 2; recovery 1, 4 to 6). */

import type { Epochs } from './epochs.js';
import { MAX_DATA_PROBES, PACKET_TYPE, PROTOCOL_VERSION, TRANSPORT_OVERHEAD_BYTES } from './limits.js';
import type { OwnHello } from './own-hello.js';
import type { ConnectionParts } from './parts.js';
import { Content, PacketKind } from './recovery/packet-log.js';
import { SentFrameKind } from './recovery/sent-frames.js';
import type { ConnectionStream } from './streams/stream.js';
import {
  encodeHello,
  FrameType,
  type Hello,
  limitLength,
  PATH_DATA_BYTES,
  resetStreamLength,
  streamLimitLength,
  writeClose,
  writeLimit,
  writePath,
  writePing,
  writeResetStream,
  writeStreamLimit,
} from './wire/frames.js';
import { writeVarint } from './wire/varint.js';

/** Less room than this is not worth another STREAM frame. */
const MIN_STREAM_ROOM_BYTES = 24;
/** A packet number is left out about once per window, at least this far apart (RFC 9000 §21.4). */
const MIN_SKIP_DISTANCE = 64;
const PADDING_MULTIPLE = 16;
const PING_BYTES = 1;
/** RESET_STREAM, STOP_SENDING and MAX_STREAM_DATA of one stream. */
const MAX_CONTROL_FRAMES = 3;

export class PacketBuilder {
  /** When the pacer lets the next packet go; undefined when it is not what holds us back. */
  pacedAt: number | undefined;
  /** The last poll ended because nothing was left to send, not because the window was full. */
  applicationLimited = true;
  /** When the window last was what held us back. */
  windowLimitedAt = Number.NEGATIVE_INFINITY;

  readonly #parts: ConnectionParts;
  readonly #epochs: Epochs;
  readonly #hello: OwnHello;
  #lastPingAt = Number.NEGATIVE_INFINITY;
  #nextSkip: number;

  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #keypairId = 0;
  #ackEliciting = false;
  #hasStreamData = false;

  constructor(parts: ConnectionParts, epochs: Epochs, hello: OwnHello) {
    this.#parts = parts;
    this.#epochs = epochs;
    this.#hello = hello;
    this.#nextSkip = MIN_SKIP_DISTANCE + this.#draw(MIN_SKIP_DISTANCE);
  }

  /** Anything to send, if there were a key and a window. */
  wantsToSend(now: number): boolean {
    const { recovery, received, pending } = this.#parts;
    return pending.isUrgent || recovery.probesDue > 0 || received.isAckDue(now) || this.#hasData();
  }

  /** Writes one packet, padded, to bytes[start, start + maxBytes).
   *  @param maxBytes room, a multiple of 16 or the most that the path takes
   *  @returns its length, or 0 when there is nothing to send now */
  build(now: number, keypairId: number, bytes: Uint8Array, start: number, maxBytes: number): number {
    const { recovery, received, pending } = this.#parts;
    this.pacedAt = undefined;
    if (recovery.log.isFull) return 0;
    const probing = recovery.probesDue > 0;
    const mustSend = probing || this.#hello.isFirst(keypairId) || pending.isUrgent || received.isAckDue(now);
    // spec recovery 4: beyond the window, but not for ever
    const isDataProbe = probing && recovery.ptoCount <= MAX_DATA_PROBES;
    const mayCarryData =
      isDataProbe || (this.#windowAllows(now, maxBytes + TRANSPORT_OVERHEAD_BYTES) && recovery.hasRoom(now));
    if (!mustSend && !mayCarryData) return 0;

    this.#begin(bytes, start, maxBytes);
    this.#keypairId = keypairId;
    const empty = this.#at;
    if (pending.hello || !this.#hello.isConfirmed(keypairId)) this.#addHello(keypairId);
    // In front of the ACK, which may take all the room but that of a PING.
    const hasChallenge = this.#addChallenge();
    const before = this.#at;
    this.#addAck(now);
    const onlyAck = this.#at;
    if (mayCarryData) this.#addData();
    if (!this.#ackEliciting) {
      const isPingUseful = onlyAck > before && this.#isPingUseful(now);
      if (probing || pending.ping || isPingUseful) this.#addPing(now);
    }
    // Any frame that is acknowledged asks as well as a PING.
    if (this.#ackEliciting) pending.ping = false;

    if (this.#at === empty) return 0;

    if (hasChallenge) this.#fill();
    const length = Math.min(this.#pad(start), maxBytes);
    const sizeBytes = length + TRANSPORT_OVERHEAD_BYTES;
    const kind = this.#ackEliciting ? PacketKind.ackEliciting : PacketKind.quiet;
    const packetNumber = this.#notePacket(now, sizeBytes, kind);
    if (this.#ackEliciting) {
      const isTail = this.#hasStreamData && !this.#hasData();
      this.#parts.tail.onPacketSent(now, packetNumber, sizeBytes, isTail);
      this.#parts.pacer.onPacketSent(sizeBytes);
      this.#parts.congestion.onPacketSent(now, sizeBytes, recovery.bytesInFlight);
    }
    return length;
  }

  /** Writes a packet of PING and padding, exactly `maxBytes` long (spec mtu 2.1).
   *  @returns its length, or 0 when no more packets can be remembered */
  buildMtuProbe(now: number, bytes: Uint8Array, start: number, maxBytes: number): number {
    const { recovery } = this.#parts;
    if (!recovery.hasRoom(now)) return 0;
    this.#begin(bytes, start, maxBytes);
    this.#addPing(now);
    this.#fill();
    this.#notePacket(now, maxBytes + TRANSPORT_OVERHEAD_BYTES, PacketKind.mtuProbe);
    return maxBytes;
  }

  /** Writes the packet that ends the connection (spec streams 8). */
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
    const text = new Uint8Array(reason.length);
    for (let i = 0; i < reason.length; i++) text[i] = reason.charCodeAt(i) & 0x7f;
    this.#at = writeClose(bytes, this.#at, code, text);
    return Math.min(this.#pad(start), maxBytes);
  }

  #begin(bytes: Uint8Array, start: number, maxBytes: number): void {
    const { log } = this.#parts.recovery;
    if (log.next === this.#nextSkip) {
      log.skip();
      const window = Math.ceil(this.#parts.congestion.windowBytes / this.#parts.config.datagramBytes);
      this.#nextSkip = log.next + MIN_SKIP_DISTANCE + this.#draw(2 * Math.max(window, MIN_SKIP_DISTANCE));
    }
    this.#bytes = bytes;
    this.#end = start + maxBytes;
    this.#ackEliciting = false;
    this.#hasStreamData = false;
    log.begin();
    bytes[start] = PACKET_TYPE;
    this.#at = writeVarint(bytes, start + 1, log.next);
  }

  /** @returns its number */
  #notePacket(now: number, sizeBytes: number, kind: PacketKind): number {
    const { recovery, rates } = this.#parts;
    const packetNumber = recovery.onPacketSent(now, sizeBytes, kind);
    if (kind !== PacketKind.quiet) rates.onPacketSent(now, packetNumber, sizeBytes, recovery.bytesInFlight);
    return packetNumber;
  }

  /** Window and pacer; notes what it is that holds us back. */
  #windowAllows(now: number, datagramBytes: number): boolean {
    const { recovery, rates, congestion, pacer } = this.#parts;
    if (!this.#hasData()) {
      this.applicationLimited = true;
      if (recovery.bytesInFlight < congestion.windowBytes) {
        rates.markApplicationLimited(recovery.bytesInFlight);
      }
      return false;
    }
    this.applicationLimited = false;
    if (recovery.bytesInFlight + datagramBytes > congestion.windowBytes) {
      this.windowLimitedAt = now;
      return false;
    }
    pacer.update(now, congestion, recovery.rtt.smoothedMs);
    const delay = pacer.delayMs;
    if (delay > 0) this.pacedAt = now + delay;
    return delay === 0;
  }

  #hasData(): boolean {
    const { streams, pending } = this.#parts;
    if (streams.credit.isDue || streams.places.isDue || streams.controlDue.size > 0 || pending.hasResponses) {
      return true;
    }
    return streams.nextSendable() !== undefined;
  }

  #room(): number {
    return this.#end - this.#at;
  }

  /** What our HELLO says now. @param expectedEpoch whom it is for */
  helloFor(expectedEpoch: Uint8Array): Hello {
    const { role, config, streams } = this.#parts;
    return {
      version: PROTOCOL_VERSION,
      epoch: this.#epochs.own,
      expectedEpoch,
      role,
      maxData: streams.credit.granted,
      maxStreamData: streams.initialStreamWindow,
      maxStreams: streams.places.granted,
      maxDatagramBytes: config.maxReceivedDatagramBytes,
      softwareName: config.softwareName,
    };
  }

  #addHello(keypairId: number): void {
    const { recovery, pending } = this.#parts;
    const frame = encodeHello(this.helloFor(this.#epochs.expected));
    this.#bytes.set(frame, this.#at);
    this.#at += frame.length;
    this.#ackEliciting = true;
    this.#hello.onSent(keypairId);
    pending.hello = false;
    recovery.log.addHello(keypairId);
  }

  #addAck(now: number): void {
    const { received, recovery } = this.#parts;
    if (!received.hasNews) return;
    const at = received.writeAck(now, this.#bytes, this.#at, this.#room() - PING_BYTES);
    if (at === this.#at) return;
    this.#at = at;
    recovery.log.addAck(received.largest);
  }

  /** @returns whether there was one, and room for it */
  #addChallenge(): boolean {
    const { pending } = this.#parts;
    const data = pending.challenge;
    if (data === undefined || this.#room() <= PATH_DATA_BYTES) return false;
    this.#at = writePath(this.#bytes, this.#at, FrameType.pathChallenge, data);
    this.#ackEliciting = true;
    pending.challenge = undefined;
    return true;
  }

  /** Padding to the end of the room. */
  #fill(): void {
    this.#bytes.fill(0, this.#at, this.#end);
    this.#at = this.#end;
  }

  #addPing(now: number): void {
    if (this.#room() < 1) return;
    this.#at = writePing(this.#bytes, this.#at);
    this.#ackEliciting = true;
    this.#lastPingAt = now;
  }

  /** spec recovery 1.3: a side that only receives asks for an acknowledgement about once per round trip. */
  #isPingUseful(now: number): boolean {
    const { received, recovery } = this.#parts;
    return received.rangeCount > 1 && now - this.#lastPingAt > recovery.rtt.smoothedMs;
  }

  #addData(): void {
    this.#addConnectionFrames();
    this.#addStreamControl();
    this.#addStreams();
    this.#addStreamControl(); // the opener's window, beside its first bytes
    this.#addDataBlocked();
  }

  #addConnectionFrames(): void {
    const { streams, recovery, pending } = this.#parts;
    while (pending.hasResponses && this.#room() > PATH_DATA_BYTES) {
      const data = pending.takeResponse() as Uint8Array;
      this.#at = writePath(this.#bytes, this.#at, FrameType.pathResponse, data);
      this.#ackEliciting = true;
    }
    if (streams.credit.isDue && this.#addLimit(FrameType.maxData, streams.credit.granted)) {
      streams.credit.isDue = false;
      recovery.log.addContent(Content.maxData);
    }
    if (streams.places.isDue && this.#addLimit(FrameType.maxStreams, streams.places.granted)) {
      streams.places.isDue = false;
      recovery.log.addContent(Content.maxStreams);
    }
  }

  /** Behind the bytes that used the credit up, or in a later packet if they left no room. */
  #addDataBlocked(): void {
    const { streams } = this.#parts;
    const limit = streams.dataBlockedAt;
    if (limit !== undefined && this.#addLimit(FrameType.dataBlocked, limit)) {
      streams.credit.blockedSentFor = limit;
    }
  }

  #addLimit(type: FrameType, limit: number): boolean {
    if (this.#room() < limitLength(limit)) return false;
    this.#at = writeLimit(this.#bytes, this.#at, type, limit);
    this.#ackEliciting = true;
    return true;
  }

  #addStreamControl(): void {
    const { streams } = this.#parts;
    for (const stream of streams.controlDue) {
      if (!this.#addControlOf(stream)) return;
      streams.controlSent(stream);
    }
  }

  /** @returns false when something of it did not fit */
  #addControlOf(stream: ConnectionStream): boolean {
    const { sending, receiving, id } = stream;
    const { log } = this.#parts.recovery;
    if (!log.frames.hasRoomFor(MAX_CONTROL_FRAMES)) return false;
    if (sending.resetDue) {
      if (this.#room() < resetStreamLength(id, sending.resetCode, sending.finalSize)) return false;
      this.#at = writeResetStream(this.#bytes, this.#at, id, sending.resetCode, sending.finalSize);
      sending.resetDue = false;
      log.addFrame(SentFrameKind.reset, id, 0, 0);
      this.#ackEliciting = true;
    }
    if (receiving.stopDue && receiving.stopCode !== undefined) {
      if (this.#room() < streamLimitLength(id, receiving.stopCode)) return false;
      this.#at = writeStreamLimit(this.#bytes, this.#at, FrameType.stopSending, id, receiving.stopCode);
      receiving.stopDue = false;
      log.addFrame(SentFrameKind.stop, id, 0, 0);
      this.#ackEliciting = true;
    }
    if (receiving.limitDue) {
      if (this.#room() < streamLimitLength(id, receiving.limit)) return false;
      this.#at = writeStreamLimit(this.#bytes, this.#at, FrameType.maxStreamData, id, receiving.limit);
      receiving.limitDue = false;
      log.addFrame(SentFrameKind.maxStreamData, id, 0, 0);
      this.#ackEliciting = true;
    }
    return true;
  }

  /** One frame a stream, in turn, until the packet is full. */
  #addStreams(): void {
    const { streams, recovery } = this.#parts;
    const { log } = recovery;
    while (this.#room() >= MIN_STREAM_ROOM_BYTES && log.frames.hasRoomFor(1)) {
      const stream = streams.nextSendable();
      if (stream === undefined) return;
      const at = streams.writeStreamFrame(stream, this.#bytes, this.#at, this.#room());
      if (at === this.#at) return;
      this.#at = at;
      const { sending } = stream;
      const kind = sending.frameFin ? SentFrameKind.streamFin : SentFrameKind.stream;
      log.addFrame(kind, stream.id, sending.frameStart, sending.frameLength);
      if (stream.isUnsent) streams.onFirstSent(stream);
      stream.noteSent(this.#keypairId);
      this.#hasStreamData = true;
      this.#ackEliciting = true;
      streams.rotate();
      this.#addBlocked(stream);
    }
  }

  #addBlocked(stream: ConnectionStream): void {
    const { sending, id } = stream;
    if (!sending.isBlocked || sending.blockedSentFor === sending.limit) return;
    if (this.#room() < streamLimitLength(id, sending.limit)) return;
    this.#at = writeStreamLimit(this.#bytes, this.#at, FrameType.streamDataBlocked, id, sending.limit);
    sending.blockedSentFor = sending.limit;
  }

  /** Zero bytes to the next multiple of 16 (WireGuard's padding). @returns the padded length */
  #pad(start: number): number {
    const length = this.#at - start;
    const padded = Math.min(Math.ceil(length / PADDING_MULTIPLE) * PADDING_MULTIPLE, this.#end - start);
    this.#bytes.fill(0, this.#at, start + padded);
    return padded;
  }

  /** @returns a whole number in [0, below) */
  #draw(below: number): number {
    const random = this.#parts.random(4);
    const value = ((random[0] as number) << 16) | ((random[1] as number) << 8) | (random[2] as number);
    return value % below;
  }
}
