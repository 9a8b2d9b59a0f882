import { readFileSync } from 'node:fs';
import {
  END,
  FrameReader,
  FrameType,
  HEADER_BYTES,
  MALFORMED,
  MAX_ACK_FRAME_RANGES,
  PACKET_TYPE,
  readVarint,
  writeClose,
  writeStreamHeader,
  writeVarint,
} from '@underpass/protocol';
import { dissect } from '@underpass/trace';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectCoverage, fieldsOf } from './coverage.js';
import { datagram, frame, joined, packet, payload, transportMessage, written } from './samples.js';

describe('dissect', () => {
  it('puts every byte of any datagram into exactly one field', () => {
    fc.assert(
      fc.property(datagram, fc.boolean(), (bytes, isOpen) => {
        expectCoverage(dissect(bytes, isOpen), bytes.length);
      }),
      { numRuns: 2000 },
    );
  });

  it('covers a datagram whichever of its bits is flipped and wherever it is cut off', () => {
    const whole = transportMessage(joined(Uint8Array.of(PACKET_TYPE, 9), ackOf([70, 80, 2, 5, 1, 2, 3, 4])));
    for (let length = 0; length <= whole.length; length++) {
      expectCoverage(dissect(whole.slice(0, length), true), length);
    }
    for (let bit = 0; bit < 8 * whole.length; bit++) {
      const flipped = whole.slice();
      flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7));
      expectCoverage(dissect(flipped, true), whole.length);
    }
  });

  it('has a problem with a packet exactly when the frame reader has, and the same one', () => {
    fc.assert(
      fc.property(payload, (bytes) => {
        fc.pre(bytes[0] === PACKET_TYPE);
        expect(dissect(transportMessage(bytes), true).problem).toBe(problemOfReader(bytes));
      }),
      { numRuns: 3000 },
    );
  });

  it('keeps the first problem of a packet that is cut off, whatever follows from it', () => {
    const samples = [
      ackOf([1, 0, 1, 1, 0, 0]), // without its gap, the second range is below zero
      ackOf([5000, 0, MAX_ACK_FRAME_RANGES + 1, 0]), // without its first range, there are still too many
    ];
    for (const sample of samples) {
      const whole = joined(Uint8Array.of(PACKET_TYPE, 9), sample);
      for (let length = 3; length < whole.length; length++) {
        const { problem } = dissect(transportMessage(whole.slice(0, length)), true);
        expect(problem, `${length} bytes`).toBe('truncated frame');
      }
    }
  });

  it('finds one part for each frame of a packet', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), (frames) => {
        const bytes = joined(Uint8Array.of(PACKET_TYPE, 0), ...frames);
        fc.pre(problemOfReader(bytes) === undefined);
        const types = dissect(transportMessage(bytes), true)
          .parts.slice(2, -1)
          .map(({ fields }) => bytes[(fields[0]?.offset ?? 0) - HEADER_BYTES])
          .filter((type) => type !== FrameType.padding);
        expect(types).toEqual(typesOfReader(bytes));
      }),
    );
  });

  it('names only sections that the specification has', () => {
    const sections = new Set<string>();
    fc.assert(
      fc.property(datagram, packet, fc.boolean(), (bytes, contents, isOpen) => {
        for (const sample of [bytes, transportMessage(contents)]) {
          for (const part of dissect(sample, isOpen).parts) {
            sections.add(part.spec);
            for (const { spec } of part.fields) sections.add(spec);
          }
        }
      }),
    );
    expect(sections.size).toBeGreaterThan(10);
    for (const section of sections) expect(headingOf(section), section).toBeDefined();
  });
});

describe('messages of the handshake', () => {
  it('names the fields of an initiation, sealed and open', () => {
    const message = new Uint8Array(148);
    message[0] = 1;
    message.set([0xc2, 0x91, 0x3a, 0x5f], 4);
    const names = fieldsOf(dissect(message)).map(({ name, length }) => [name, length]);
    expect(names).toEqual([
      ['message type', 1],
      ['reserved', 3],
      ['sender index', 4],
      ['ephemeral public key', 32],
      ["initiator's static public key, sealed", 32],
      ['authentication tag', 16],
      ['TAI64N timestamp, sealed', 12],
      ['authentication tag', 16],
      ['mac1', 16],
      ['mac2', 16],
    ]);
    expect(dissect(message).summary).toBe('handshake initiation from 0x5f3a91c2');
    message.set([0x40, 0, 0, 0, 0x65, 0x53, 0xf1, 0x0a], 88);
    expect(shownValue(message, 'TAI64N timestamp')).toBe('2023-11-14T22:13:20.000Z');
  });

  it('says why a datagram is not a message', () => {
    expect(dissect(Uint8Array.of(9, 0, 0, 0)).problem).toContain('none of the four types');
    expect(dissect(Uint8Array.of(1, 0, 0, 0, 1)).problem).toBe('a message 1 cannot have 5 bytes');
    expect(dissect(new Uint8Array(0))).toMatchObject({ kind: 'unknown', parts: [] });
  });
});

describe('frames', () => {
  it('shows the bytes of a stream as text if they are text', () => {
    const text = new TextEncoder().encode('GET / HTTP/1.1\r\n');
    const bytes = joined(
      written((into) => writeStreamHeader(into, 0, 4, 100, text.length, true)),
      text,
    );
    const { parts, summary } = open(bytes);
    expect(parts[2]).toMatchObject({
      name: 'STREAM with FIN',
      summary: 'stream 4, bytes 100 to 115, the end',
    });
    expect(parts[2]?.fields.at(-1)?.value).toBe(String.raw`"GET / HTTP/1.1\r\n"`);
    expect(summary).toBe('transport to 0x00000000, counter 0, packet 7: STREAM with FIN');
  });

  it('lists what an ACK acknowledges', () => {
    const { parts } = open(ackOf([70, 400, 1, 5, 1, 2]));
    expect(parts[2]?.summary).toBe('acknowledges 65 to 70, 60 to 62');
    expect(parts[2]?.fields.map(({ name, value }) => `${name}: ${value}`)).toEqual([
      'frame type: 0x02 ACK',
      'largest acknowledged: 70',
      'delay: 3.2 ms',
      'range count: 1 further range',
      'first range: 65 to 70',
      'gap: 2 not acknowledged',
      'range length: 60 to 62',
    ]);
  });

  it('refuses an ACK with more ranges than permitted', () => {
    const ranges = Array.from({ length: 2 * (MAX_ACK_FRAME_RANGES + 1) }, () => 0);
    const { problem } = open(ackOf([5000, 0, MAX_ACK_FRAME_RANGES + 1, 0, ...ranges]));
    expect(problem).toBe('too many ACK ranges');
  });

  it('names codes, and never shows control characters', () => {
    const reason = Uint8Array.of(0x1b, 0x5b, 0x41, 0x1f, 0x20, 0x7e, 0x7f);
    const { parts } = open(written((into) => writeClose(into, 0, 7, reason)));
    expect(parts[2]?.summary).toBe('0x07 frame encoding: ?[A? ~?');
    const unknown = open(written((into) => writeClose(into, 0, 99, new Uint8Array(0))));
    expect(unknown.parts[2]?.summary).toBe('0x63');
  });

  it('explains why the rest of a packet is not decoded', () => {
    const { parts, problem } = open(Uint8Array.of(FrameType.ping, 0x3f, 1, 2, 3));
    expect(problem).toBe('unknown frame type 0x3f');
    expect(parts.map(({ name }) => name)).toEqual([
      'transport header',
      'packet',
      'PING',
      'not decoded',
      'seal',
    ]);
    expect(parts[3]?.fields).toMatchObject([{ length: 4, value: problem }]);
  });

  it('tells keepalives, IP packets and unknown payloads apart', () => {
    const summaryOf = (...bytes: number[]) =>
      dissect(transportMessage(Uint8Array.from(bytes)), true)
        .summary.split(', ')
        .at(-1);
    expect(summaryOf()).toBe('keepalive');
    expect(summaryOf(0x45, 0)).toBe('IP packet');
    expect(summaryOf(0x60, 0)).toBe('IP packet');
    expect(summaryOf(0x99)).toBe('unknown payload');
  });
});

function open(frames: Uint8Array): ReturnType<typeof dissect> {
  return dissect(transportMessage(joined(Uint8Array.of(PACKET_TYPE, 7), frames)), true);
}

function shownValue(message: Uint8Array, name: string): string | undefined {
  return fieldsOf(dissect(message, true)).find((field) => field.name === name)?.value;
}

function ackOf(numbers: readonly number[]): Uint8Array {
  return written((bytes) => {
    bytes[0] = FrameType.ack;
    return numbers.reduce((at, value) => writeVarint(bytes, at, value), 1);
  });
}

/** @returns why protocol's reader refuses the packet */
function problemOfReader(bytes: Uint8Array): string | undefined {
  if (bytes.length < 2 || bytes.length < 1 + varintAt(bytes)) return 'truncated frame';
  if (readVarint(bytes, 1) < 0) return 'number above 2^53 - 1';
  const reader = readerOf(bytes);
  for (let type = reader.next(); type !== END; type = reader.next()) {
    if (type === MALFORMED) return reader.problem;
  }
  return undefined;
}

function typesOfReader(bytes: Uint8Array): number[] {
  const reader = readerOf(bytes);
  const types: number[] = [];
  for (let type = reader.next(); type !== END; type = reader.next()) types.push(type);
  return types;
}

function readerOf(bytes: Uint8Array): FrameReader {
  const reader = new FrameReader();
  reader.begin(bytes, 1 + varintAt(bytes), bytes.length);
  return reader;
}

function varintAt(bytes: Uint8Array): number {
  return 1 << ((bytes[1] as number) >>> 6);
}

/** @returns the heading of a section such as `streams 2.2`, or undefined if there is none */
function headingOf(section: string): string | undefined {
  const [page, number] = section.split(' ');
  const text = readFileSync(new URL(`../../../../docs/spec/${page}.md`, import.meta.url), 'utf8');
  return text
    .split('\n')
    .find((line) => line.startsWith('#') && line.split(' ')[1]?.replace(/\.$/, '') === number);
}
