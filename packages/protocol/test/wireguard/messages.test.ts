import { capturedHandshakes, fromHex, toHex } from '@underpass/testkit/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readUint32, writeUint32 } from '../../src/little-endian.js';
import {
  COOKIE_REPLY_BYTES,
  classifyMessage,
  INITIATION_BYTES,
  MessageType,
  MIN_TRANSPORT_BYTES,
  parseCookieReply,
  parseInitiation,
  parseResponse,
  parseTransport,
  RESPONSE_BYTES,
} from '../../src/wireguard/messages.js';
import { RECORDED } from './recorded-cookie.js';

type Parser = (datagram: Uint8Array) => object | string;
type Fields = Readonly<Record<string, number | Uint8Array>>;

interface Kind {
  readonly name: string;
  readonly type: MessageType;
  readonly length: number;
  readonly parse: Parser;
  /** The fields after the type, in the order in which they are sent. */
  readonly fields: readonly (readonly [name: string, bytes: number])[];
}

const KINDS: readonly Kind[] = [
  {
    name: 'initiation',
    type: MessageType.initiation,
    length: INITIATION_BYTES,
    parse: parseInitiation,
    fields: [
      ['senderIndex', 4],
      ['ephemeral', 32],
      ['encryptedStatic', 48],
      ['encryptedTimestamp', 28],
      ['mac1', 16],
      ['mac2', 16],
    ],
  },
  {
    name: 'response',
    type: MessageType.response,
    length: RESPONSE_BYTES,
    parse: parseResponse,
    fields: [
      ['senderIndex', 4],
      ['receiverIndex', 4],
      ['ephemeral', 32],
      ['encryptedNothing', 16],
      ['mac1', 16],
      ['mac2', 16],
    ],
  },
  {
    name: 'cookie reply',
    type: MessageType.cookieReply,
    length: COOKIE_REPLY_BYTES,
    parse: parseCookieReply,
    fields: [
      ['receiverIndex', 4],
      ['nonce', 24],
      ['encryptedCookie', 32],
    ],
  },
  {
    name: 'transport',
    type: MessageType.transport,
    length: MIN_TRANSPORT_BYTES + 5,
    parse: parseTransport,
    fields: [
      ['receiverIndex', 4],
      ['counterLow', 4],
      ['counterHigh', 4],
      ['sealed', 21],
    ],
  },
];

function newMessage({ type, length }: Kind, seed = 1): Uint8Array {
  const message = Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 255);
  writeUint32(message, 0, type);
  return message;
}

/** Makes a message from its fields: the reverse of parsing. */
function write({ type, length, fields }: Kind, values: Fields): Uint8Array {
  const message = new Uint8Array(length);
  writeUint32(message, 0, type);
  let at = 4;
  for (const [name, bytes] of fields) {
    const value = values[name] as number | Uint8Array;
    if (typeof value === 'number') writeUint32(message, at, value);
    else message.set(value, at);
    at += bytes;
  }
  expect(at).toBe(length);
  return message;
}

// spec wire 2.1: "MUST drop a message 1, 2 or 3"
describe.each(KINDS)('a message of type $type, $name', (kind) => {
  it('consists of its fields and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: kind.length, maxLength: kind.length }), (message) => {
        writeUint32(message, 0, kind.type);
        expect(classifyMessage(message)).toBe(kind.type);
        const parsed = kind.parse(message) as Fields;
        expect(new Set(Object.keys(parsed))).toEqual(new Set(kind.fields.map(([name]) => name)));
        for (const [name, bytes] of kind.fields) {
          const value = parsed[name] as number | Uint8Array;
          expect([name, typeof value === 'number' ? 4 : value.length]).toEqual([name, bytes]);
        }
        expect(toHex(write(kind, parsed))).toBe(toHex(message));
      }),
    );
  });

  it('can be a view of a larger buffer, and its fields are views too', () => {
    const larger = Buffer.concat([Buffer.alloc(3), newMessage(kind), Buffer.alloc(9)]);
    const message = larger.subarray(3, 3 + kind.length);
    const parsed = kind.parse(message) as Fields;
    expect(toHex(write(kind, parsed))).toBe(toHex(message));
    for (const value of Object.values(parsed)) {
      if (typeof value !== 'number') expect(value.buffer).toBe(larger.buffer);
    }
  });

  it('is malformed at every other length', () => {
    const isTransport = kind.type === MessageType.transport;
    const longest = new Uint8Array(200);
    longest.set(newMessage(kind));
    for (let length = 0; length <= longest.length; length++) {
      const isRight = isTransport ? length >= MIN_TRANSPORT_BYTES : length === kind.length;
      const datagram = longest.subarray(0, length);
      expect([length, classifyMessage(datagram)]).toEqual([length, isRight ? kind.type : 'malformed']);
      expect([length, typeof kind.parse(datagram)]).toEqual([length, isRight ? 'object' : 'string']);
    }
  });

  it('loses its type if any bit of its first four bytes is changed', () => {
    for (let bit = 0; bit < 32; bit++) {
      const message = newMessage(kind);
      message[bit >>> 3] = (message[bit >>> 3] as number) ^ (1 << (bit & 7));
      expect([bit, kind.parse(message)]).toEqual([bit, 'malformed']);
      // A message 4 may have any length, so a single bit can turn another message into one.
      const expected = readUint32(message, 0) === MessageType.transport ? MessageType.transport : 'malformed';
      expect([bit, classifyMessage(message)]).toEqual([bit, expected]);
    }
  });

  it('keeps its type if any later bit is changed', () => {
    for (let bit = 32; bit < 8 * kind.length; bit++) {
      const message = newMessage(kind);
      message[bit >>> 3] = (message[bit >>> 3] as number) ^ (1 << (bit & 7));
      expect([bit, classifyMessage(message)]).toEqual([bit, kind.type]);
    }
  });
});

describe('any other bytes (spec wire 2.1: "are not one of the four types")', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    // A valid type, and a length near one that is valid.
    fc
      .tuple(fc.constantFrom(1, 2, 3, 4), fc.constantFrom(32, 64, 92, 148), fc.integer({ min: -2, max: 2 }))
      .map(([type, length, difference]) => {
        const bytes = new Uint8Array(length + difference);
        bytes[0] = type;
        return bytes;
      }),
  );

  it('are parsed or malformed, and never make a parser throw', () => {
    fc.assert(
      fc.property(anything, (datagram) => {
        const type = classifyMessage(datagram);
        for (const kind of KINDS) {
          const parsed = kind.parse(datagram);
          if (type === kind.type) expect(typeof parsed).toBe('object');
          else expect(parsed).toBe('malformed');
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('captured messages (spec wire 2)', () => {
  it.each(capturedHandshakes)('have their fields at the right offsets: $name', (hex) => {
    const one = parseInitiation(fromHex(hex.message1));
    const two = parseResponse(fromHex(hex.message2));
    if (typeof one === 'string' || typeof two === 'string') throw new Error('not parsed');
    expect(one.senderIndex).toBe(hex.initiator_index);
    expect(toHex(one.ephemeral)).toBe(hex.initiator_ephemeral_public);
    expect(two.senderIndex).toBe(hex.responder_index);
    expect(two.receiverIndex).toBe(hex.initiator_index);
    expect(toHex(two.ephemeral)).toBe(hex.responder_ephemeral_public);
    for (const { direction, counter, packet } of hex.transport) {
      const message = parseTransport(fromHex(packet));
      expect(message).toMatchObject({
        receiverIndex: direction === 'initiator->responder' ? hex.responder_index : hex.initiator_index,
        counterHigh: 0,
        counterLow: counter,
      });
    }
  });

  it('have their fields at the right offsets: the cookie reply', () => {
    const initiation = parseInitiation(fromHex(RECORDED.initiation_without_cookie));
    const reply = parseCookieReply(fromHex(RECORDED.cookie_reply));
    if (typeof initiation === 'string' || typeof reply === 'string') throw new Error('not parsed');
    expect(toHex(initiation.mac1)).toBe(RECORDED.mac1_of_it);
    expect(reply.receiverIndex).toBe(initiation.senderIndex);
    expect(toHex(reply.nonce)).toBe(RECORDED.nonce);
    expect(toHex(reply.encryptedCookie)).toBe(RECORDED.encrypted_cookie);
  });
});
