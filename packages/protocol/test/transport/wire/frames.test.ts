import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MAX_ACK_FRAME_RANGES,
  MAX_CLOSE_REASON_BYTES,
  MAX_SOFTWARE_NAME_BYTES,
} from '../../../src/transport/limits.js';
import { END, FrameReader, MALFORMED } from '../../../src/transport/wire/frame-reader.js';
import {
  datagramHeaderLength,
  encodeHello,
  FrameType,
  limitLength,
  resetStreamLength,
  streamHeaderLength,
  streamLimitLength,
  writeClose,
  writeDatagramHeader,
  writeLimit,
  writePath,
  writePing,
  writeResetStream,
  writeStreamHeader,
  writeStreamLimit,
} from '../../../src/transport/wire/frames.js';
import { writeVarint } from '../../../src/transport/wire/varint.js';

type Write = (bytes: Uint8Array, position: number) => number;
interface Sample {
  readonly write: Write;
  readonly check: (type: number, reader: FrameReader) => void;
}

const number = fc.oneof(fc.nat(300), fc.nat(), fc.maxSafeNat());
const small = fc.nat(2 ** 32);

const stream = fc
  .record({ id: number, offset: small, data: fc.uint8Array({ maxLength: 64 }), fin: fc.boolean() })
  .map(
    ({ id, offset, data, fin }): Sample => ({
      write: (bytes, position) => {
        const at = writeStreamHeader(bytes, position, id, offset, data.length, fin);
        expect(at - position).toBe(streamHeaderLength(id, offset, data.length));
        bytes.set(data, at);
        return at + data.length;
      },
      check: (type, reader) => {
        expect(type).toBe(fin ? FrameType.streamFin : FrameType.stream);
        expect([reader.streamId, reader.offset]).toEqual([id, offset]);
        expect(reader.bytes.slice(reader.dataStart, reader.dataStart + reader.dataLength)).toEqual(data);
      },
    }),
  );

const datagram = fc.record({ id: number, message: fc.uint8Array({ maxLength: 64 }) }).map(
  ({ id, message }): Sample => ({
    write: (bytes, position) => {
      const at = writeDatagramHeader(bytes, position, id, message.length);
      expect(at - position).toBe(datagramHeaderLength(id, message.length));
      bytes.set(message, at);
      return at + message.length;
    },
    check: (type, reader) => {
      expect([type, reader.streamId]).toEqual([FrameType.datagram, id]);
      expect(reader.bytes.slice(reader.dataStart, reader.dataStart + reader.dataLength)).toEqual(message);
    },
  }),
);

const limit = fc
  .record({
    type: fc.constantFrom(
      FrameType.maxData,
      FrameType.maxStreams,
      FrameType.dataBlocked,
      FrameType.streamsBlocked,
    ),
    value: number,
  })
  .map(
    ({ type, value }): Sample => ({
      write: (bytes, position) => {
        const at = writeLimit(bytes, position, type, value);
        expect(at - position).toBe(limitLength(value));
        return at;
      },
      check: (got, reader) => expect([got, reader.limit]).toEqual([type, value]),
    }),
  );

const streamLimit = fc
  .record({
    type: fc.constantFrom(FrameType.maxStreamData, FrameType.streamDataBlocked),
    id: number,
    value: number,
  })
  .map(
    ({ type, id, value }): Sample => ({
      write: (bytes, position) => {
        const at = writeStreamLimit(bytes, position, type, id, value);
        expect(at - position).toBe(streamLimitLength(id, value));
        return at;
      },
      check: (got, reader) => expect([got, reader.streamId, reader.limit]).toEqual([type, id, value]),
    }),
  );

const stop = fc.record({ id: number, code: number }).map(
  ({ id, code }): Sample => ({
    write: (bytes, position) => writeStreamLimit(bytes, position, FrameType.stopSending, id, code),
    check: (got, reader) =>
      expect([got, reader.streamId, reader.code]).toEqual([FrameType.stopSending, id, code]),
  }),
);

const reset = fc.record({ id: number, code: number, size: number }).map(
  ({ id, code, size }): Sample => ({
    write: (bytes, position) => {
      const at = writeResetStream(bytes, position, id, code, size);
      expect(at - position).toBe(resetStreamLength(id, code, size));
      return at;
    },
    check: (got, reader) =>
      expect([got, reader.streamId, reader.code, reader.limit]).toEqual([
        FrameType.resetStream,
        id,
        code,
        size,
      ]),
  }),
);

const path = fc
  .record({
    type: fc.constantFrom(FrameType.pathChallenge, FrameType.pathResponse),
    data: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  })
  .map(
    ({ type, data }): Sample => ({
      write: (bytes, position) => writePath(bytes, position, type, data),
      check: (got, reader) => {
        expect(got).toBe(type);
        expect(reader.bytes.slice(reader.dataStart, reader.dataStart + 8)).toEqual(data);
      },
    }),
  );

const text = fc.string({ unit: 'grapheme-ascii', maxLength: 64 });

const close = fc.record({ code: number, reason: text }).map(
  ({ code, reason }): Sample => ({
    write: (bytes, position) =>
      writeClose(
        bytes,
        position,
        code,
        Uint8Array.from(reason, (c) => c.charCodeAt(0)),
      ),
    check: (got, reader) =>
      expect([got, reader.code, reader.closeReason]).toEqual([FrameType.close, code, reason]),
  }),
);

const ping: fc.Arbitrary<Sample> = fc.constant({
  write: writePing,
  check: (got: number) => expect(got).toBe(FrameType.ping),
});

const epoch = fc.uint8Array({ minLength: 8, maxLength: 8 });
const hello = fc
  .record({
    version: number,
    epoch: epoch.filter((bytes) => bytes.some((byte) => byte !== 0)),
    expectedEpoch: epoch,
    role: fc.constantFrom('client' as const, 'relay' as const),
    maxData: number,
    maxStreamData: number,
    maxStreams: number,
    maxDatagramBytes: number,
    softwareName: text,
  })
  .map(
    (value): Sample => ({
      write: (bytes, position) => {
        const frame = encodeHello(value);
        bytes.set(frame, position);
        return position + frame.length;
      },
      check: (got, reader) => {
        expect(got).toBe(FrameType.hello);
        expect(reader.hello).toEqual(value);
      },
    }),
  );

/** Ranges as [high, low] pairs, the highest first, with gaps of at least one number. */
const ack = fc
  .record({
    delay: number,
    steps: fc.array(fc.tuple(fc.nat(1000), fc.nat(1000)), { minLength: 1, maxLength: 64 }),
  })
  .map(({ delay, steps }): Sample => {
    const total = steps.reduce((sum, [length, gap]) => sum + length + gap + 2, 0);
    return {
      write: (bytes, position) => {
        bytes[position] = FrameType.ack;
        let at = writeVarint(bytes, position + 1, total);
        at = writeVarint(bytes, at, delay);
        at = writeVarint(bytes, at, steps.length - 1);
        steps.forEach(([length, gap], i) => {
          if (i > 0) at = writeVarint(bytes, at, gap);
          at = writeVarint(bytes, at, length);
        });
        return at;
      },
      check: (got, reader) => {
        expect([got, reader.ackDelayUnits, reader.rangeCount]).toEqual([FrameType.ack, delay, steps.length]);
        let high = total;
        steps.forEach(([length, gap], i) => {
          if (i > 0) high = high - gap - 2;
          expect([reader.rangeHigh[i], reader.rangeLow[i]]).toEqual([high, high - length]);
          high -= length;
        });
      },
    };
  });

const samples = fc.array(
  fc.oneof(stream, datagram, limit, streamLimit, stop, reset, path, close, ping, hello, ack),
  {
    minLength: 1,
    maxLength: 8,
  },
);

function encode(frames: readonly Sample[]): Uint8Array {
  const bytes = new Uint8Array(20_000);
  let at = 0;
  for (const frame of frames) at = frame.write(bytes, at);
  return bytes.slice(0, at);
}

/** Reads all frames.
 *  @returns how it ended, and how many frames there were */
function drain(bytes: Uint8Array): { end: number; frames: number } {
  const reader = new FrameReader();
  reader.begin(bytes, 0, bytes.length);
  for (let frames = 0; ; frames++) {
    const type = reader.next();
    if (type === END || type === MALFORMED) return { end: type, frames };
  }
}

describe('frames (spec streams 2)', () => {
  it('reads back every frame that was written, with padding anywhere in between', () => {
    fc.assert(
      fc.property(samples, fc.nat(20), (frames, padding) => {
        const bytes = new Uint8Array(20_000);
        let at = padding;
        for (const frame of frames) at = frame.write(bytes, at) + padding;
        const reader = new FrameReader();
        reader.begin(bytes, 0, at);
        for (const frame of frames) frame.check(reader.next(), reader);
        expect(reader.next()).toBe(END);
      }),
    );
  });

  it('reads fewer frames or gives a reason when truncated anywhere, and never throws', () => {
    fc.assert(
      fc.property(samples, (frames) => {
        const bytes = encode(frames);
        for (let length = 0; length < bytes.length; length++) {
          const { end, frames: count } = drain(bytes.subarray(0, length));
          expect(end === MALFORMED || count < frames.length).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('survives every single-bit flip', () => {
    fc.assert(
      fc.property(samples, (frames) => {
        const bytes = encode(frames).slice(0, 300);
        for (let bit = 0; bit < bytes.length * 8; bit++) {
          const flipped = bytes.slice();
          flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
          drain(flipped);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('reads random bytes or gives a reason, and never reads past their end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const reader = new FrameReader();
        reader.begin(bytes, 0, bytes.length);
        for (let type = reader.next(); type !== END; type = reader.next()) {
          if (type === MALFORMED) {
            expect(reader.problem).not.toBe('');
            return;
          }
          if (type === FrameType.stream || type === FrameType.streamFin || type === FrameType.datagram) {
            expect(reader.dataStart + reader.dataLength).toBeLessThanOrEqual(bytes.length);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses an unknown frame type (spec streams 2.1)', () => {
    for (const type of [0x03, 0x0a, 0x20, 0x21, 0x31, 0x40, 0xff]) {
      expect(drain(Uint8Array.of(type, 0, 0, 0)).end).toBe(MALFORMED);
    }
  });

  it('refuses an ACK with too many ranges or a range below zero (spec streams 2.2: "more than 256 further ranges")', () => {
    const bytes = new Uint8Array(4000);
    let at = writeVarint(bytes, 1, 100_000);
    bytes[0] = FrameType.ack;
    at = writeVarint(bytes, at, 0);
    at = writeVarint(bytes, at, MAX_ACK_FRAME_RANGES + 1);
    expect(drain(bytes.subarray(0, at + 2000)).end).toBe(MALFORMED);
    expect(drain(Uint8Array.of(FrameType.ack, 5, 0, 0, 6)).end).toBe(MALFORMED);
    expect(drain(Uint8Array.of(FrameType.ack, 5, 0, 1, 2, 2, 0)).end).toBe(MALFORMED);
  });

  /** An ACK of every second packet. */
  const ackWithRanges = (further: number) => {
    const bytes = new Uint8Array(16 + 2 * further);
    bytes[0] = FrameType.ack;
    let at = writeVarint(bytes, 1, 100_000);
    for (const value of [0, further, 0]) at = writeVarint(bytes, at, value);
    return bytes.subarray(0, at + 2 * further);
  };
  const closeWithReason = (length: number) => {
    const bytes = new Uint8Array(length + 8);
    return bytes.subarray(0, writeClose(bytes, 0, 0, new Uint8Array(length).fill(0x61)));
  };
  const helloWithName = (length: number) =>
    encodeHello({
      version: 1,
      epoch: new Uint8Array(8).fill(1),
      expectedEpoch: new Uint8Array(8),
      role: 'client',
      maxData: 1,
      maxStreamData: 2,
      maxStreams: 3,
      maxDatagramBytes: 4,
      softwareName: 'x'.repeat(length),
    });
  it.each([
    ['further ranges of an ACK (spec streams 2.2)', MAX_ACK_FRAME_RANGES, ackWithRanges],
    ['bytes of a reason of CLOSE (spec streams 9)', MAX_CLOSE_REASON_BYTES, closeWithReason],
    ['bytes of a name in HELLO (spec streams 3.1)', MAX_SOFTWARE_NAME_BYTES, helloWithName],
  ])('accepts as many %s as %i, and no more', (_what, limit, frameWith) => {
    expect(drain(frameWith(limit)).end).toBe(END);
    expect(drain(frameWith(limit + 1)).end).toBe(MALFORMED);
  });

  it('gives every range of the longest ACK (spec streams 2.2)', () => {
    const reader = new FrameReader();
    const bytes = ackWithRanges(MAX_ACK_FRAME_RANGES);
    reader.begin(bytes, 0, bytes.length);
    expect([reader.next(), reader.rangeCount]).toEqual([FrameType.ack, MAX_ACK_FRAME_RANGES + 1]);
    const numbers = Array.from({ length: MAX_ACK_FRAME_RANGES + 1 }, (_, i) => 100_000 - 2 * i);
    expect([...reader.rangeLow]).toEqual(numbers);
    expect([...reader.rangeHigh]).toEqual(numbers);
  });

  it('gives epochs of its own, which the next datagram in the same memory does not change', () => {
    const [epoch, expectedEpoch] = [new Uint8Array(8).fill(1), new Uint8Array(8).fill(2)];
    const limits = { maxData: 1, maxStreamData: 2, maxStreams: 3, maxDatagramBytes: 4 };
    const frame = encodeHello({
      version: 1,
      epoch,
      expectedEpoch,
      role: 'client',
      ...limits,
      softwareName: 'x',
    });
    const reader = new FrameReader();
    reader.begin(frame, 0, frame.length);
    expect(reader.next()).toBe(FrameType.hello);
    frame.fill(0xff);
    expect(reader.hello).toMatchObject({ epoch, expectedEpoch });
  });

  it('ignores what a later version adds after the name of a HELLO (spec streams 3.1)', () => {
    const frame = encodeHello({
      version: 1,
      epoch: new Uint8Array(8).fill(1),
      expectedEpoch: new Uint8Array(8),
      role: 'client',
      maxData: 1,
      maxStreamData: 2,
      maxStreams: 3,
      maxDatagramBytes: 4,
      softwareName: 'x',
    });
    const longer = new Uint8Array(frame.length + 4);
    longer.set(frame);
    longer[1] = (frame[1] as number) + 3;
    longer[frame.length + 3] = FrameType.ping;
    const reader = new FrameReader();
    reader.begin(longer, 0, longer.length);
    expect(reader.next()).toBe(FrameType.hello);
    expect(reader.hello?.softwareName).toBe('x');
    expect(reader.next()).toBe(FrameType.ping);
  });
});
