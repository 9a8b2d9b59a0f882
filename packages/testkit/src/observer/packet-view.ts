/** Parses a packet according to the specification, independently of the code under test (spec streams 1, 2). */

/** Data of a stream, or its FIN. */
export interface StreamPiece {
  readonly streamId: number;
  readonly offset: number;
  readonly length: number;
  readonly fin: boolean;
}

export interface StreamValue {
  readonly streamId: number;
  readonly value: number;
}

export interface HelloView {
  readonly epoch: string;
  readonly expectedEpoch: string;
  readonly maxData: number;
  readonly maxStreamData: number;
  readonly maxStreams: number;
}

/** Including both ends. */
export type AckRange = readonly [low: number, high: number];

export interface AckView {
  /** In descending order. */
  readonly ranges: readonly AckRange[];
  readonly delayMs: number;
}

export interface PacketView {
  readonly packetNumber: number;
  /** Whether it contains anything besides ACK, PADDING and CLOSE. */
  isAckEliciting: boolean;
  /** Only PING and PADDING, so it may be an MTU probe. */
  isOnlyPing: boolean;
  frames: number;
  hello?: HelloView;
  ack?: AckView;
  closeCode?: number;
  maxData?: number;
  maxStreams?: number;
  /** 8 bytes in hexadecimal. */
  challenge?: string;
  responses?: string[];
  pieces?: StreamPiece[];
  streamLimits?: StreamValue[];
  /** The limits at which the sender says that it is blocked. */
  dataBlocked?: number;
  streamsBlocked?: StreamValue[];
  resets?: StreamValue[];
  stops?: StreamValue[];
  /** DATAGRAM frames, with the lengths of their messages. */
  messages?: StreamValue[];
  /** Why the rest cannot be parsed. */
  problem?: string;
}

const ACK_DELAY_UNITS_PER_MS = 125;
const EPOCH_BYTES = 8;

/** @returns undefined when the payload is not an Underpass packet */
export function readPacket(payload: Uint8Array): PacketView | undefined {
  if (payload.length < 2 || payload[0] !== 0x01) return undefined;
  const cursor = new Cursor(payload, 1);
  const packet: PacketView = {
    packetNumber: cursor.varint(),
    isAckEliciting: false,
    isOnlyPing: true,
    frames: 0,
  };
  while (packet.problem === undefined) {
    const type = cursor.nextType();
    if (type < 0) break;
    packet.frames++;
    readFrame(packet, type, cursor);
    if (cursor.isBeyondEnd) packet.problem = `frame 0x${type.toString(16)} reaches beyond the end`;
  }
  return packet;
}

function readFrame(packet: PacketView, type: number, cursor: Cursor): void {
  if (type !== 0x01) packet.isOnlyPing = false;
  if (type !== 0x02 && type !== 0x1c) packet.isAckEliciting = true;
  switch (type) {
    case 0x01: // PING
      return;
    case 0x02:
      packet.ack = readAck(cursor);
      return;
    case 0x04: {
      const streamId = cursor.varint();
      cursor.varint();
      packet.resets = append(packet.resets, { streamId, value: cursor.varint() });
      return;
    }
    case 0x05:
      packet.stops = append(packet.stops, { streamId: cursor.varint(), value: cursor.varint() });
      return;
    case 0x06:
      packet.hello = readHello(cursor);
      return;
    case 0x08:
    case 0x09: {
      const [streamId, offset, length] = [cursor.varint(), cursor.varint(), cursor.varint()];
      packet.pieces = append(packet.pieces, { streamId, offset, length, fin: type === 0x09 });
      cursor.skip(length);
      return;
    }
    case 0x30: {
      const [streamId, length] = [cursor.varint(), cursor.varint()];
      packet.messages = append(packet.messages, { streamId, value: length });
      cursor.skip(length);
      return;
    }
    case 0x10:
      packet.maxData = cursor.varint();
      return;
    case 0x11:
      packet.streamLimits = append(packet.streamLimits, {
        streamId: cursor.varint(),
        value: cursor.varint(),
      });
      return;
    case 0x12:
      packet.maxStreams = cursor.varint();
      return;
    case 0x14:
      packet.dataBlocked = cursor.varint();
      return;
    case 0x16: // STREAMS_BLOCKED: advice
      cursor.varint();
      return;
    case 0x15:
      packet.streamsBlocked = append(packet.streamsBlocked, {
        streamId: cursor.varint(),
        value: cursor.varint(),
      });
      return;
    case 0x1a:
      packet.challenge = cursor.hex(8);
      return;
    case 0x1b:
      packet.responses = append(packet.responses, cursor.hex(8));
      return;
    case 0x1c:
      packet.closeCode = cursor.varint();
      cursor.skip(cursor.varint());
      return;
    default:
      packet.problem = `unknown frame 0x${type.toString(16)}`;
  }
}

function readAck(cursor: Cursor): AckView {
  let high = cursor.varint();
  const delayMs = cursor.varint() / ACK_DELAY_UNITS_PER_MS;
  const further = cursor.varint();
  let low = high - cursor.varint();
  const ranges: [number, number][] = [[low, high]];
  for (let i = 0; i < further && !cursor.isBeyondEnd; i++) {
    high = low - cursor.varint() - 2;
    low = high - cursor.varint();
    ranges.push([low, high]);
  }
  return { ranges, delayMs };
}

function readHello(cursor: Cursor): HelloView {
  const end = cursor.varint() + cursor.position;
  cursor.varint();
  const [epoch, expectedEpoch] = [cursor.hex(EPOCH_BYTES), cursor.hex(EPOCH_BYTES)];
  cursor.skip(1);
  const [maxData, maxStreamData, maxStreams] = [cursor.varint(), cursor.varint(), cursor.varint()];
  cursor.position = end;
  return { epoch, expectedEpoch, maxData, maxStreamData, maxStreams };
}

function append<T>(list: T[] | undefined, item: T): T[] {
  if (list === undefined) return [item];
  list.push(item);
  return list;
}

/** Reads a packet from front to back. It never fails: past the end it reads zeros and sets `isBeyondEnd`. */
class Cursor {
  readonly #bytes: Uint8Array;
  position: number;

  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = bytes;
    this.position = position;
  }

  get isBeyondEnd(): boolean {
    return this.position > this.#bytes.length;
  }

  /** @returns the type of the next frame other than PADDING, or -1 at the end */
  nextType(): number {
    while (this.#bytes[this.position] === 0) this.position++;
    return this.#bytes[this.position++] ?? -1;
  }

  varint(): number {
    const first = this.#bytes[this.position] ?? 0;
    let value = first & 0x3f;
    for (let more = (1 << (first >>> 6)) - 1; more > 0; more--) {
      value = value * 256 + (this.#bytes[++this.position] ?? 0);
    }
    this.position++;
    return value;
  }

  skip(length: number): void {
    this.position += length;
  }

  hex(length: number): string {
    let text = '';
    for (let i = 0; i < length; i++) {
      text += (this.#bytes[this.position++] ?? 0).toString(16).padStart(2, '0');
    }
    return text;
  }
}
