/** Packets that no correct program sends, and the code with which the receiver closes the connection (spec streams 1.4,
 *  2, 4.1, 9). The numbers are those of the specification, and not of the program. */

const FRAME_ENCODING = 0x07;
const PROTOCOL_VIOLATION = 0x0a;
const STREAM_STATE = 0x05;
const STREAM_LIMIT = 0x04;

const PING = 0x01;
const ACK = 0x02;
const RESET_STREAM = 0x04;
const STOP_SENDING = 0x05;
const HELLO = 0x06;
const STREAM = 0x08;
const MAX_DATA = 0x10;
const MAX_STREAM_DATA = 0x11;
const STREAM_DATA_BLOCKED = 0x15;
const PATH_CHALLENGE = 0x1a;
const CLOSE = 0x1c;
const DATAGRAM = 0x30;

/** 2^20 as a varint: a number beyond everything that a simulation uses. Stream ids of clients are even. */
const HUGE = [0x80, 0x10, 0x00, 0x00];
const HUGE_OF_RELAY = [0x80, 0x10, 0x00, 0x01];
const ABOVE_2_53 = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
/** Acknowledges the first packet. */
const FIRST_PACKET = [ACK, 0, 0, 0, 0];

interface MalformedPacket {
  /** What stands at the end of the packet, behind padding. Nothing in it may have an effect before it goes wrong. */
  readonly frames: readonly number[];
  readonly code: number;
}

/** All of them are sent by a client. */
export const MALFORMED_PACKETS = {
  'an unknown frame': { frames: [0x3f], code: FRAME_ENCODING },
  'a limit that is cut off': { frames: [MAX_DATA, 0xc0], code: FRAME_ENCODING },
  'a limit of a stream without its value': { frames: [MAX_STREAM_DATA, 0], code: FRAME_ENCODING },
  'a blocked stream without its limit': { frames: [STREAM_DATA_BLOCKED, 0], code: FRAME_ENCODING },
  'a reset without its final size': { frames: [RESET_STREAM, 0, 0], code: FRAME_ENCODING },
  'a stop without its code': { frames: [STOP_SENDING, 0], code: FRAME_ENCODING },
  'a number above 2^53': { frames: [MAX_DATA, ...ABOVE_2_53], code: FRAME_ENCODING },
  'data that is shorter than it says': { frames: [STREAM, 0, 0, 5, 1, 2], code: FRAME_ENCODING },
  'a message that is shorter than it says': { frames: [DATAGRAM, 0, 5, 1, 2], code: FRAME_ENCODING },
  'a challenge of seven bytes': { frames: [PATH_CHALLENGE, 1, 2, 3, 4, 5, 6, 7], code: FRAME_ENCODING },
  'a range below zero': { frames: [ACK, 1, 0, 0, 2], code: FRAME_ENCODING },
  'a gap below zero': { frames: [ACK, 3, 0, 1, 1, 1, 0], code: FRAME_ENCODING },
  'a HELLO that is cut off': { frames: [HELLO, 0x20, 1], code: FRAME_ENCODING },
  'a reason that is cut off': { frames: [CLOSE, 0, 3, 0x61], code: FRAME_ENCODING },
  'two acknowledgements': { frames: [...FIRST_PACKET, ...FIRST_PACKET], code: PROTOCOL_VIOLATION },
  'an acknowledgement of what was never sent': { frames: [ACK, ...HUGE, 0, 0, 0], code: PROTOCOL_VIOLATION },
  'a HELLO behind another frame': {
    frames: [PING, HELLO, 23, 1, ...new Array(8).fill(7), ...new Array(8).fill(0), 0, 0, 0, 0, 0, 0],
    code: PROTOCOL_VIOLATION,
  },
  'a stream beyond the limit': { frames: [STREAM, ...HUGE, 0, 1, 7], code: STREAM_LIMIT },
  'a message beyond the limit': { frames: [DATAGRAM, ...HUGE, 1, 7], code: STREAM_LIMIT },
  "data for a stream that the relay didn't open": {
    frames: [STREAM, ...HUGE_OF_RELAY, 0, 1, 7],
    code: STREAM_STATE,
  },
  "a limit for a stream that the relay didn't open": {
    frames: [MAX_STREAM_DATA, ...HUGE_OF_RELAY, 1],
    code: STREAM_STATE,
  },
  "a stop for a stream that the relay didn't open": {
    frames: [STOP_SENDING, ...HUGE_OF_RELAY, 1],
    code: STREAM_STATE,
  },
  "a reset for a stream that the relay didn't open": {
    frames: [RESET_STREAM, ...HUGE_OF_RELAY, 1, 1],
    code: STREAM_STATE,
  },
} as const satisfies Readonly<Record<string, MalformedPacket>>;

export type MalformedKind = keyof typeof MALFORMED_PACKETS;
/** What a scenario means that was stored before there were several kinds. */
export const DEFAULT_MALFORMED_KIND: MalformedKind = 'an unknown frame';
export const MALFORMED_KINDS = Object.keys(MALFORMED_PACKETS) as readonly MalformedKind[];

/** Puts a malformed packet in place of what follows the packet number.
 *  @returns false if the payload is no packet or is too short for it */
export function malform(payload: Uint8Array, kind: MalformedKind): boolean {
  const { frames } = MALFORMED_PACKETS[kind];
  if (payload[0] !== 1 || payload.length < 2) return false;
  const start = 1 + (1 << ((payload[1] as number) >>> 6));
  if (payload.length < start + frames.length) return false;
  payload.fill(0, start);
  payload.set(frames, payload.length - frames.length);
  return true;
}
