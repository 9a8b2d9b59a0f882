/** WireGuard's four messages: their lengths, the offsets of their fields, and parsers that accept any bytes
 *  (spec wire 2). */
import { HEADER_BYTES, TRANSPORT_OVERHEAD_BYTES } from '../datagram-layout.js';
import type { DropReason } from '../failure.js';
import { readUint32 } from '../little-endian.js';

export const MessageType = { initiation: 1, response: 2, cookieReply: 3, transport: 4 } as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

export const INITIATION_BYTES = 148;
export const RESPONSE_BYTES = 92;
export const COOKIE_REPLY_BYTES = 64;
/** The length of a transport message without a payload: header and tag. Such a message is a keepalive. */
export const MIN_TRANSPORT_BYTES: number = TRANSPORT_OVERHEAD_BYTES;

/** Every message begins with its type as a 32-bit integer: the type in byte 0, then three zero bytes. */
export const TYPE_OFFSET = 0;
export const MAC_BYTES = 16;

export const InitiationOffset = {
  senderIndex: 4,
  ephemeral: 8,
  encryptedStatic: 40,
  encryptedTimestamp: 88,
  mac1: 116,
  mac2: 132,
} as const;

export const ResponseOffset = {
  senderIndex: 4,
  receiverIndex: 8,
  ephemeral: 12,
  encryptedNothing: 44,
  mac1: 60,
  mac2: 76,
} as const;

export const CookieReplyOffset = { receiverIndex: 4, nonce: 8, encryptedCookie: 32 } as const;

export const TransportOffset = {
  receiverIndex: 4,
  counterLow: 8,
  counterHigh: 12,
  payload: HEADER_BYTES,
} as const;

/** Says which of the four messages `datagram` is, judging by type and length alone; `malformed` if none
 *  (spec wire 2.1). */
export function classifyMessage(datagram: Uint8Array): MessageType | 'malformed' {
  const length = datagram.length;
  if (length < MIN_TRANSPORT_BYTES) return 'malformed';
  switch (readUint32(datagram, TYPE_OFFSET)) {
    case MessageType.transport:
      return MessageType.transport;
    case MessageType.initiation:
      return length === INITIATION_BYTES ? MessageType.initiation : 'malformed';
    case MessageType.response:
      return length === RESPONSE_BYTES ? MessageType.response : 'malformed';
    case MessageType.cookieReply:
      return length === COOKIE_REPLY_BYTES ? MessageType.cookieReply : 'malformed';
    default:
      return 'malformed';
  }
}

/** The fields of a message 1. In this and the other results of parsing, byte fields are views of the datagram. */
export interface Initiation {
  readonly senderIndex: number;
  readonly ephemeral: Uint8Array;
  readonly encryptedStatic: Uint8Array;
  readonly encryptedTimestamp: Uint8Array;
  readonly mac1: Uint8Array;
  readonly mac2: Uint8Array;
}

/** The fields of a message 2. */
export interface Response {
  readonly senderIndex: number;
  readonly receiverIndex: number;
  readonly ephemeral: Uint8Array;
  readonly encryptedNothing: Uint8Array;
  readonly mac1: Uint8Array;
  readonly mac2: Uint8Array;
}

/** The fields of a message 3. */
export interface CookieReply {
  readonly receiverIndex: number;
  readonly nonce: Uint8Array;
  readonly encryptedCookie: Uint8Array;
}

/** The fields of a message 4. */
export interface TransportMessage {
  readonly receiverIndex: number;
  readonly counterHigh: number;
  readonly counterLow: number;
  /** The ciphertext and its tag. */
  readonly sealed: Uint8Array;
}

export function parseInitiation(datagram: Uint8Array): Initiation | DropReason {
  if (classifyMessage(datagram) !== MessageType.initiation) return 'malformed';
  const at = InitiationOffset;
  return {
    senderIndex: readUint32(datagram, at.senderIndex),
    ephemeral: datagram.subarray(at.ephemeral, at.encryptedStatic),
    encryptedStatic: datagram.subarray(at.encryptedStatic, at.encryptedTimestamp),
    encryptedTimestamp: datagram.subarray(at.encryptedTimestamp, at.mac1),
    mac1: datagram.subarray(at.mac1, at.mac2),
    mac2: datagram.subarray(at.mac2),
  };
}

export function parseResponse(datagram: Uint8Array): Response | DropReason {
  if (classifyMessage(datagram) !== MessageType.response) return 'malformed';
  const at = ResponseOffset;
  return {
    senderIndex: readUint32(datagram, at.senderIndex),
    receiverIndex: readUint32(datagram, at.receiverIndex),
    ephemeral: datagram.subarray(at.ephemeral, at.encryptedNothing),
    encryptedNothing: datagram.subarray(at.encryptedNothing, at.mac1),
    mac1: datagram.subarray(at.mac1, at.mac2),
    mac2: datagram.subarray(at.mac2),
  };
}

export function parseCookieReply(datagram: Uint8Array): CookieReply | DropReason {
  if (classifyMessage(datagram) !== MessageType.cookieReply) return 'malformed';
  const at = CookieReplyOffset;
  return {
    receiverIndex: readUint32(datagram, at.receiverIndex),
    nonce: datagram.subarray(at.nonce, at.encryptedCookie),
    encryptedCookie: datagram.subarray(at.encryptedCookie),
  };
}

/** Parses a message 4, for tools and tests. The data path reads the fields at their offsets and allocates nothing. */
export function parseTransport(datagram: Uint8Array): TransportMessage | DropReason {
  if (classifyMessage(datagram) !== MessageType.transport) return 'malformed';
  const at = TransportOffset;
  return {
    receiverIndex: readUint32(datagram, at.receiverIndex),
    counterHigh: readUint32(datagram, at.counterHigh),
    counterLow: readUint32(datagram, at.counterLow),
    sealed: datagram.subarray(at.payload),
  };
}
