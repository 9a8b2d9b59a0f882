import { describe, expect, it } from 'vitest';
import {
  INITIAL_MAX_STREAM_DATA_BYTES as FIRST,
  MAX_OPEN_STREAMS,
  MAX_STREAM_WINDOW_BYTES,
  OPENING_WINDOW_BYTES,
  SPARE_WINDOW_BYTES,
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

/** What a sender does that uses all its credit. */
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
  for (let left = bytes; left > 0; ) left -= half.read(0, 0, shares.readWindowBytes)?.length ?? left;
  shares.update(half);
}

describe('the shares of a connection’s window (spec streams 5.3)', () => {
  // spec streams 5.3: "MUST NOT pass an eighth"
  it.each([MIN_MEMORY_PER_PEER_BYTES, DEFAULT_MEMORY_PER_PEER_BYTES, MAX_MEMORY_PER_PEER_BYTES])(
    'leave seven eighths of the spare part, however many streams nobody reads: %i bytes a peer',
    (memory) => {
      const limits = transportFor(memory);
      const shares = new WindowShares(limits);
      const alone = shares.readWindowBytes;
      const halves = Array.from({ length: limits.maxOpenStreams }, () => widened(shares));
      for (const half of halves) fill(half);
      for (const half of halves) shares.update(half);
      const unread = halves.reduce((sum, half) => sum + half.largest, 0);
      const spare = limits.connectionWindowBytes - limits.maxOpenStreams * FIRST;
      expect(limits.connectionWindowBytes - unread).toBeGreaterThanOrEqual((7 / 8) * spare);
      expect(shares.readWindowBytes).toBeGreaterThanOrEqual((7 / 8) * alone);
    },
  );

  it('are by default 8 MiB for one that is read, and 256 KiB for one that may be', () => {
    const shares = new WindowShares(transportFor(DEFAULT_MEMORY_PER_PEER_BYTES));
    expect(shares.readWindowBytes).toBe(MAX_STREAM_WINDOW_BYTES);
    expect(shares.openingWindowBytes).toBe(OPENING_WINDOW_BYTES);
  });

  it('count what an unread stream may still send, and of a read one only what is there', () => {
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
    ['was reset', (half) => half.onReset(0, half.largest)],
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

  it('get smaller with each stream that was read and stops: what is left is never nothing', () => {
    const limits = transportFor(DEFAULT_MEMORY_PER_PEER_BYTES);
    const shares = new WindowShares(limits);
    const windows: number[] = [];
    for (let n = 0; n < 10; n++) {
      const half = new ReceiveHalf(FIRST);
      fill(half);
      readSome(half, shares, FIRST);
      half.widen(shares.readWindowBytes);
      fill(half);
      shares.update(half);
      windows.push(half.windowBytes);
    }
    expect(windows).toEqual([...windows].sort((a, b) => b - a));
    expect(shares.claimedBytes).toBeLessThan(SPARE_WINDOW_BYTES);
    expect(shares.readWindowBytes).toBeGreaterThan(8 * FIRST);
  });

  it('leave the first window of every stream, whatever the rest has taken', () => {
    const limits = transportFor(DEFAULT_MEMORY_PER_PEER_BYTES);
    expect(limits.connectionWindowBytes - SPARE_WINDOW_BYTES).toBe(MAX_OPEN_STREAMS * FIRST);
  });
});
