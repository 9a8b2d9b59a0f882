import { describe, expect, it } from 'vitest';
import { ContactLimit } from '../src/contact-limit.js';
import { FakeTimers } from './fake-timers.js';

const LIMIT_MS = 30_000;

/** Timers of which each may be cleared once, and only until it fires. */
class StrictTimers extends FakeTimers {
  override clear(timer: object): void {
    const before = this.pending;
    super.clear(timer);
    expect(this.pending).toBe(before - 1);
  }
}

function setUp(limitMs = LIMIT_MS, timers = new FakeTimers()) {
  const givenUp: string[] = [];
  const limit = new ContactLimit(limitMs, timers);
  const wait = (id: number): void =>
    limit.wait(id, (waitedMs) => givenUp.push(`${timers.now} ${id} after ${waitedMs}`));
  return { timers, givenUp, limit, wait };
}

describe('local connections before first contact (spec outage 8)', () => {
  it('are each given up once, after the limit', async () => {
    const { timers, givenUp, wait } = setUp();
    wait(1);
    await timers.runTo(10_000);
    wait(2);
    await timers.runTo(100_000);
    expect(givenUp).toEqual(['30000 1 after 30000', '40000 2 after 30000']);
  });

  it('keep waiting once the relay is reached, and leave no timer behind when they end', async () => {
    const { timers, givenUp, limit, wait } = setUp();
    wait(1);
    wait(2);
    limit.leave(1);
    expect(timers.pending).toBe(1);
    limit.end();
    expect(timers.pending).toBe(0);
    await timers.runTo(100_000);
    expect(givenUp).toEqual([]);
  });

  it('wait forever without a limit', () => {
    const { timers, wait } = setUp(0);
    wait(1);
    expect(timers.pending).toBe(0);
  });

  it('have nothing to do with a later one of the same id, and may end after they were given up', async () => {
    const { timers, givenUp, limit, wait } = setUp();
    wait(1);
    await timers.runTo(LIMIT_MS);
    limit.leave(1);
    limit.leave(1);
    limit.end();
    wait(2);
    limit.leave(1);
    expect([givenUp.length, timers.pending]).toEqual([1, 1]);
  });

  it('are forgotten when they are given up, end, or need not wait any more', async () => {
    const { timers, limit, wait } = setUp(LIMIT_MS, new StrictTimers());
    for (const id of [1, 2, 3]) wait(id);
    limit.leave(1);
    limit.leave(1);
    limit.end();
    limit.end();
    limit.leave(2);
    wait(4);
    await timers.runTo(LIMIT_MS);
    limit.leave(4);
    limit.end();
    expect(timers.pending).toBe(0);
  });
});
