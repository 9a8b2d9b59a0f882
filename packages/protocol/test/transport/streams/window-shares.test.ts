import { describe, expect, it } from 'vitest';
import {
  INITIAL_MAX_STREAM_DATA_BYTES as FIRST,
  MAX_OPEN_STREAMS,
  MAX_STREAM_WINDOW_BYTES,
  OPENING_WINDOW_BYTES,
  SPARE_WINDOW_BYTES,
  SYSTEM_BUFFERS_BYTES as SURE,
} from '../../../src/transport/limits.js';
import {
  DEFAULT_MEMORY_PER_PEER_BYTES,
  MAX_MEMORY_PER_PEER_BYTES,
  MIN_MEMORY_PER_PEER_BYTES,
  transportFor,
} from '../../../src/transport/memory-budget.js';
import { ReceiveHalf } from '../../../src/transport/streams/receive-half.js';
import { WindowShares } from '../../../src/transport/streams/window-shares.js';

const CHUNK = new Uint8Array(16 * 1024);

/** Does what a sender does that uses all its credit. */
function fill(half: ReceiveHalf): void {
  while (half.largest < half.limit) {
    half.onData(half.largest, CHUNK, 0, Math.min(CHUNK.length, half.limit - half.largest), false);
  }
}

function widened(shares: WindowShares): ReceiveHalf {
  const half = new ReceiveHalf(FIRST);
  half.widen(shares.openingWindowBytes);
  shares.update(half);
  return half;
}

function readSome(half: ReceiveHalf, shares: WindowShares, bytes: number): void {
  for (let left = bytes; left > 0; ) {
    left -= half.read()?.length ?? left;
    half.replenish(0, 0, shares.readWindowBytes(half.buffer.readOffset));
  }
  shares.update(half);
}

describe('the shares of a connection’s window (spec streams 5.3)', () => {
  // spec streams 5.3: "MUST NOT pass an eighth"
  it.each([MIN_MEMORY_PER_PEER_BYTES, DEFAULT_MEMORY_PER_PEER_BYTES, MAX_MEMORY_PER_PEER_BYTES])(
    'leave seven eighths of the spare part, however many streams nobody reads, with %i bytes per peer',
    (memory) => {
      const limits = transportFor(memory);
      const shares = new WindowShares(limits);
      const halves = Array.from({ length: limits.maxOpenStreams }, () => widened(shares));
      for (const half of halves) fill(half);
      for (const half of halves) shares.update(half);
      const unread = halves.reduce((sum, half) => sum + half.largest, 0);
      const spare = limits.connectionWindowBytes - limits.maxOpenStreams * FIRST;
      expect(limits.connectionWindowBytes - unread).toBeGreaterThanOrEqual((7 / 8) * spare);
      expect(shares.readWindowBytes(SURE)).toBeGreaterThanOrEqual((7 / 16) * spare);
    },
  );

  it('are, of 43 MiB by default, half for a stream that is read, less while it may fill buffers, and 256 KiB before', () => {
    const shares = new WindowShares(transportFor(DEFAULT_MEMORY_PER_PEER_BYTES));
    expect(SPARE_WINDOW_BYTES / 2 ** 20).toBe(43);
    expect(shares.readWindowBytes(SURE)).toBe(MAX_STREAM_WINDOW_BYTES);
    expect(shares.readWindowBytes(SURE - 1)).toBe(FIRST + ((7 / 8) * SPARE_WINDOW_BYTES) / 8);
    expect(shares.openingWindowBytes).toBe(OPENING_WINDOW_BYTES);
  });

  it('count what an unread stream may still send, but only what has arrived of one that is read', () => {
    const shares = new WindowShares(transportFor(DEFAULT_MEMORY_PER_PEER_BYTES));
    const half = widened(shares);
    expect(shares.claimedBytes).toBe(OPENING_WINDOW_BYTES - FIRST);
    half.onData(0, CHUNK, 0, CHUNK.length, false);
    readSome(half, shares, CHUNK.length);
    expect(shares.claimedBytes).toBe(0);
    fill(half);
    shares.update(half);
    expect(shares.claimedBytes).toBe(half.largest - CHUNK.length - FIRST);
  });

  it.each<[string, (half: ReceiveHalf) => unknown]>([
    ['was stopped', (half) => half.stop(0)],
    ['was reset', (half) => half.onReset(half.largest)],
    ['ended within its first window', (half) => half.onData(0, CHUNK, 0, 10, true)],
    ['is lost', (half) => half.lose()],
  ])('come back from a stream that %s', (_, end) => {
    const shares = new WindowShares(transportFor(DEFAULT_MEMORY_PER_PEER_BYTES));
    const half = widened(shares);
    end(half);
    shares.update(half);
    expect(shares.claimedBytes).toBe(0);
    expect(shares.openingWindowBytes).toBe(OPENING_WINDOW_BYTES);
  });

  /** Opens streams that take all they can get and then stop, one after the other.
   *  @returns how much each took beyond its first window */
  function stops(shares: WindowShares, count: number, readBytes: number): number[] {
    return Array.from({ length: count }, () => {
      const half = new ReceiveHalf(FIRST);
      fill(half);
      readSome(half, shares, FIRST);
      half.widen(shares.readWindowBytes(readBytes));
      fill(half);
      shares.update(half);
      return half.windowBytes - FIRST;
    });
  }

  it.each([MIN_MEMORY_PER_PEER_BYTES, DEFAULT_MEMORY_PER_PEER_BYTES])(
    'shrink with each stream that fills buffers and stops, and leave a part to streams that are read, with %i bytes per peer',
    (memory) => {
      const limits = transportFor(memory);
      const shares = new WindowShares(limits);
      const spare = limits.connectionWindowBytes - limits.maxOpenStreams * FIRST;
      const took = stops(shares, 16, 0);
      expect(took).toEqual([...took].sort((a, b) => b - a));
      expect(spare - shares.claimedBytes).toBeGreaterThanOrEqual(spare / 8);
      expect(shares.readWindowBytes(SURE)).toBeGreaterThanOrEqual(spare / 16);
      expect(shares.readWindowBytes(SURE)).toBeGreaterThan(4 * shares.readWindowBytes(0));
    },
  );

  it('leave half of what is free when a stream stops that was certainly being read', () => {
    const shares = new WindowShares(transportFor(DEFAULT_MEMORY_PER_PEER_BYTES));
    const [first = 0, second = 0, third = 0] = stops(shares, 3, SURE);
    expect(second / first).toBeCloseTo(1 / 2, 2);
    expect(third / second).toBeCloseTo(1 / 2, 2);
    // A new stream gets less than that while it may be filling buffers, but never nothing.
    expect(shares.readWindowBytes(0)).toBeGreaterThan(16 * FIRST);
  });

  it('leave every stream its first window, whatever the others have taken', () => {
    const limits = transportFor(DEFAULT_MEMORY_PER_PEER_BYTES);
    expect(limits.connectionWindowBytes - SPARE_WINDOW_BYTES).toBe(MAX_OPEN_STREAMS * FIRST);
  });
});
