/** What each type of frame is called, and how its fields are explained (spec streams 2). */
import {
  encodeHello,
  FrameType,
  MAX_ACK_FRAME_RANGES,
  MAX_CLOSE_REASON_BYTES,
  MAX_SOFTWARE_NAME_BYTES,
  PACKET_TYPE,
  writeClose,
  writeVarint,
} from '@underpass/protocol';
import { dissect, type Part } from '@underpass/trace';
import { describe, expect, it } from 'vitest';
import { frameLayout } from '../../src/dissect/frames.js';
import { joined, transportMessage, written } from './samples.js';

const HELLO = {
  version: 1,
  epoch: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  expectedEpoch: new Uint8Array(8),
  role: 'client',
  maxData: 1000,
  maxStreamData: 100,
  maxStreams: 7,
  maxDatagramBytes: 1350,
  softwareName: 'ab~ 1',
} as const;

function dissected(frame: readonly number[] | Uint8Array) {
  return dissect(transportMessage(joined(Uint8Array.of(PACKET_TYPE, 7), Uint8Array.from(frame))), true);
}

/** The part of the frame, without its type. */
function words(frame: readonly number[] | Uint8Array): string[] {
  const { problem, parts } = dissected(frame);
  expect(problem).toBeUndefined();
  const { name, summary, fields } = parts[2] as Part;
  expect(fields[0]).toMatchObject({ name: 'frame type', length: 1 });
  return [`${name}: ${summary}`, ...fields.slice(1).map((field) => `${field.name}: ${field.value}`)];
}

/** A frame whose fields are all numbers. */
function numbers(type: number, ...values: number[]): Uint8Array {
  return written((bytes) => {
    bytes[0] = type;
    return values.reduce((at, value) => writeVarint(bytes, at, value), 1);
  });
}

describe('the words for a frame', () => {
  it.each([
    [[0x01], ['PING: asks for an acknowledgement']],
    [
      [0x04, 5, 1, 9],
      [
        'RESET_STREAM: stream 5 ends early after 9 bytes: 0x01 connection reset',
        'stream id: 5',
        'code: 0x01 connection reset',
        'final size: 9 bytes',
      ],
    ],
    [
      [0x05, 5, 0],
      ['STOP_SENDING: stream 5 is no longer read: 0x00 cancelled', 'stream id: 5', 'code: 0x00 cancelled'],
    ],
    [
      [0x08, 4, 10, 1, 0x61],
      ['STREAM: stream 4, bytes 10 to 10', 'stream id: 4', 'offset: 10', 'length: 1 byte', 'data: "a"'],
    ],
    [
      [0x09, 4, 10, 0],
      [
        'STREAM with FIN: stream 4, no bytes at offset 10, the end',
        'stream id: 4',
        'offset: 10',
        'length: 0 bytes',
      ],
    ],
    [
      [0x10, 20],
      ['MAX_DATA: all streams: up to 20 bytes', 'maximum: 20'],
    ],
    [
      [0x11, 4, 20],
      ['MAX_STREAM_DATA: stream 4: up to 20 bytes', 'stream id: 4', 'maximum: 20 bytes'],
    ],
    [
      [0x12, 20],
      ['MAX_STREAMS: up to 20 streams', 'maximum: 20'],
    ],
    [
      [0x12, 1],
      ['MAX_STREAMS: up to 1 stream', 'maximum: 1'],
    ],
    [
      [0x16, 1],
      ['STREAMS_BLOCKED: waits at 1 stream', 'limit: 1'],
    ],
    [
      [0x14, 20],
      ['DATA_BLOCKED: waits at 20 bytes', 'limit: 20'],
    ],
    [
      [0x15, 4, 1],
      ['STREAM_DATA_BLOCKED: stream 4: waits at 1 byte', 'stream id: 4', 'limit: 1 byte'],
    ],
    [
      [0x16, 20],
      ['STREAMS_BLOCKED: waits at 20 streams', 'limit: 20'],
    ],
    [
      [0x1a, 1, 2, 3, 4, 5, 6, 7, 8],
      ['PATH_CHALLENGE: asks for 0102030405060708', 'data: 0102030405060708'],
    ],
    [
      [0x1b, 1, 2, 3, 4, 5, 6, 7, 8],
      ['PATH_RESPONSE: answers 0102030405060708', 'data: 0102030405060708'],
    ],
    [
      [0x1c, 0x0f, 2, 0x61, 0x7f],
      ['CLOSE: 0x0f superseded: a?', 'code: 0x0f superseded', 'reason length: 2 bytes', 'reason: a?'],
    ],
    [
      [0x30, 4, 2, 0x61, 0],
      ['DATAGRAM: flow 4, 2 bytes', 'stream id: 4', 'length: 2 bytes', 'message: 6100'],
    ],
    [
      [0x02, 9, 0, 0, 0],
      [
        'ACK: acknowledges 9',
        'largest acknowledged: 9',
        'delay: 0 ms',
        'range count: 0 further ranges',
        'first range: 9 to 9',
      ],
    ],
  ])('%j', (frame, expected) => {
    expect(words(frame)).toEqual(expected);
  });

  it('HELLO', () => {
    expect(words(encodeHello(HELLO))).toEqual([
      'HELLO: client ab~ 1, version 1, epoch 0102030405060708',
      'length: 31 bytes',
      'version: 1',
      'epoch: 0102030405060708',
      'expected epoch: none known',
      'role: client',
      'initial MAX_DATA: 1000 bytes',
      'initial MAX_STREAM_DATA: 100 bytes',
      'MAX_STREAMS: 7',
      'largest datagram taken: 1350 bytes',
      'name length: 5 bytes',
      'software name: ab~ 1',
    ]);
    const relay = words(encodeHello({ ...HELLO, role: 'relay', expectedEpoch: HELLO.epoch }));
    expect(relay[0]).toMatch(/^HELLO: relay /);
    expect(relay).toContain('expected epoch: 0102030405060708');
    expect(relay).toContain('role: relay');
  });

  it('HELLO of a later version, whose further fields are skipped', () => {
    const hello = encodeHello(HELLO);
    const longer = joined(hello, Uint8Array.of(8, 9));
    longer[1] = (longer[1] as number) + 2;
    expect(words(longer).at(-1)).toBe('for later versions: 0809');
    expect(dissected(joined(longer, Uint8Array.of(FrameType.ping))).parts[3]?.name).toBe('PING');
  });

  it('exist for every type', () => {
    for (const type of Object.values(FrameType)) {
      if (type !== FrameType.padding) expect(frameLayout(type)?.name, `${type}`).toBeTypeOf('string');
    }
    expect(frameLayout(0x03)).toBeUndefined();
  });

  it('an ACK list four ranges, and count the others', () => {
    const summaryOf = (ranges: number) =>
      words(numbers(FrameType.ack, 100, 0, ranges - 1, 0, ...new Array(2 * (ranges - 1)).fill(0)))[0];
    expect(summaryOf(4)).toBe('ACK: acknowledges 100, 98, 96, 94');
    expect(summaryOf(5)).toBe('ACK: acknowledges 100, 98, 96, 94 and 1 more range');
    expect(summaryOf(6)).toBe('ACK: acknowledges 100, 98, 96, 94 and 2 more ranges');
  });
});

describe('a frame at a limit', () => {
  const name = (bytes: number) => encodeHello({ ...HELLO, softwareName: 'x'.repeat(bytes) });
  const close = (bytes: number) =>
    written((into) => writeClose(into, 0, 0, new Uint8Array(bytes).fill(0x78)));
  const ack = (ranges: number) =>
    numbers(FrameType.ack, 5000, 0, ranges, 0, ...new Array(2 * ranges).fill(0));
  /** A HELLO with another byte in the place of one. */
  const hello = (at: number, byte: number) => {
    const bytes = encodeHello(HELLO);
    bytes[at] = byte;
    return bytes;
  };
  /** A HELLO whose name is longer than permitted, so that no encoder writes it. */
  const longName = () => {
    const bytes = joined(name(MAX_SOFTWARE_NAME_BYTES), Uint8Array.of(0x78));
    bytes[2] = (bytes[2] as number) + 1; // of the frame, whose length has two bytes
    const at = bytes.length - 1 - (MAX_SOFTWARE_NAME_BYTES + 1);
    bytes[at] = (bytes[at] as number) + 1;
    return bytes;
  };
  const NAME_AT = encodeHello(HELLO).length - 1;
  const ROLE_AT = 3 + 8 + 8;

  it.each([
    ['the offset of a stream', numbers(FrameType.stream, 4, Number.MAX_SAFE_INTEGER, 0), undefined],
    [
      'an offset of a stream that is too large',
      joined(numbers(FrameType.stream, 4, Number.MAX_SAFE_INTEGER, 1), Uint8Array.of(1)),
      'stream offset too large',
    ],
    ['the number of ranges', ack(MAX_ACK_FRAME_RANGES), undefined],
    ['too many ranges', ack(MAX_ACK_FRAME_RANGES + 1), 'too many ACK ranges'],
    ['a first range down to 0', numbers(FrameType.ack, 5, 0, 0, 5), undefined],
    ['a first range below 0', numbers(FrameType.ack, 5, 0, 0, 6), 'ACK range below zero'],
    ['a further range at 0', numbers(FrameType.ack, 2, 0, 1, 0, 0, 0), undefined],
    ['a further range that starts below 0', numbers(FrameType.ack, 1, 0, 1, 0, 0, 0), 'ACK range below zero'],
    ['the reason of a CLOSE', close(MAX_CLOSE_REASON_BYTES), undefined],
    [
      'too long a reason of a CLOSE',
      joined(
        numbers(FrameType.close, 0, MAX_CLOSE_REASON_BYTES + 1),
        new Uint8Array(MAX_CLOSE_REASON_BYTES + 1).fill(0x78),
      ),
      'CLOSE with too long a reason',
    ],
    ['too long a name', longName(), 'HELLO with too long a name'],
    ['a number that has all its bytes', Uint8Array.of(0x10, 0x40, 9), undefined],
    ['a number without its second byte', Uint8Array.of(0x10, 0x40), 'truncated frame'],
    ['a number that is missing', Uint8Array.of(0x10), 'truncated frame'],
    ['the largest number', numbers(0x10, Number.MAX_SAFE_INTEGER), undefined],
    ['a number that is larger', Uint8Array.of(0x10, 0xc0, 0x20, 0, 0, 0, 0, 0, 0), 'number above 2^53 - 1'],
    ['data that are all there', numbers(FrameType.stream, 4, 0, 1, 1), undefined],
    ['data that are cut off', numbers(FrameType.stream, 4, 0, 2, 1), 'truncated frame'],
    ['half a challenge', Uint8Array.of(0x1a, 1, 2, 3, 4, 5, 6, 7), 'truncated frame'],
    ['a HELLO that is cut off', encodeHello(HELLO).subarray(0, -1), 'truncated frame'],
    ['a role', hello(ROLE_AT, 1), undefined],
    ['an unknown role', hello(ROLE_AT, 2), 'HELLO with an unknown role'],
    ['the length of a name', name(MAX_SOFTWARE_NAME_BYTES), undefined],
    ['the first printable character', hello(NAME_AT, 0x20), undefined],
    ['the last printable character', hello(NAME_AT, 0x7e), undefined],
    ['a character before the printable ones', hello(NAME_AT, 0x1f), 'HELLO with an unprintable name'],
    ['a character behind the printable ones', hello(NAME_AT, 0x7f), 'HELLO with an unprintable name'],
    [
      'an epoch that is all zero',
      encodeHello({ ...HELLO, epoch: new Uint8Array(8) }),
      'HELLO with an all-zero epoch',
    ],
    [
      'an epoch that is nearly all zero',
      encodeHello({ ...HELLO, epoch: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1) }),
      undefined,
    ],
  ])('%s', (_what, frame, problem) => {
    const dissection = dissected(frame);
    expect(dissection.problem).toBe(problem);
    if (problem !== undefined) {
      expect(dissection.summary.endsWith(`, malformed (${problem})`)).toBe(true);
    }
  });
});

describe('contents', () => {
  const dataOf = (bytes: readonly number[]) => words([FrameType.stream, 4, 0, bytes.length, ...bytes]).at(-1);

  it.each([
    ['are text if all of them are', [0x20, 0x7e, 0x0a, 0x0d, 0x09, 0x22], String.raw`data: " ~\n\r\t\""`],
    ['are hexadecimal if one is a control character', [0x61, 0x1f], 'data: 611f'],
    ['are hexadecimal if one is not ASCII', [0x61, 0x7f], 'data: 617f'],
    ['are shown whole up to 48 bytes', new Array(48).fill(0x61), `data: "${'a'.repeat(48)}"`],
    ['are cut off behind 48 bytes', new Array(49).fill(0x61), `data: "${'a'.repeat(48)}" …`],
    ['are cut off behind 48 bytes in hexadecimal too', new Array(49).fill(1), `data: ${'01'.repeat(48)} …`],
  ])('%s', (_what, bytes, expected) => {
    expect(dataOf(bytes)).toBe(expected);
  });
});

describe('padding', () => {
  const summaryOf = (...frames: number[]) => dissected(frames).summary.split(', ').slice(2).join(', ');

  it('is mentioned in a summary only if something follows it', () => {
    expect(summaryOf(0, 0, 0)).toBe('packet 7');
    expect(summaryOf(1, 0, 0)).toBe('packet 7: PING');
    expect(summaryOf(0, 0, 1)).toBe('packet 7: PADDING, PING');
  });

  it('is one part, however long', () => {
    expect(dissected([1, 0, 0, 0, 1]).parts[3]).toMatchObject({
      name: 'PADDING',
      summary: '3 bytes',
      fields: [{ name: 'padding', value: '3 bytes', length: 3 }],
    });
  });
});
