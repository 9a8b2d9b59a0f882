import { describe, expect, it } from 'vitest';
import { PacketWriter } from '../../src/transport/packet-writer.js';
import { FrameReader } from '../../src/transport/wire/frame-reader.js';
import { FrameType } from '../../src/transport/wire/frames.js';

const START = 5;

/** A writer that has begun packet number 1, with this much room for frames. */
function writerWith(room: number): { writer: PacketWriter; bytes: Uint8Array } {
  const bytes = new Uint8Array(START + 2 + room + 8).fill(0xee);
  const writer = new PacketWriter();
  writer.begin(bytes, START, 2 + room, 1);
  return { writer, bytes };
}

describe('PacketWriter', () => {
  const frames: [string, number, (writer: PacketWriter) => boolean][] = [
    ['PING', 1, (writer) => writer.addPing()],
    ['PATH_CHALLENGE', 9, (writer) => writer.addPath(FrameType.pathChallenge, new Uint8Array(8))],
    ['MAX_DATA', 3, (writer) => writer.addLimit(FrameType.maxData, 1000)],
    ['MAX_STREAM_DATA', 4, (writer) => writer.addStreamLimit(FrameType.maxStreamData, 4, 1000)],
    ['RESET_STREAM', 5, (writer) => writer.addResetStream(4, 7, 1000)],
  ];

  it.each(frames)('writes %s if there is room for its %i bytes, and nothing otherwise', (_, length, add) => {
    const tight = writerWith(length - 1);
    expect(add(tight.writer)).toBe(false);
    expect(tight.writer).toMatchObject({ isEmpty: true, isAckEliciting: false, room: length - 1 });
    expect(tight.bytes.subarray(START + 2).every((byte) => byte === 0xee)).toBe(true);
    const exact = writerWith(length);
    expect(add(exact.writer)).toBe(true);
    expect(exact.writer).toMatchObject({ isEmpty: false, isAckEliciting: true, room: 0 });
  });

  it('pads with zero bytes to a multiple of 16, as far as there is room (spec streams 1.1)', () => {
    const { writer, bytes } = writerWith(40);
    writer.addLimit(FrameType.maxData, 1000);
    expect(writer.finish()).toBe(16);
    const reader = new FrameReader();
    reader.begin(bytes, START + 2, START + 16);
    expect(reader.next()).toBe(FrameType.maxData);
    expect(bytes.subarray(START + 5, START + 16).every((byte) => byte === 0)).toBe(true);
    expect(bytes[START + 16]).toBe(0xee);
    const small = writerWith(5);
    small.writer.addPing();
    expect(small.writer.finish()).toBe(7);
  });

  it('fills the whole room with padding on request', () => {
    const { writer, bytes } = writerWith(40);
    writer.addPing();
    writer.fill();
    expect(writer.finish()).toBe(42);
    expect(bytes[START + 42]).toBe(0xee);
  });

  it('moves past a frame that another part wrote, and stays where it is if nothing was written', () => {
    const { writer } = writerWith(40);
    expect(writer.advance(writer.at, true)).toBe(false);
    expect(writer.isAckEliciting).toBe(false);
    expect(writer.advance(writer.at + 10, false)).toBe(true);
    expect(writer).toMatchObject({ room: 30, isAckEliciting: false });
  });
});
