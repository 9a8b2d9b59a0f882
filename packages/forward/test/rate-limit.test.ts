import { describe, expect, it } from 'vitest';
import { RATE_BURST_MS, RATE_TURN_MS } from '../src/forward-constants.js';
import { type Allowance, RateLimit, type TurnTaker } from '../src/rate-limit.js';
import { FakeTimers } from './fake-timers.js';

const CHUNK_BYTES = 64 * 1024;
const RATE = 1_000_000;

function setUp(rate: number | undefined = RATE) {
  const timers = new FakeTimers();
  const limit = new RateLimit({ timers, now: timers.now });
  limit.set(rate);
  return { timers, limit };
}

/** A connection that always has another chunk, like a pump between two fast sides. */
class Eager implements TurnTaker {
  carried = 0;
  readonly #allowance: Allowance;
  readonly #chunkBytes: number;

  constructor(allowance: Allowance, chunkBytes = CHUNK_BYTES) {
    this.#allowance = allowance;
    this.#chunkBytes = chunkBytes;
  }

  onTurn(): void {
    // More than enough for a second without a limit.
    for (let i = 0; i < 1000 && this.carryOne(); i++);
  }
  protected carryOne(): boolean {
    if (!this.#allowance.admits(this)) return false;
    this.carried += this.#chunkBytes;
    this.#allowance.take(this.#chunkBytes);
    return true;
  }
}

/** A connection that has one chunk each time. */
class OneChunk extends Eager {
  override onTurn(): void {
    this.carryOne();
  }
}

describe('a limited rate', () => {
  it.each([
    ['one connection', [CHUNK_BYTES]],
    ['many connections', Array.from({ length: 40 }, () => CHUNK_BYTES)],
    ['small and large chunks', [100, 1400, CHUNK_BYTES, 2 * CHUNK_BYTES]],
  ])('holds over any time, for %s (spec forwarding 4.8: "MUST NOT carry more")', (_what, chunks) => {
    const { timers, limit } = setUp();
    const takers = chunks.map((bytes) => new Eager(limit.toPeer, bytes));
    for (const taker of takers) taker.onTurn();
    const total = () => takers.reduce((sum, { carried }) => sum + carried, 0);
    const history = [total()];
    for (let ms = 0; ms < 60_000; ms += 100) {
      timers.advance(100);
      history.push(total());
    }
    const slack = (RATE * RATE_BURST_MS) / 1000 + Math.max(...chunks);
    for (const seconds of [1, 10, 60]) {
      for (let i = 0; i + 10 * seconds < history.length; i += 10) {
        const carried = (history[i + 10 * seconds] ?? 0) - (history[i] ?? 0);
        expect(carried).toBeLessThanOrEqual(RATE * seconds + slack);
      }
    }
    // And all of it can be used.
    expect(total()).toBeGreaterThan(0.99 * 60 * RATE);
  });

  it('is shared by the connections of a peer, whoever came first', () => {
    const { timers, limit } = setUp();
    const takers = Array.from({ length: 5 }, () => new Eager(limit.fromPeer));
    for (const taker of takers) taker.onTurn();
    timers.advance(60_000);
    const share = (60 * RATE) / takers.length;
    // The first one got what the bucket held at the start.
    const slack = (RATE * RATE_BURST_MS) / 1000 + 2 * CHUNK_BYTES;
    for (const { carried } of takers) expect(Math.abs(carried - share)).toBeLessThanOrEqual(slack);
  });

  it('is that of each direction', () => {
    const { timers, limit } = setUp();
    const [up, down] = [new Eager(limit.fromPeer), new Eager(limit.toPeer)];
    up.onTurn();
    down.onTurn();
    timers.advance(10_000);
    for (const { carried } of [up, down]) expect(carried).toBeGreaterThan(0.98 * 10 * RATE);
  });

  it('does not save up what was not used', () => {
    const { timers, limit } = setUp();
    timers.advance(3_600_000);
    const taker = new Eager(limit.toPeer, 1000);
    taker.onTurn();
    expect(taker.carried).toBe((RATE * RATE_BURST_MS) / 1000);
  });

  it('lets a burst pass at once, right after it is set', () => {
    const { limit } = setUp();
    const taker = new Eager(limit.toPeer, 1000);
    taker.onTurn();
    expect(taker.carried).toBe((RATE * RATE_BURST_MS) / 1000);
  });

  it('carries at once again when a debt has been paid meanwhile', () => {
    const { timers, limit } = setUp();
    const taker = new OneChunk(limit.toPeer);
    taker.onTurn();
    expect(timers.pending).toBe(0);
    timers.advance((1000 * CHUNK_BYTES) / RATE);
    taker.onTurn();
    expect([taker.carried, timers.pending]).toEqual([2 * CHUNK_BYTES, 0]);
  });

  it('lets nobody pass those that wait, not even the last that had its turn', () => {
    const { timers, limit } = setUp(1000);
    const [first, second] = [new OneChunk(limit.toPeer, 1000), new OneChunk(limit.toPeer, 1000)];
    first.onTurn();
    second.onTurn();
    // The debt is paid, but nobody was woken yet.
    timers.advance(1000 - RATE_BURST_MS + RATE_TURN_MS / 2);
    first.onTurn();
    expect([first.carried, second.carried]).toEqual([1000, 0]);
    timers.advance(RATE_TURN_MS / 2);
    expect([first.carried, second.carried]).toEqual([1000, 1000]);
    timers.advance(1000);
    expect([first.carried, second.carried]).toEqual([2000, 1000]);
    // The same while the second waits and the first has just had its turn.
    second.onTurn();
    timers.advance(1000 - RATE_TURN_MS / 2);
    first.onTurn();
    expect([first.carried, second.carried]).toEqual([2000, 1000]);
    timers.advance(RATE_TURN_MS);
    expect([first.carried, second.carried]).toEqual([2000, 2000]);
  });

  it('gives the next turn to the next that waits, though the one before asks for no more', () => {
    const { timers, limit } = setUp();
    const takers = Array.from({ length: 4 }, () => new OneChunk(limit.toPeer));
    for (const taker of takers) taker.onTurn();
    timers.advance(10_000);
    expect(takers.map(({ carried }) => carried)).toEqual(takers.map(() => CHUNK_BYTES));
    // It sleeps while a debt is paid.
    expect(timers.delaysMs.length).toBeLessThanOrEqual(takers.length);
  });

  it('drops messages while nothing is left, and none without a limit', () => {
    const { limit } = setUp(1000);
    expect(limit.toPeer.takeMessage(RATE_BURST_MS)).toBe(true);
    expect(limit.toPeer.takeMessage(1)).toBe(false);
    limit.set(undefined);
    for (let n = 0; n < 10; n++) expect(limit.toPeer.takeMessage(1_000_000)).toBe(true);
  });

  it('drops messages, which cannot wait, and lets those pass that fit', () => {
    const { timers, limit } = setUp(10_000);
    let passed = 0;
    for (let ms = 0; ms < 10_000; ms += 10) {
      if (limit.toPeer.takeMessage(1000)) passed++;
      timers.advance(10);
    }
    expect(passed).toBeGreaterThanOrEqual(99);
    expect(passed).toBeLessThanOrEqual(102);
  });

  it('can be changed while connections wait, and taken away', () => {
    const { timers, limit } = setUp(1000);
    const taker = new Eager(limit.toPeer);
    taker.onTurn();
    timers.advance(10_000);
    expect(taker.carried).toBe(CHUNK_BYTES);
    limit.set(RATE);
    timers.advance(10_000);
    expect(Math.abs(taker.carried - 10 * RATE)).toBeLessThanOrEqual(2 * CHUNK_BYTES);
    limit.set(1000);
    const before = taker.carried;
    timers.advance(30_000);
    expect(taker.carried - before).toBeLessThanOrEqual(CHUNK_BYTES);
    limit.set(undefined);
    expect(taker.carried - before).toBeGreaterThanOrEqual(1000 * CHUNK_BYTES);
    expect(timers.pending).toBe(0);
  });

  it('sets no timer for connections that have ended', () => {
    const { timers, limit } = setUp(1000);
    const taker = new Eager(limit.toPeer);
    taker.onTurn();
    limit.toPeer.leave(taker);
    timers.advance(100_000);
    expect([taker.carried, timers.pending]).toEqual([CHUNK_BYTES, 0]);
  });
});
