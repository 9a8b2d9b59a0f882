import {
  base64,
  classifyMessage,
  HEADER_BYTES,
  isAllZero,
  KEY_BYTES,
  MAC_BYTES,
  MessageType,
  TAG_BYTES,
  TAI64N_BYTES,
  unixMsFromTai64n,
  XNONCE_BYTES,
} from '@underpass/protocol';
import type { Dissection, DissectionKind } from './dissection.js';
import { FieldReader } from './field-reader.js';
import { readPayload } from './payload.js';
import { byteCount, hex, uint32 } from './words.js';

const TYPE_BYTES = 4;
const INDEX_BYTES = 4;
const COUNTER_BYTES = 8;

/** Explains every byte of a datagram (spec wire 2, streams 2).
 *
 *  Any bytes are accepted. Those that cannot be decoded are one field of the last part, and `problem` says why.
 *
 *  @param datagram  as it was sent, or as `DatagramOpener` returned it
 *  @param isOpen  whether the sealed fields of `datagram` have been replaced by their plaintext */
export function dissect(datagram: Uint8Array, isOpen = false): Dissection {
  const reader = new FieldReader(datagram, 0, datagram.length);
  switch (classifyMessage(datagram)) {
    case MessageType.initiation:
      return finish('initiation', reader, readInitiation(reader, isOpen));
    case MessageType.response:
      return finish('response', reader, readResponse(reader));
    case MessageType.cookieReply:
      return finish('cookie-reply', reader, readCookieReply(reader));
    case MessageType.transport:
      return readTransport(datagram, isOpen);
    default: {
      const problem = whyMalformed(datagram);
      reader.fail(problem);
      reader.rest('not decoded', 'wire 2.1', problem);
      return finish('unknown', reader, problem);
    }
  }
}

function finish(kind: DissectionKind, { parts, problem }: FieldReader, summary: string): Dissection {
  return { kind, summary, parts, ...(problem === undefined ? {} : { problem }) };
}

/** spec wire 2.2 */
function readInitiation(reader: FieldReader, isOpen: boolean): string {
  let summary = '';
  reader.part('initiation', 'wire 2.2', () => {
    readType(reader, 'handshake initiation');
    const sender = readIndex(reader, 'sender index');
    reader.bytes('ephemeral public key', KEY_BYTES, base64);
    if (isOpen) reader.bytes("initiator's static public key", KEY_BYTES, base64);
    else readSealed(reader, "initiator's static public key", KEY_BYTES);
    readTag(reader);
    if (isOpen) reader.bytes('TAI64N timestamp', TAI64N_BYTES, timestampWords);
    else readSealed(reader, 'TAI64N timestamp', TAI64N_BYTES);
    readTag(reader);
    readMacs(reader);
    summary = `handshake initiation from ${sender}`;
    return '';
  });
  return summary;
}

/** spec wire 2.3 */
function readResponse(reader: FieldReader): string {
  let summary = '';
  reader.part('response', 'wire 2.3', () => {
    readType(reader, 'handshake response');
    const sender = readIndex(reader, 'sender index');
    const receiver = readIndex(reader, 'receiver index');
    reader.bytes('ephemeral public key', KEY_BYTES, base64);
    readTag(reader);
    readMacs(reader);
    summary = `handshake response from ${sender} to ${receiver}`;
    return '';
  });
  return summary;
}

/** spec wire 2.4. The cookie stays sealed: a key log does not contain what opens it. */
function readCookieReply(reader: FieldReader): string {
  let summary = '';
  reader.part('cookie reply', 'wire 2.4', () => {
    readType(reader, 'cookie reply');
    summary = `cookie reply to ${readIndex(reader, 'receiver index')}`;
    reader.bytes('nonce', XNONCE_BYTES);
    readSealed(reader, 'cookie', MAC_BYTES);
    readTag(reader);
    return '';
  });
  return summary;
}

/** spec wire 2.5 */
function readTransport(datagram: Uint8Array, isOpen: boolean): Dissection {
  const payloadEnd = datagram.length - TAG_BYTES;
  const header = new FieldReader(datagram, 0, HEADER_BYTES);
  let address = '';
  header.part('transport header', 'wire 2.5', () => {
    readType(header, 'transport data');
    const receiver = readIndex(header, 'receiver index');
    const counter = littleEndian(header.bytes('counter', COUNTER_BYTES, (bytes) => `${littleEndian(bytes)}`));
    address = `to ${receiver}, counter ${counter}`;
    return address;
  });
  const { reader: payload, summary } = isOpen
    ? readPayload(datagram, HEADER_BYTES, payloadEnd)
    : readSealedPayload(datagram, payloadEnd);
  const seal = new FieldReader(datagram, payloadEnd, datagram.length);
  seal.part('seal', 'wire 1.2', () => readTag(seal));
  const parts = [...header.parts, ...payload.parts, ...seal.parts];
  const { problem } = payload;
  return {
    kind: 'transport',
    summary: `transport ${address}, ${summary}`,
    parts,
    ...(problem && { problem }),
  };
}

function readSealedPayload(datagram: Uint8Array, end: number): { reader: FieldReader; summary: string } {
  const reader = new FieldReader(datagram, HEADER_BYTES, end);
  const length = reader.left;
  if (length === 0) return { reader, summary: 'keepalive' };
  const summary = `${byteCount(length)} sealed`;
  reader.part('payload', 'wire 2.5', () => {
    readSealed(reader, 'payload', length);
    return summary;
  });
  return { reader, summary };
}

/** The type is byte 0, and three zero bytes follow (spec wire 2). */
function readType(reader: FieldReader, name: string): void {
  reader.byte('message type', (type) => `${type} ${name}`);
  reader.bytes('reserved', TYPE_BYTES - 1, () => 'zero');
}

function readIndex(reader: FieldReader, name: string): string {
  return uint32(reader.bytes(name, INDEX_BYTES, uint32));
}

function readSealed(reader: FieldReader, name: string, length: number): void {
  reader.bytes(`${name}, sealed`, length, () => byteCount(length));
}

function readTag(reader: FieldReader): string {
  reader.bytes('authentication tag', TAG_BYTES);
  return '';
}

/** spec handshake 4 */
function readMacs(reader: FieldReader): void {
  reader.bytes('mac1', MAC_BYTES);
  reader.bytes('mac2', MAC_BYTES, (mac) => (isAllZero(mac) ? 'zero: no cookie' : hex(mac)));
}

function timestampWords(stamp: Uint8Array): string {
  return new Date(unixMsFromTai64n(stamp)).toISOString();
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n);
}

function whyMalformed(datagram: Uint8Array): string {
  const [type = 0, ...reserved] = datagram.subarray(0, TYPE_BYTES);
  const isType = Object.values(MessageType).some((known) => known === type);
  if (datagram.length < TYPE_BYTES || !isType || reserved.some((byte) => byte !== 0)) {
    return 'not a WireGuard message: the first four bytes are none of the four types';
  }
  return `a message ${type} cannot have ${byteCount(datagram.length)}`;
}
