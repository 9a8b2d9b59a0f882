/** The frames of an Underpass packet: for each type its name, its section, and how its fields are read (spec streams 2).
 *
 *  The checks are those of protocol's FrameReader: what it accepts has no problem here, and what it refuses has one. A
 *  test compares the two on arbitrary bytes. */
import {
  ACK_DELAY_UNITS_PER_MS,
  ConnectionErrorCode,
  EPOCH_BYTES,
  FrameType,
  MAX_ACK_FRAME_RANGES,
  MAX_CLOSE_REASON_BYTES,
  MAX_SOFTWARE_NAME_BYTES,
  PATH_DATA_BYTES,
} from '@underpass/protocol';
import type { FieldReader } from './field-reader.js';
import { byteCount, codeWords, counted, hex, preview, printable, streamErrorWords } from './words.js';

export interface FrameLayout {
  readonly name: string;
  readonly spec: string;
  /** Reads the fields behind the type. @returns a summary */
  readonly read: (reader: FieldReader) => string;
}

/** The most ranges that the summary of an ACK lists. */
const LISTED_RANGES = 4;
const LAYOUT = 'streams 2';

const { padding: _padding, ...TYPES } = FrameType;

/** By the type's name in `FrameType`. PADDING is not among them: payload.ts puts a run of it into one field. */
const LAYOUTS: Readonly<Record<keyof typeof TYPES, FrameLayout>> = {
  ping: { name: 'PING', spec: LAYOUT, read: () => 'asks for an acknowledgement' },
  ack: { name: 'ACK', spec: 'streams 2.2', read: readAck },
  resetStream: {
    name: 'RESET_STREAM',
    spec: 'streams 4.4',
    read: (reader) => {
      const stream = reader.varint('stream id');
      const code = reader.varint('code', streamErrorWords);
      const size = reader.varint('final size', byteCount);
      return `stream ${stream} ends early after ${byteCount(size)}: ${streamErrorWords(code)}`;
    },
  },
  stopSending: {
    name: 'STOP_SENDING',
    spec: 'streams 4.5',
    read: (reader) => {
      const stream = reader.varint('stream id');
      return `stream ${stream} is no longer read: ${streamErrorWords(reader.varint('code', streamErrorWords))}`;
    },
  },
  hello: { name: 'HELLO', spec: 'streams 3.1', read: readHello },
  stream: { name: 'STREAM', spec: LAYOUT, read: (reader) => readStream(reader) },
  streamFin: { name: 'STREAM with FIN', spec: LAYOUT, read: (reader) => `${readStream(reader)}, the end` },
  maxData: limitLayout(
    'MAX_DATA',
    'streams 5.1',
    'maximum',
    (limit) => `all streams: up to ${byteCount(limit)}`,
  ),
  maxStreamData: streamLimitLayout('MAX_STREAM_DATA', 'streams 5.1', 'maximum', 'up to'),
  maxStreams: limitLayout(
    'MAX_STREAMS',
    'streams 5.1',
    'maximum',
    (limit) => `up to ${counted(limit, 'stream')}`,
  ),
  dataBlocked: limitLayout('DATA_BLOCKED', LAYOUT, 'limit', (limit) => `waits at ${byteCount(limit)}`),
  streamDataBlocked: streamLimitLayout('STREAM_DATA_BLOCKED', LAYOUT, 'limit', 'waits at'),
  streamsBlocked: limitLayout(
    'STREAMS_BLOCKED',
    LAYOUT,
    'limit',
    (limit) => `waits at ${counted(limit, 'stream')}`,
  ),
  pathChallenge: {
    name: 'PATH_CHALLENGE',
    spec: 'path 3',
    read: (reader) => `asks for ${hex(reader.bytes('data', PATH_DATA_BYTES))}`,
  },
  pathResponse: {
    name: 'PATH_RESPONSE',
    spec: 'path 3',
    read: (reader) => `answers ${hex(reader.bytes('data', PATH_DATA_BYTES))}`,
  },
  close: { name: 'CLOSE', spec: 'streams 8', read: readClose },
  datagram: {
    name: 'DATAGRAM',
    spec: 'datagrams 2.1',
    read: (reader) => {
      const stream = reader.varint('stream id');
      const length = reader.varint('length', byteCount);
      reader.bytes('message', length, preview);
      return `flow ${stream}, ${byteCount(length)}`;
    },
  },
};

const BY_TYPE: ReadonlyMap<number, FrameLayout> = new Map(
  Object.entries(TYPES).map(([name, type]) => [type, LAYOUTS[name as keyof typeof TYPES]]),
);

/** @returns undefined for a type that does not exist */
export function frameLayout(type: number): FrameLayout | undefined {
  return BY_TYPE.get(type);
}

function limitLayout(
  name: string,
  spec: string,
  field: string,
  words: (limit: number) => string,
): FrameLayout {
  return { name, spec, read: (reader) => words(reader.varint(field)) };
}

function streamLimitLayout(name: string, spec: string, field: string, verb: string): FrameLayout {
  return {
    name,
    spec,
    read: (reader) => {
      const stream = reader.varint('stream id');
      return `stream ${stream}: ${verb} ${byteCount(reader.varint(field, byteCount))}`;
    },
  };
}

function readStream(reader: FieldReader): string {
  const stream = reader.varint('stream id');
  const offset = reader.varint('offset');
  const length = reader.varint('length', byteCount);
  if (offset + length > Number.MAX_SAFE_INTEGER) reader.fail('stream offset too large');
  reader.bytes('data', length, preview);
  if (length === 0) return `stream ${stream}, no bytes at offset ${offset}`;
  return `stream ${stream}, bytes ${offset} to ${offset + length - 1}`;
}

/** Reads an ACK. It encodes ranges from the largest number downwards, as distances (RFC 9000 §19.3.1). */
function readAck(reader: FieldReader): string {
  let high = reader.varint('largest acknowledged');
  reader.varint('delay', (units) => `${units / ACK_DELAY_UNITS_PER_MS} ms`);
  const further = reader.varint('range count', (count) => counted(count, 'further range'));
  let length = reader.varint('first range', (value) => `${high - value} to ${high}`);
  if (further > MAX_ACK_FRAME_RANGES) reader.fail('too many ACK ranges');
  const ranges: string[] = [];
  for (let i = 0; reader.problem === undefined; i++) {
    const low = high - length;
    if (low < 0) reader.fail('ACK range below zero');
    ranges.push(low === high ? `${high}` : `${low} to ${high}`);
    if (i === further) break;
    const gap = reader.varint('gap', (value) => `${value + 1} not acknowledged`);
    high = low - gap - 2;
    const top = high;
    length = reader.varint('range length', (value) => `${top - value} to ${top}`);
    if (high < 0) reader.fail('ACK range below zero');
  }
  const listed = ranges.slice(0, LISTED_RANGES).join(', ');
  const more = ranges.length - LISTED_RANGES;
  return `acknowledges ${listed}${more > 0 ? ` and ${counted(more, 'more range')}` : ''}`;
}

function readHello(reader: FieldReader): string {
  const length = reader.varint('length', byteCount);
  let summary = '';
  reader.within(length, 'for later versions', () => {
    const version = reader.varint('version');
    const epoch = reader.bytes('epoch', EPOCH_BYTES);
    reader.bytes('expected epoch', EPOCH_BYTES, epochWords);
    const role = reader.byte('role', roleWords);
    if (role > 1) reader.fail('HELLO with an unknown role');
    if (reader.problem === undefined && isZero(epoch)) reader.fail('HELLO with an all-zero epoch');
    reader.varint('initial MAX_DATA', byteCount);
    reader.varint('initial MAX_STREAM_DATA', byteCount);
    reader.varint('MAX_STREAMS');
    reader.varint('largest datagram taken', byteCount);
    const nameLength = reader.byte('name length', byteCount);
    if (nameLength > MAX_SOFTWARE_NAME_BYTES) reader.fail('HELLO with too long a name');
    const name = reader.bytes('software name', nameLength, printable);
    if (name.some((byte) => byte < 0x20 || byte > 0x7e)) reader.fail('HELLO with an unprintable name');
    summary = `${roleWords(role)} ${printable(name)}, version ${version}, epoch ${hex(epoch)}`;
  });
  return summary;
}

function readClose(reader: FieldReader): string {
  const words = codeWords(ConnectionErrorCode);
  const code = reader.varint('code', words);
  const length = reader.varint('reason length', byteCount);
  if (length > MAX_CLOSE_REASON_BYTES) reader.fail('CLOSE with too long a reason');
  const reason = reader.bytes('reason', length, printable);
  return reason.length === 0 ? words(code) : `${words(code)}: ${printable(reason)}`;
}

function roleWords(role: number): string {
  return role === 0 ? 'client' : role === 1 ? 'relay' : `unknown role ${role}`;
}

function epochWords(epoch: Uint8Array): string {
  return isZero(epoch) ? 'none known' : hex(epoch);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
