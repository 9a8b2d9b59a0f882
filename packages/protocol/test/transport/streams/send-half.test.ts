import { describe, expect, it } from 'vitest';
import { SendHalf } from '../../../src/transport/streams/send-half.js';
import { FrameReader } from '../../../src/transport/wire/frame-reader.js';
import { FrameType } from '../../../src/transport/wire/frames.js';

const ID = 4;
const PLENTY = 1 << 30;

/** The next frame of the half, as the peer reads it. */
function nextFrame(half: SendHalf, room = 1200, credit = PLENTY) {
  const packet = new Uint8Array(1200);
  const length = half.writeFrame(packet, 0, room, ID, credit);
  if (length === 0) return undefined;
  const reader = new FrameReader();
  reader.begin(packet, 0, length);
  const type = reader.next();
  const bytes = packet.slice(reader.dataStart, reader.dataStart + reader.dataLength);
  return { offset: reader.offset, bytes: [...bytes], fin: type === FrameType.streamFin, length };
}

function written(bytes: number, limit = PLENTY): SendHalf {
  const half = new SendHalf(limit);
  half.buffer.write(Uint8Array.from({ length: bytes }, (_, i) => i));
  return half;
}

describe('SendHalf', () => {
  it('sends what was written in order, and FIN with the last byte', () => {
    const half = written(10);
    half.finish();
    expect(nextFrame(half, 3 + 1 + 4)).toMatchObject({ offset: 0, bytes: [0, 1, 2, 3], fin: false });
    expect(half.state).toBe('send');
    expect(nextFrame(half)).toMatchObject({ offset: 4, bytes: [4, 5, 6, 7, 8, 9], fin: true });
    expect(half.state).toBe('data-sent');
    expect(half.hasFrame(PLENTY)).toBe(false);
    expect(nextFrame(half)).toBeUndefined();
  });

  it('sends FIN alone if all bytes were sent before, or if there are none', () => {
    const half = written(3);
    nextFrame(half);
    half.finish();
    expect(nextFrame(half)).toMatchObject({ offset: 3, bytes: [], fin: true });
    const empty = new SendHalf(0);
    empty.finish();
    expect(empty.hasFrame(0)).toBe(true);
    expect(nextFrame(empty, 1200, 0)).toMatchObject({ offset: 0, bytes: [], fin: true });
  });

  it('sends no bytes beyond the limit of the stream or of the connection (spec streams 5.1: "MUST NOT exceed these limits")', () => {
    const half = written(10, 4);
    expect(nextFrame(half)).toMatchObject({ bytes: [0, 1, 2, 3] });
    expect(half.isBlocked).toBe(true);
    expect(half.hasFrame(PLENTY)).toBe(false);
    half.limit = 10;
    expect(half.isBlocked).toBe(false);
    half.onAcknowledged(0, 4, false);
    expect(nextFrame(half, 1200, 2)).toMatchObject({ offset: 4, bytes: [4, 5] });
  });

  it('does not use little credit until everything is acknowledged, unless that is all it needs (spec streams 5.6)', () => {
    const half = written(200, 100);
    nextFrame(half);
    half.limit = 150;
    expect(half.hasFrame(PLENTY)).toBe(false);
    half.onAcknowledged(0, 100, false);
    expect(half.hasFrame(PLENTY)).toBe(true);
    nextFrame(half);
    half.limit = 200;
    expect(nextFrame(half)).toMatchObject({ offset: 150 });
  });

  it('sends lost bytes before new ones, at the same offsets, and with the FIN that was lost (spec streams 4.2)', () => {
    const half = written(6);
    half.finish();
    nextFrame(half, 3 + 1 + 2);
    nextFrame(half, 3 + 1 + 2);
    half.onLost(0, 2, false);
    expect(nextFrame(half)).toMatchObject({ offset: 0, bytes: [0, 1], fin: false });
    expect(nextFrame(half)).toMatchObject({ offset: 4, bytes: [4, 5], fin: true });
    half.onAcknowledged(0, 2, false);
    half.onAcknowledged(2, 2, false);
    half.onLost(4, 2, true);
    expect(nextFrame(half)).toMatchObject({ offset: 4, bytes: [4, 5], fin: true });
    expect(half.hasFrame(PLENTY)).toBe(false);
  });

  it('sends a lost FIN again, once, without the bytes that arrived', () => {
    const half = written(2);
    nextFrame(half);
    half.finish();
    nextFrame(half);
    half.onAcknowledged(0, 2, false);
    half.onLost(2, 0, true);
    expect(nextFrame(half)).toMatchObject({ offset: 2, bytes: [], fin: true });
    half.onAcknowledged(2, 0, true);
    half.onLost(2, 0, true);
    expect(nextFrame(half)).toBeUndefined();
    expect(half.isOver).toBe(true);
  });

  it('is over when every byte and the FIN are acknowledged, in whatever order', () => {
    const half = written(4);
    half.finish();
    nextFrame(half, 3 + 1 + 2);
    nextFrame(half);
    half.onAcknowledged(2, 2, true);
    expect(half.isOver).toBe(false);
    half.onAcknowledged(0, 2, false);
    expect(half.state).toBe('data-received');
    expect(half.reset(1)).toBe(false);
  });

  it('writes nothing if not even a header fits', () => {
    const half = written(10);
    expect(nextFrame(half, 3)).toBeUndefined();
    expect(nextFrame(half, 4)).toBeUndefined();
    expect(nextFrame(half, 5)).toMatchObject({ bytes: [0] });
  });

  it('states the size that was sent when it is reset, gives back its memory, and sends no more data (spec streams 4.2, 4.4)', () => {
    const half = written(10);
    nextFrame(half, 3 + 1 + 4);
    expect(half.reset(7)).toBe(true);
    expect(half).toMatchObject({ state: 'reset-sent', resetCode: 7, finalSize: 4 });
    expect(half.buffer.bufferedBytes).toBe(0);
    half.onLost(0, 4, false);
    half.onAcknowledged(0, 4, false);
    expect(half.hasFrame(PLENTY)).toBe(false);
    expect(half.reset(8)).toBe(false);
    half.onResetAcknowledged();
    expect(half.state).toBe('reset-received');
  });

  it('is over as soon as its connection is', () => {
    const half = written(10);
    half.reset(1);
    half.lose();
    expect(half.isOver).toBe(true);
  });
});
