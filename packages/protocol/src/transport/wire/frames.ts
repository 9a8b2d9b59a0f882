/** The frames of an Underpass packet, and how each is written (spec streams 2). frame-reader.ts reads them.
 *
 *  A `write…` function puts one frame at `position` and returns the position after it. Before that, the caller has to
 *  check that there is room, with the matching `…Length` function. */
import { EPOCH_BYTES } from '../limits.js';
import { varintLength, writeVarint } from './varint.js';

export const FrameType = {
  padding: 0x00,
  ping: 0x01,
  ack: 0x02,
  resetStream: 0x04,
  stopSending: 0x05,
  hello: 0x06,
  stream: 0x08,
  streamFin: 0x09,
  maxData: 0x10,
  maxStreamData: 0x11,
  maxStreams: 0x12,
  dataBlocked: 0x14,
  streamDataBlocked: 0x15,
  streamsBlocked: 0x16,
  pathChallenge: 0x1a,
  pathResponse: 0x1b,
  close: 0x1c,
  datagram: 0x30,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** The length of the data of PATH_CHALLENGE and PATH_RESPONSE. */
export const PATH_DATA_BYTES = 8;

/** The contents of a HELLO frame (spec streams 3.1). */
export interface Hello {
  readonly version: number;
  /** The sender's epoch, 8 bytes. */
  readonly epoch: Uint8Array;
  /** The receiver's epoch as far as the sender knows it, 8 bytes; all zero if it does not know it. */
  readonly expectedEpoch: Uint8Array;
  /** The sender's role. */
  readonly role: 'client' | 'relay';
  readonly maxData: number;
  readonly maxStreamData: number;
  readonly maxStreams: number;
  /** The largest datagram that the sender accepts, in bytes of UDP payload. */
  readonly maxDatagramBytes: number;
  /** Up to 64 characters of printable ASCII. */
  readonly softwareName: string;
}

export function writePing(bytes: Uint8Array, position: number): number {
  bytes[position] = FrameType.ping;
  return position + 1;
}

/** Returns the length of a STREAM frame without its data. */
export function streamHeaderLength(streamId: number, offset: number, dataLength: number): number {
  return 1 + varintLength(streamId) + varintLength(offset) + varintLength(dataLength);
}

/** Writes a STREAM frame without its data, which the caller copies behind it. */
export function writeStreamHeader(
  bytes: Uint8Array,
  position: number,
  streamId: number,
  offset: number,
  dataLength: number,
  fin: boolean,
): number {
  bytes[position] = fin ? FrameType.streamFin : FrameType.stream;
  let at = writeVarint(bytes, position + 1, streamId);
  at = writeVarint(bytes, at, offset);
  return writeVarint(bytes, at, dataLength);
}

/** Returns the length of a DATAGRAM frame without its message (spec datagrams 2.1). */
export function datagramHeaderLength(streamId: number, messageLength: number): number {
  return 1 + varintLength(streamId) + varintLength(messageLength);
}

/** Writes a DATAGRAM frame without its message, which the caller copies behind it. */
export function writeDatagramHeader(
  bytes: Uint8Array,
  position: number,
  streamId: number,
  messageLength: number,
): number {
  bytes[position] = FrameType.datagram;
  return writeVarint(bytes, writeVarint(bytes, position + 1, streamId), messageLength);
}

/** Writes MAX_DATA, MAX_STREAMS, DATA_BLOCKED or STREAMS_BLOCKED: a type and one number. */
export function writeLimit(bytes: Uint8Array, position: number, type: FrameType, limit: number): number {
  bytes[position] = type;
  return writeVarint(bytes, position + 1, limit);
}

export function limitLength(limit: number): number {
  return 1 + varintLength(limit);
}

/** Writes MAX_STREAM_DATA, STREAM_DATA_BLOCKED or STOP_SENDING: a type, a stream id and one number. */
export function writeStreamLimit(
  bytes: Uint8Array,
  position: number,
  type: FrameType,
  streamId: number,
  value: number,
): number {
  bytes[position] = type;
  return writeVarint(bytes, writeVarint(bytes, position + 1, streamId), value);
}

export function streamLimitLength(streamId: number, value: number): number {
  return 1 + varintLength(streamId) + varintLength(value);
}

export function writeResetStream(
  bytes: Uint8Array,
  position: number,
  streamId: number,
  code: number,
  finalSize: number,
): number {
  bytes[position] = FrameType.resetStream;
  return writeVarint(bytes, writeVarint(bytes, writeVarint(bytes, position + 1, streamId), code), finalSize);
}

export function resetStreamLength(streamId: number, code: number, finalSize: number): number {
  return 1 + varintLength(streamId) + varintLength(code) + varintLength(finalSize);
}

/** Writes PATH_CHALLENGE or PATH_RESPONSE with its 8 bytes of data. */
export function writePath(bytes: Uint8Array, position: number, type: FrameType, data: Uint8Array): number {
  bytes[position] = type;
  bytes.set(data, position + 1);
  return position + 1 + PATH_DATA_BYTES;
}

/** @param reason at most MAX_CLOSE_REASON_BYTES of printable ASCII */
export function writeClose(bytes: Uint8Array, position: number, code: number, reason: Uint8Array): number {
  bytes[position] = FrameType.close;
  const at = writeVarint(bytes, writeVarint(bytes, position + 1, code), reason.length);
  bytes.set(reason, at);
  return at + reason.length;
}

/** Returns a whole HELLO frame (spec streams 3.1). */
export function encodeHello(hello: Hello): Uint8Array {
  const body = new Uint8Array(2 * EPOCH_BYTES + 64 + hello.softwareName.length);
  let at = writeVarint(body, 0, hello.version);
  body.set(hello.epoch, at);
  body.set(hello.expectedEpoch, at + EPOCH_BYTES);
  at += 2 * EPOCH_BYTES;
  body[at++] = hello.role === 'client' ? 0 : 1;
  for (const limit of [hello.maxData, hello.maxStreamData, hello.maxStreams, hello.maxDatagramBytes]) {
    at = writeVarint(body, at, limit);
  }
  body[at++] = hello.softwareName.length;
  for (let i = 0; i < hello.softwareName.length; i++) body[at++] = hello.softwareName.charCodeAt(i);
  const frame = new Uint8Array(1 + varintLength(at) + at);
  frame[0] = FrameType.hello;
  frame.set(body.subarray(0, at), writeVarint(frame, 1, at));
  return frame;
}
