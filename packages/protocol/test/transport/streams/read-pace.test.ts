import { describe, expect, it } from 'vitest';
import { OPENING_WINDOW_BYTES } from '../../../src/transport/limits.js';
import { ReadPace } from '../../../src/transport/streams/read-pace.js';

const RTT = 100;
const READ = 8192;

/** A program that reads this many bytes in each round, in pieces. */
class Reader {
  readonly #pace = new ReadPace();
  #now = 0;
  #read = 0;
  window = 0;

  readonly #roundTripMs: number;

  constructor(roundTripMs = RTT) {
    this.#roundTripMs = roundTripMs;
  }

  rounds(count: number, bytes: number): number {
    const end = this.#now + count * this.#roundTripMs;
    const pieces = Math.ceil(bytes / READ);
    while (this.#now < end) {
      this.#now += this.#roundTripMs / pieces;
      this.#read += bytes / pieces;
      this.window = this.#pace.windowBytes(this.#now, this.#roundTripMs, this.#read);
    }
    return this.window;
  }
}

describe('the window that a reader needs (spec streams 5.2)', () => {
  it('is two and a half times what it reads in a round trip', () => {
    expect(new Reader().rounds(20, 1_000_000) / 1_000_000).toBeCloseTo(2.5, 1);
    expect(new Reader(300).rounds(20, 1_000_000) / 1_000_000).toBeCloseTo(2.5, 1);
  });

  it('is that for 25 ms if the round trip is shorter', () => {
    expect(new Reader(1).rounds(500, 10_000) / 10_000).toBeCloseTo(2.5 * 25, -1);
  });

  it('lets a sender double its rate every round trip, from the first bytes on', () => {
    const reader = new Reader();
    for (let bytes = OPENING_WINDOW_BYTES; bytes < 2 ** 24; bytes *= 2) {
      expect(reader.rounds(1, bytes)).toBeGreaterThanOrEqual(2 * bytes);
    }
  });

  it('follows a reader that slows down, over some round trips', () => {
    const reader = new Reader();
    reader.rounds(20, 1_000_000);
    expect(reader.rounds(2, 100_000)).toBeGreaterThan(1_000_000);
    expect(reader.rounds(30, 100_000)).toBeLessThan(2.7 * 100_000);
  });

  it('grows again when the reader is faster', () => {
    const reader = new Reader();
    reader.rounds(20, 100_000);
    expect(reader.rounds(1, 150_000)).toBeGreaterThan(2 * 150_000);
  });

  it('is three times a round that was growing, until the next one is over', () => {
    const pace = new ReadPace();
    let read = 0;
    let round = 0;
    const endRound = (bytes: number): number => {
      read += bytes;
      return pace.windowBytes(RTT * round++, RTT, read);
    };
    endRound(0);
    for (let n = 0; n < 20; n++) endRound(1_000_000);
    expect(endRound(1_000_000)).toBe(2_500_000);
    expect(endRound(1_500_000)).toBe(3 * 1_500_000);
    expect(endRound(1_500_000)).toBe(2.5 * 1_500_000);
  });

  it('counts a burst after a gap, because the sender must be able to fill the next one', () => {
    const reader = new Reader();
    for (let n = 0; n < 10; n++) {
      reader.rounds(3, 100);
      reader.rounds(1, 3_000_000);
    }
    expect(reader.rounds(3, 100)).toBeGreaterThan(3_000_000);
  });

  it('is at least the opening window until that much was read (spec streams 5.3)', () => {
    const reader = new Reader();
    expect(reader.rounds(1, 10_000)).toBe(OPENING_WINDOW_BYTES);
    expect(reader.rounds(30, 10_000)).toBeLessThan(30_000);
  });
});
