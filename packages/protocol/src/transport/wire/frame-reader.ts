import { copyBytes } from '../../copy-bytes.js';
import {
  EPOCH_BYTES,
  MAX_ACK_FRAME_RANGES,
  MAX_CLOSE_REASON_BYTES,
  MAX_SOFTWARE_NAME_BYTES,
} from '../limits.js';
import { FrameType, type Hello, PATH_DATA_BYTES } from './frames.js';
import { announcedVarintLength, readVarint } from './varint.js';

/** Returned by `next` at the end of the packet. */
export const END = -1;
/** Returned by `next` when the rest of the packet cannot be parsed. `problem` says why. */
export const MALFORMED = -2;

/** Reads the frames of one packet, one after the other (spec streams 2).
 *
 *  The reader is a cursor. `begin` sets it to the start of a packet's frames, and each call of `next` moves it past one
 *  frame and stores what the frame contains in the reader's own fields, so that no frame costs an object. The comment
 *  of each field says for which types of frame it is valid, and it stays valid until the next call.
 *
 *  The reader is total: any bytes give frames, END or MALFORMED, and never an exception. It checks the form of each
 *  frame, but not whether a frame is permitted at this point. That is up to the connection, which owns the reader. */
export class FrameReader {
  /** STREAM, DATAGRAM, RESET_STREAM, STOP_SENDING, MAX_STREAM_DATA, STREAM_DATA_BLOCKED */
  streamId = 0;
  /** STREAM */
  offset = 0;
  /** STREAM, DATAGRAM, PATH_CHALLENGE, PATH_RESPONSE: where the data begins in `bytes`, and its length. */
  dataStart = 0;
  dataLength = 0;
  /** MAX_… and …_BLOCKED: the limit. RESET_STREAM: the final size. */
  limit = 0;
  /** RESET_STREAM, STOP_SENDING, CLOSE */
  code = 0;
  /** CLOSE */
  closeReason = '';
  /** HELLO */
  hello: Hello | undefined;
  /** ACK: the delay that the peer reports, in units of 8 µs. */
  ackDelayUnits = 0;
  /** ACK: the number of ranges, the highest first. Range i is [rangeLow[i], rangeHigh[i]], both included. */
  rangeCount = 0;
  readonly rangeLow = new Float64Array(MAX_ACK_FRAME_RANGES + 1);
  readonly rangeHigh = new Float64Array(MAX_ACK_FRAME_RANGES + 1);
  /** Why `next` returned MALFORMED: a text for the CLOSE frame. */
  problem = '';

  /** The buffer that holds the packet. */
  bytes: Uint8Array = new Uint8Array(0);
  #position = 0;
  #end = 0;

  /** Sets the reader to the frames in `bytes` from `start` up to `end`. */
  begin(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  /** Reads the next frame that is not PADDING.
   *  @returns its type, or END, or MALFORMED */
  next(): number {
    const bytes = this.bytes;
    while (this.#position < this.#end && bytes[this.#position] === FrameType.padding) this.#position++;
    if (this.#position >= this.#end) return END;
    const type = bytes[this.#position++] as number;
    return this.#readBody(type) ? type : MALFORMED;
  }

  #readBody(type: number): boolean {
    switch (type) {
      case FrameType.ping:
        return true;
      case FrameType.stream:
      case FrameType.streamFin:
        return this.#readStream();
      case FrameType.ack:
        return this.#readAck();
      case FrameType.maxData:
      case FrameType.maxStreams:
      case FrameType.dataBlocked:
      case FrameType.streamsBlocked:
        this.limit = this.#varint();
        return this.limit >= 0;
      case FrameType.maxStreamData:
      case FrameType.streamDataBlocked:
        this.streamId = this.#varint();
        this.limit = this.#varint();
        return this.streamId >= 0 && this.limit >= 0;
      case FrameType.resetStream:
        this.streamId = this.#varint();
        this.code = this.#varint();
        this.limit = this.#varint();
        return this.streamId >= 0 && this.code >= 0 && this.limit >= 0;
      case FrameType.stopSending:
        this.streamId = this.#varint();
        this.code = this.#varint();
        return this.streamId >= 0 && this.code >= 0;
      case FrameType.datagram:
        return this.#readDatagram();
      case FrameType.pathChallenge:
      case FrameType.pathResponse:
        return this.#take(PATH_DATA_BYTES);
      case FrameType.hello:
        return this.#readHello();
      case FrameType.close:
        return this.#readClose();
      default:
        // The length of an unknown frame is unknown too (spec streams 2.1).
        return this.#fail(`unknown frame type 0x${type.toString(16)}`);
    }
  }

  #readStream(): boolean {
    this.streamId = this.#varint();
    this.offset = this.#varint();
    const length = this.#varint();
    if (this.streamId < 0 || this.offset < 0 || length < 0) return false;
    if (this.offset + length > Number.MAX_SAFE_INTEGER) return this.#fail('stream offset too large');
    return this.#take(length);
  }

  /** Reads DATAGRAM (spec datagrams 2.1). */
  #readDatagram(): boolean {
    this.streamId = this.#varint();
    const length = this.#varint();
    return this.streamId >= 0 && length >= 0 && this.#take(length);
  }

  /** Reads the ranges of an ACK (spec streams 2.2). */
  #readAck(): boolean {
    let high = this.#varint();
    this.ackDelayUnits = this.#varint();
    const further = this.#varint();
    let length = this.#varint();
    if (high < 0 || this.ackDelayUnits < 0 || further < 0 || length < 0) return false;
    if (further > MAX_ACK_FRAME_RANGES) return this.#fail('too many ACK ranges');
    for (let i = 0; ; i++) {
      if (length > high) return this.#fail('ACK range below zero');
      this.rangeHigh[i] = high;
      this.rangeLow[i] = high - length;
      this.rangeCount = i + 1;
      if (i === further) return true;
      const gap = this.#varint();
      const nextLength = this.#varint();
      if (gap < 0 || nextLength < 0) return false;
      high = high - length - gap - 2;
      if (high < 0) return this.#fail('ACK range below zero');
      length = nextLength;
    }
  }

  /** Reads HELLO (spec streams 3.1). */
  #readHello(): boolean {
    const length = this.#varint();
    if (length < 0 || !this.#take(length)) return false;
    const after = this.#position;
    const end = this.#end;
    this.#position = this.dataStart;
    this.#end = after;
    const ok = this.#readHelloBody();
    this.#position = after; // Later versions may put more behind the name.
    this.#end = end;
    return ok;
  }

  #readHelloBody(): boolean {
    const version = this.#varint();
    if (version < 0 || !this.#take(2 * EPOCH_BYTES + 1)) return false;
    const at = this.dataStart;
    const epoch = copyBytes(this.bytes.subarray(at, at + EPOCH_BYTES));
    const expectedEpoch = copyBytes(this.bytes.subarray(at + EPOCH_BYTES, at + 2 * EPOCH_BYTES));
    const role = this.bytes[at + 2 * EPOCH_BYTES] as number;
    if (role > 1) return this.#fail('HELLO with an unknown role');
    if (epoch.every((byte) => byte === 0)) return this.#fail('HELLO with an all-zero epoch');
    const maxData = this.#varint();
    const maxStreamData = this.#varint();
    const maxStreams = this.#varint();
    const maxDatagramBytes = this.#varint();
    if (maxData < 0 || maxStreamData < 0 || maxStreams < 0 || maxDatagramBytes < 0) return false;
    if (!this.#take(1)) return false;
    const nameLength = this.bytes[this.dataStart] as number;
    if (nameLength > MAX_SOFTWARE_NAME_BYTES) return this.#fail('HELLO with too long a name');
    if (!this.#take(nameLength)) return false;
    let softwareName = '';
    for (let i = 0; i < nameLength; i++) {
      const byte = this.bytes[this.dataStart + i] as number;
      if (byte < 0x20 || byte > 0x7e) return this.#fail('HELLO with an unprintable name');
      softwareName += String.fromCharCode(byte);
    }
    const sender = role === 0 ? ('client' as const) : ('relay' as const);
    const limits = { maxData, maxStreamData, maxStreams, maxDatagramBytes };
    this.hello = { version, epoch, expectedEpoch, role: sender, ...limits, softwareName };
    return true;
  }

  #readClose(): boolean {
    this.code = this.#varint();
    const length = this.#varint();
    if (this.code < 0 || length < 0) return false;
    if (length > MAX_CLOSE_REASON_BYTES) return this.#fail('CLOSE with too long a reason');
    if (!this.#take(length)) return false;
    let reason = '';
    for (let i = 0; i < length; i++) {
      const byte = this.bytes[this.dataStart + i] as number;
      // This text ends up on terminals, so only printable ASCII is kept.
      reason += byte >= 0x20 && byte <= 0x7e ? String.fromCharCode(byte) : '?';
    }
    this.closeReason = reason;
    return true;
  }

  /** Reads a varint.
   *  @returns its value, or -1 after it has set `problem` */
  #varint(): number {
    const left = this.#end - this.#position;
    if (left < 1 || left < announcedVarintLength(this.bytes[this.#position] as number)) {
      this.problem = 'truncated frame';
      return -1;
    }
    const value = readVarint(this.bytes, this.#position);
    if (value < 0) {
      this.problem = 'number above 2^53 - 1';
      return -1;
    }
    this.#position += announcedVarintLength(this.bytes[this.#position] as number);
    return value;
  }

  /** Moves past `length` bytes, and sets `dataStart` and `dataLength` to them. */
  #take(length: number): boolean {
    if (length > this.#end - this.#position) return this.#fail('truncated frame');
    this.dataStart = this.#position;
    this.dataLength = length;
    this.#position += length;
    return true;
  }

  #fail(problem: string): false {
    this.problem = problem;
    return false;
  }
}
