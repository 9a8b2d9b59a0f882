/** Streams whose reader has stopped do not take from the others what they need, on a long path (spec streams 5.3, 5.8). */
import { describe, expect, it } from 'vitest';
import { transportFor } from '../../src/connection/memory-budget.js';
import type { Stream } from '../../src/streams/stream.js';
import { ConnectedPair, type Side } from './connected-pair.js';

const LIMITS = transportFor(128 * 1024 * 1024);
const CHUNK = new Uint8Array(65_536);
const TRANSFER_BYTES = 2_500_000;

/** Two processes whose programs write all that they can on every stream, and read only what they want to. */
class Programs {
  readonly pair = new ConnectedPair(LIMITS);
  readonly #left = new Map<Stream, number>();
  /** Of those that are read, by id: bytes that arrived. */
  readonly #read = new Map<number, number>();

  constructor(oneWayMs: number) {
    this.pair.oneWayMs = oneWayMs;
    this.pair.client.requestHello();
    this.pair.relay.requestHello();
    this.pair.run(5_000);
  }

  /** A stream that somebody else reads or does not. */
  write(from: Side, bytes: number, isRead: boolean): Stream {
    const stream = this.pair.of(from).openStream();
    if (stream === undefined) throw new Error('no stream');
    this.#left.set(stream, bytes);
    if (isRead) this.#read.set(stream.id, 0);
    this.#pour(stream);
    return stream;
  }

  /** @returns how long it took to bring so many bytes over, while all others do what they do */
  transfer(from: Side, bytes = TRANSFER_BYTES): number {
    const began = this.pair.now;
    const stream = this.write(from, bytes, true);
    this.run(120_000, () => this.#read.get(stream.id) === bytes);
    expect(this.#read.get(stream.id)).toBe(bytes);
    return this.pair.now - began;
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
    const before = this.#read.get(stream.id);
    if (before === undefined) return;
    let bytes = before;
    for (let view = stream.read(); view !== undefined; view = stream.read()) bytes += view.length;
    this.#read.set(stream.id, bytes);
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
    programs.transfer(from); // the window has grown
    const alone = programs.transfer(from);
    for (let n = 0; n < unread; n++) programs.write(from, 64_000_000, false);
    programs.run(2_000);
    expect(programs.transfer(from)).toBeLessThanOrEqual(2 * alone);
  });
});
