/** How the peer's credit changes when bytes arrive, are read, or will never be read (spec streams 5.1 to 5.3). */
import { describe, expect, it } from 'vitest';
import { INITIAL_MAX_STREAM_DATA_BYTES, OPENING_BYTES } from '../../../src/transport/limits.js';
import { PendingFrames } from '../../../src/transport/pending-frames.js';
import { StreamControl } from '../../../src/transport/streams/frame-requests.js';
import type { ConnectionStream } from '../../../src/transport/streams/stream.js';
import type { FrameReader } from '../../../src/transport/wire/frame-reader.js';
import { makeStreamSet } from './make-stream-set.js';

const FIRST_WINDOW = INITIAL_MAX_STREAM_DATA_BYTES;
const BYTES = new Uint8Array(2 ** 20);

function setUp() {
  const requests = new PendingFrames();
  const set = makeStreamSet('relay', { requests });
  /** Bytes of a stream of the client arrive, which may open it. */
  const arrive = (id: number, offset: number, length: number, fin = false): ConnectionStream => {
    const frame = { streamId: id, offset, bytes: BYTES, dataStart: 0, dataLength: length };
    expect(set.onStreamFrame(frame as unknown as FrameReader, fin)).toBeUndefined();
    return [...set].find((stream) => stream.id === id) as ConnectionStream;
  };
  const isLimitDue = (stream: ConnectionStream) => requests.isControlDue(stream, StreamControl.maxStreamData);
  const readAll = (stream: ConnectionStream): number => {
    let bytes = 0;
    for (let view = stream.read(); view !== undefined; view = stream.read()) bytes += view.length;
    return bytes;
  };
  return { set, requests, arrive, isLimitDue, readAll };
}

describe('bytes that arrive', () => {
  it('count once against the limit of the connection, up to the highest offset', () => {
    const { set, arrive } = setUp();
    arrive(0, 0, 100);
    arrive(0, 50, 100);
    arrive(0, 0, 150);
    arrive(2, 40, 10);
    expect([set.credit.receivedBytes, set.credit.unreadBytes]).toEqual([200, 200]);
  });

  it('widen the window of their stream when they show that it is in use, and not before (spec streams 5.3)', () => {
    const { arrive, isLimitDue } = setUp();
    const stream = arrive(0, 0, OPENING_BYTES - 1);
    expect([stream.receiving.limit, isLimitDue(stream)]).toEqual([FIRST_WINDOW, false]);
    arrive(0, OPENING_BYTES - 1, 1);
    expect(stream.receiving.limit).toBeGreaterThan(FIRST_WINDOW);
    expect(isLimitDue(stream)).toBe(true);
    const { limit } = stream.receiving;
    arrive(0, OPENING_BYTES, 1);
    expect(stream.receiving.limit).toBe(limit);
  });
});

describe('bytes that are read', () => {
  it.each(['read', 'readInto'] as const)(
    'by %s give back credit of the connection at once, and of the stream with the next packet',
    (method) => {
      const { set, requests, arrive, isLimitDue, readAll } = setUp();
      const stream = arrive(0, 0, OPENING_BYTES);
      arrive(0, 0, 100_000);
      const { limit } = stream.receiving;
      requests.withdrawStream(stream);
      const length = method === 'read' ? readAll(stream) : stream.readInto(new Uint8Array(100_000));
      expect([length, set.credit.unreadBytes]).toEqual([100_000, 0]);
      expect(isLimitDue(stream)).toBe(false);
      set.settle(0, 100);
      expect(stream.receiving.limit).toBeGreaterThan(limit);
      expect(isLimitDue(stream)).toBe(true);
    },
  );

  it('ask for no frame while the limit of the stream does not rise', () => {
    const { set, requests, arrive, isLimitDue, readAll } = setUp();
    const stream = arrive(0, 0, 10);
    readAll(stream);
    set.settle(0, 100);
    expect(isLimitDue(stream)).toBe(true);
    requests.withdrawStream(stream);
    const { limit } = stream.receiving;
    arrive(0, 10, 10);
    readAll(stream);
    set.settle(0, 100);
    expect([stream.receiving.limit, isLimitDue(stream)]).toEqual([limit, false]);
  });
});

describe('bytes that nobody will read', () => {
  it('are given back to the connection when the reader stops, and as they arrive after that', () => {
    const { set, arrive, isLimitDue } = setUp();
    const stream = arrive(0, 0, OPENING_BYTES);
    expect(isLimitDue(stream)).toBe(true);
    stream.stopSending(0);
    expect([set.credit.receivedBytes, set.credit.unreadBytes]).toEqual([OPENING_BYTES, 0]);
    // The peer needs no credit on this stream any more.
    expect(isLimitDue(stream)).toBe(false);
    arrive(0, OPENING_BYTES + 10, 10);
    expect([set.credit.receivedBytes, set.credit.unreadBytes]).toEqual([OPENING_BYTES + 20, 0]);
  });

  it('are given back when the peer resets the stream, with those that it left out', () => {
    for (const stop of [false, true]) {
      const { set, arrive } = setUp();
      const stream = arrive(0, 0, 100);
      stream.readInto(new Uint8Array(30));
      if (stop) stream.stopSending(0);
      expect(set.onResetStream(0, 0, 500)).toBeUndefined();
      expect([set.credit.receivedBytes, set.credit.unreadBytes]).toEqual([500, 0]);
    }
  });
});

/** The opening window of the next stream shows how much this one has taken from the others. */
describe('the claim of a stream on the window of the connection (spec streams 5.3)', () => {
  const openingWindow = ({ arrive }: ReturnType<typeof setUp>, id: number) =>
    arrive(id, 0, OPENING_BYTES).receiving.limit;

  it('leaves the others less while it is not read', () => {
    const world = setUp();
    const first = openingWindow(world, 0);
    // Streams without a share of their own get less and less.
    let last = first;
    for (let id = 2; id < 200; id += 2) last = openingWindow(world, id);
    expect(last).toBeLessThan(first / 2);
  });

  type World = ReturnType<typeof setUp>;
  it.each<[string, (world: World, stream: ConnectionStream) => unknown]>([
    ['its reader stops', (_world, stream) => stream.stopSending(0)],
    ['the peer resets it', ({ set }, stream) => set.onResetStream(stream.id, 0, OPENING_BYTES)],
    ['it ends', ({ arrive }, stream) => arrive(stream.id, OPENING_BYTES, 0, true)],
    [
      'it was read',
      ({ arrive, readAll }, stream) => {
        arrive(stream.id, 0, FIRST_WINDOW / 2);
        readAll(stream);
      },
    ],
  ])('is over when %s', (_name, end) => {
    const world = setUp();
    const first = openingWindow(world, 0);
    const streams = Array.from({ length: 100 }, (_, i) => world.arrive(2 + 2 * i, 0, OPENING_BYTES));
    for (const stream of streams) end(world, stream);
    expect(openingWindow(world, 1000)).toBe(first);
  });
});
