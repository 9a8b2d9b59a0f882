/** Arbitrary frames and datagrams. */
import {
  encodeHello,
  FrameType,
  HEADER_BYTES,
  MessageType,
  PACKET_TYPE,
  TAG_BYTES,
  writeClose,
  writeDatagramHeader,
  writeLimit,
  writePath,
  writePing,
  writeResetStream,
  writeStreamHeader,
  writeStreamLimit,
  writeVarint,
} from '@underpass/protocol';
import fc from 'fast-check';

const number = fc.oneof(fc.nat(300), fc.nat(), fc.maxSafeNat());
const data = fc.uint8Array({ maxLength: 40 });

/** Runs `write` on a large enough buffer. @returns what it wrote */
export function written(write: (bytes: Uint8Array) => number): Uint8Array {
  const bytes = new Uint8Array(4096);
  return bytes.slice(0, write(bytes));
}

const streamFrame = fc
  .tuple(number, fc.nat(2 ** 40), data, fc.boolean())
  .map(([id, offset, contents, fin]) =>
    withData((bytes) => writeStreamHeader(bytes, 0, id, offset, contents.length, fin), contents),
  );

const datagramFrame = fc
  .tuple(number, data)
  .map(([id, contents]) => withData((bytes) => writeDatagramHeader(bytes, 0, id, contents.length), contents));

const limitFrame = fc
  .tuple(
    fc.constantFrom(FrameType.maxData, FrameType.maxStreams, FrameType.dataBlocked, FrameType.streamsBlocked),
    number,
  )
  .map(([type, limit]) => written((bytes) => writeLimit(bytes, 0, type, limit)));

const streamLimitFrame = fc
  .tuple(
    fc.constantFrom(FrameType.maxStreamData, FrameType.streamDataBlocked, FrameType.stopSending),
    number,
    number,
  )
  .map(([type, id, value]) => written((bytes) => writeStreamLimit(bytes, 0, type, id, value)));

const resetFrame = fc
  .tuple(number, number, number)
  .map(([id, code, size]) => written((bytes) => writeResetStream(bytes, 0, id, code, size)));

const pathFrame = fc
  .tuple(
    fc.constantFrom(FrameType.pathChallenge, FrameType.pathResponse),
    fc.uint8Array({ minLength: 8, maxLength: 8 }),
  )
  .map(([type, contents]) => written((bytes) => writePath(bytes, 0, type, contents)));

const closeFrame = fc
  .tuple(number, data)
  .map(([code, reason]) => written((bytes) => writeClose(bytes, 0, code, reason)));

const helloFrame = fc
  .record({
    version: fc.nat(3),
    epoch: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    expectedEpoch: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    role: fc.constantFrom('client' as const, 'relay' as const),
    maxData: number,
    maxStreamData: number,
    maxStreams: number,
    maxDatagramBytes: number,
    softwareName: fc.string({ maxLength: 64 }),
  })
  .map(encodeHello);

/** Any ranges, most of them possible. */
const ackFrame = fc
  .tuple(number, fc.nat(5000), fc.array(fc.tuple(fc.nat(4), fc.nat(9)), { maxLength: 6 }), fc.nat(3))
  .map(([largest, delay, ranges, first]) =>
    written((bytes) => {
      bytes[0] = FrameType.ack;
      const numbers = [largest, delay, ranges.length, first, ...ranges.flat()];
      return numbers.reduce((at, value) => writeVarint(bytes, at, value), 1);
    }),
  );

const paddingFrames = fc.integer({ min: 1, max: 20 }).map((length) => new Uint8Array(length));

export const frame: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.constant(written((bytes) => writePing(bytes, 0))),
  ackFrame,
  closeFrame,
  datagramFrame,
  helloFrame,
  limitFrame,
  paddingFrames,
  pathFrame,
  resetFrame,
  streamFrame,
  streamLimitFrame,
);

/** A payload with frames that can be parsed. */
export const packet: fc.Arbitrary<Uint8Array> = fc
  .tuple(number, fc.array(frame, { maxLength: 8 }))
  .map(([packetNumber, frames]) =>
    joined(
      written((bytes) => {
        bytes[0] = PACKET_TYPE;
        return writeVarint(bytes, 1, packetNumber);
      }),
      ...frames,
    ),
  );

/** Packets, packets with a few changed bytes or without their end, and noise. */
export const payload: fc.Arbitrary<Uint8Array> = fc.oneof(
  packet,
  damaged(packet),
  fc.uint8Array({ maxLength: 80 }).map((noise) => joined(Uint8Array.of(PACKET_TYPE, 5), noise)),
  fc.uint8Array({ maxLength: 80 }),
);

/** The transport message around a payload, as it is when it is open. */
export function transportMessage(contents: Uint8Array): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header[0] = MessageType.transport;
  return joined(header, contents, new Uint8Array(TAG_BYTES).fill(0xaa));
}

const message = fc
  .tuple(
    fc.constantFrom([1, 148], [2, 92], [3, 64], [4, 32], [4, 100]),
    fc.uint8Array({ minLength: 148, maxLength: 148 }),
  )
  .map(([[type, length], noise]) => {
    const bytes = noise.slice(0, length);
    bytes.set([type as number, 0, 0, 0]);
    return bytes;
  });

/** Messages of all types, damaged ones, and noise. */
export const datagram: fc.Arbitrary<Uint8Array> = fc.oneof(
  message,
  damaged(message),
  payload.map(transportMessage),
  fc.uint8Array({ maxLength: 200 }),
);

/** Cuts the end off and changes bytes. */
function damaged(source: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
  return fc.tuple(source, fc.nat(), changes).map(([original, end, flips]) => {
    const bytes = original.slice(0, 1 + (end % (original.length + 1)));
    for (const [at, value] of flips) {
      if (at % (bytes.length + 1) > 1) bytes[at % (bytes.length + 1)] = value;
    }
    return bytes;
  });
}

function withData(writeHeader: (bytes: Uint8Array) => number, contents: Uint8Array): Uint8Array {
  return joined(written(writeHeader), contents);
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
