import { describe, expect, it } from 'vitest';
import { WATCH_INTERVAL_MS } from '../src/forward-constants.js';
import { RateLimit } from '../src/rate-limit.js';
import { FakeStream } from './fake-stream.js';
import { FakeTimers } from './fake-timers.js';
import { setUp, untilGone } from './running-pump.js';
import { readAll } from './sockets.js';

/** A pump of a peer that has carried 10 kB too much, at 1 kB/s. */
async function setUpInDebt() {
  const timers = new FakeTimers();
  const limit = new RateLimit({ timers, now: timers.now });
  limit.set(1000);
  limit.toPeer.take(10_000);
  limit.fromPeer.take(10_000);
  return { limit, ...(await setUp(new FakeStream(), timers, { limit })) };
}

describe('a pump whose peer has had its share', () => {
  it('reads neither side before the debt is paid, and then all of both (spec forwarding 4.8: "MUST wait and not be dropped")', async () => {
    const { ours, theirs, stream, pump, end, timers } = await setUpInDebt();
    stream.arrive('question');
    stream.arriveFin();
    pump.start();
    pump.onReadable();
    theirs.end('answer');
    timers.advance(9000);
    expect([ours.isPaused(), stream.bytesRead, stream.written.length]).toEqual([true, 0, 0]);
    timers.advance(2000);
    expect(stream.bytesRead).toBe(8);
    expect(String(await readAll(theirs))).toBe('question');
    await stream.until(() => stream.finished);
    expect(String(stream.written)).toBe('answer');
    expect(await end).toEqual({ bytesSent: 6, bytesReceived: 8, clean: true });
  });

  it('does not read its program when its turn comes after the other side has stopped reading', async () => {
    const { ours, theirs, pump, timers } = await setUpInDebt();
    pump.start();
    theirs.write('answer');
    pump.onStopped();
    timers.advance(20_000);
    expect(ours.isPaused()).toBe(true);
  });

  it('goes on at once when the limit is taken away (spec forwarding 4.8: "MUST take effect at once")', async () => {
    const { theirs, stream, pump, limit } = await setUpInDebt();
    stream.arrive('question');
    pump.start();
    theirs.write('answer');
    expect(stream.bytesRead).toBe(0);
    limit.set(undefined);
    expect(stream.bytesRead).toBe(8);
    await stream.until(() => stream.written.length === 6);
  });

  it('notices meanwhile that its program has gone', async () => {
    const { ours, theirs, pump, end, timers } = await setUpInDebt();
    pump.start();
    theirs.resetAndDestroy();
    await untilGone(ours);
    timers.advance(WATCH_INTERVAL_MS);
    expect(await end).toMatchObject({ clean: false });
    timers.advance(20_000);
    expect(timers.pending).toBe(0);
  });
});
