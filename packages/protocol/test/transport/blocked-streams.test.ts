/** On a long path, streams whose reader has stopped leave the others what they need (spec streams 5.3, 5.8). */
import { describe, expect, it } from 'vitest';
import { INITIAL_MAX_STREAM_DATA_BYTES } from '../../src/transport/limits.js';
import {
  DEFAULT_MEMORY_PER_PEER_BYTES,
  MIN_MEMORY_PER_PEER_BYTES,
  transportFor,
} from '../../src/transport/memory-budget.js';
import type { Stream } from '../../src/transport/streams/stream.js';
import { ConnectedPair, type Side } from './connected-pair.js';

const LIMITS = transportFor(DEFAULT_MEMORY_PER_PEER_BYTES);
const SMALLEST = transportFor(MIN_MEMORY_PER_PEER_BYTES);
const CHUNK = new Uint8Array(65_536);
const TRANSFER_BYTES = 2_500_000;
const LARGE_BYTES = 8_000_000;
const STEADY_BYTES = 60_000_000;

/** Two processes whose programs write as much as they can to every stream, and read only what a test wants. */
class Programs {
  readonly pair: ConnectedPair;
  readonly #left = new Map<Stream, number>();
  /** By stream id: what the relay writes once it was asked. */
  readonly #answers = new Map<number, number>();
  /** By stream id, for streams that are read: how many bytes were read on either side, and how many the reader
   *  wants. */
  readonly #read = new Map<number, number>();
  readonly #stopAt = new Map<number, number>();

  constructor(oneWayMs: number, limits = LIMITS, bytesPerMs = Number.POSITIVE_INFINITY) {
    this.pair = new ConnectedPair(limits);
    this.pair.oneWayMs = oneWayMs;
    this.pair.bytesPerMs = bytesPerMs;
    this.pair.isRecording = false;
    this.pair.client.requestHello();
    this.pair.relay.requestHello();
    this.pair.run(5_000);
  }

  /** Opens a stream of which this much is read, by default nothing. */
  write(from: Side, bytes: number, readBytes = 0): Stream {
    const stream = this.pair.of(from).openStream();
    if (stream === undefined) throw new Error('no stream');
    this.#left.set(stream, bytes);
    this.#read.set(stream.id, 0);
    this.#stopAt.set(stream.id, readBytes);
    this.#pour(stream);
    return stream;
  }

  /** Transfers this many bytes, while all other streams continue.
   *  @returns how long it took */
  transfer(from: Side, bytes = TRANSFER_BYTES): number {
    const began = this.pair.now;
    const stream = this.write(from, bytes, bytes);
    this.run(120_000, () => this.#read.get(stream.id) === bytes);
    expect(this.#read.get(stream.id)).toBe(bytes);
    return this.pair.now - began;
  }

  /** The client sends a request on each of `count` streams. The bytes are in the request if `from` is the client, and
   *  in the relay's answer otherwise.
   *  @returns how long each took until its last byte was there */
  requests(from: Side, count: number, bytes: number): number[] {
    const began = this.pair.now;
    const took: number[] = [];
    const opened = Array.from({ length: count }, () =>
      this.write('client', from === 'client' ? bytes : 100, Number.POSITIVE_INFINITY),
    );
    for (const { id } of opened) if (from === 'relay') this.#answers.set(id, bytes);
    this.run(10_000, () => {
      for (const { id } of opened) {
        const isThere = this.#read.get(id) === (from === 'relay' ? bytes + 100 : bytes);
        if (isThere) took[opened.findIndex((stream) => stream.id === id)] ??= this.pair.now - began;
      }
      return Object.keys(took).length === count;
    });
    expect(Object.keys(took)).toHaveLength(count);
    return took;
  }

  /** Opens streams that are read up to at least half of `bytes` and then stopped, all at once or one after the
   *  other. */
  stopped(from: Side, count: number, bytes: number, order: 'at once' | 'in turn'): void {
    const streams: Stream[] = [];
    const isStopped = ({ id }: Stream) => (this.#read.get(id) ?? 0) >= (this.#stopAt.get(id) ?? 0);
    for (let n = 0; n < count; n++) {
      const share = 0.5 + (0.5 * ((7 * n) % count)) / count;
      const stream = this.write(from, 1e9, share * bytes);
      streams.push(stream);
      if (order === 'in turn') this.run(60_000, () => isStopped(stream));
    }
    this.run(120_000, () => streams.every(isStopped));
    this.run(2_000); // Until everything under way has arrived.
    expect(streams.every(isStopped)).toBe(true);
    expect(this.unreadBytes(from)).toBeGreaterThan(count * INITIAL_MAX_STREAM_DATA_BYTES);
  }

  /** How many bytes from that side nobody has read. */
  unreadBytes(from: Side): number {
    return this.pair.of(from === 'client' ? 'relay' : 'client').parts.streams.credit.unreadBytes;
  }

  run(ms: number, done: () => boolean = () => false): void {
    this.pair.run(ms, () => {
      for (const side of ['client', 'relay'] as const) {
        for (const event of this.pair.events[side].splice(0)) {
          if (event.type === 'stream-writable') this.#pour(event.stream);
          if (event.type === 'stream-opened' || event.type === 'stream-readable') this.#drain(event.stream);
        }
      }
      return done();
    });
  }

  #pour(stream: Stream): void {
    for (let left = this.#left.get(stream) ?? 0; left > 0; ) {
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
      const taken = stream.write(chunk);
      left -= taken;
      this.#left.set(stream, left);
      if (taken < chunk.length) return;
    }
  }

  #drain(stream: Stream): void {
    let bytes = this.#read.get(stream.id) ?? 0;
    const stopAt = this.#stopAt.get(stream.id) ?? 0;
    while (bytes < stopAt) {
      const view = stream.read();
      if (view === undefined) break;
      bytes += view.length;
    }
    this.#read.set(stream.id, bytes);
    const answer = this.#answers.get(stream.id);
    if (answer === undefined || !stream.incoming || bytes === 0) return;
    this.#answers.delete(stream.id);
    this.#left.set(stream, answer);
    this.#pour(stream);
  }
}

describe('a transfer beside streams that nobody reads, over 200 ms (spec streams 5.8)', () => {
  it.each<[string, Side, number]>([
    ['a download', 'relay', 1],
    ['a download', 'relay', 100],
    ['an upload', 'client', 1],
    ['an upload', 'client', 10],
  ])('takes at most twice as long as alone: %s, from the %s, beside %i', (_, from, unread) => {
    const programs = new Programs(100);
    programs.transfer(from); // The window grows.
    const alone = programs.transfer(from);
    for (let n = 0; n < unread; n++) programs.write(from, 64_000_000);
    programs.run(2_000);
    expect(programs.transfer(from)).toBeLessThanOrEqual(2 * alone);
  });
});

describe('a transfer beside as many unread streams as there may be, over 200 ms (spec streams 5.3: "MUST NOT use it up")', () => {
  it.each<[string, string, Side, typeof LIMITS]>([
    ['a download', 'the default memory', 'relay', LIMITS],
    ['an upload', 'the default memory', 'client', LIMITS],
    ['a download', 'the smallest memory', 'relay', SMALLEST],
    ['an upload', 'the smallest memory', 'client', SMALLEST],
  ])('has at least 0.7 of its throughput alone: %s, with %s', (_, _memory, from, limits) => {
    const programs = new Programs(100, limits);
    for (let n = 0; n < 2; n++) programs.transfer(from, LARGE_BYTES); // The window grows.
    const alone = programs.transfer(from, LARGE_BYTES);
    const unread = limits.maxOpenStreams - 4; // Those of the transfers stay open.
    for (let n = 0; n < unread; n++) programs.write(from, 1_000_000);
    programs.run(3_000);
    expect(programs.unreadBytes(from)).toBeGreaterThanOrEqual(unread * INITIAL_MAX_STREAM_DATA_BYTES);
    expect(alone / programs.transfer(from, LARGE_BYTES)).toBeGreaterThanOrEqual(0.7);
  });
});

describe('a transfer at 100 Mbit/s beside streams that were read and then stopped (spec streams 5.2, 5.3)', () => {
  const BYTES_PER_MS = 12_500;
  const alone = new Map<string, number>();
  const start = (roundTripMs: number) => new Programs(roundTripMs / 2, LIMITS, BYTES_PER_MS);

  function timeAlone(from: Side, roundTripMs: number): number {
    const key = `${from} ${roundTripMs}`;
    const programs = alone.has(key) ? undefined : start(roundTripMs);
    programs?.transfer(from, STEADY_BYTES); // The window grows.
    const time = alone.get(key) ?? programs?.transfer(from, STEADY_BYTES) ?? 0;
    alone.set(key, time);
    return time;
  }

  it.each<[string, Side, number, number, 'at once' | 'in turn', number]>([
    ['a download', 'relay', 10, 300, 'at once', 4_000_000],
    ['a download', 'relay', 100, 300, 'at once', 2_000_000],
    ['a download', 'relay', 10, 100, 'in turn', 4_000_000],
    ['an upload', 'client', 10, 300, 'at once', 4_000_000],
    ['an upload', 'client', 100, 300, 'at once', 2_000_000],
  ])(
    'has at least 0.9 of its throughput alone: %s, from the %s, beside %i, over %i ms, stopped %s',
    (_, from, count, roundTripMs, order, bytes) => {
      const programs = start(roundTripMs);
      programs.stopped(from, count, bytes, order);
      const share = timeAlone(from, roundTripMs) / programs.transfer(from, STEADY_BYTES);
      expect(share).toBeGreaterThanOrEqual(0.9);
    },
  );

  it('has a third of that even after 20 streams in turn had the whole path, over 300 ms', () => {
    const programs = start(300);
    programs.stopped('relay', 20, 4_000_000, 'in turn');
    expect(timeAlone('relay', 300) / programs.transfer('relay', STEADY_BYTES)).toBeGreaterThanOrEqual(1 / 3);
  });
});

describe('a stream on a warm connection over 200 ms (spec streams 5.3)', () => {
  /** @returns how long after the first bytes were written the last byte of each stream arrived */
  function requests(from: Side, count: number, bytes: number): number[] {
    const programs = new Programs(100);
    programs.transfer('relay');
    programs.transfer('client');
    return programs.requests(from, count, bytes);
  }

  it('delivers an answer of 100 KB within the round trip of its request', () => {
    expect(Math.max(...requests('relay', 1, 100_000))).toBeLessThan(1.5 * 200);
  });

  it('delivers 24 such answers at once in at most one more round trip', () => {
    expect(Math.max(...requests('relay', 24, 100_000))).toBeLessThan(2.5 * 200);
  });

  it('needs one more round trip for an upload of 100 KB than for its first window', () => {
    expect(Math.max(...requests('client', 1, 16_000))).toBeLessThan(1 * 200);
    expect(Math.max(...requests('client', 1, 100_000))).toBeLessThan(2 * 200);
  });

  it('needs no longer for an upload of 8 MB than for a download', () => {
    const time = (from: Side) => {
      const programs = new Programs(100);
      programs.transfer(from);
      return programs.transfer(from, LARGE_BYTES);
    };
    expect(time('client')).toBeLessThanOrEqual(1.05 * time('relay'));
  });
});
