import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { WATCH_INTERVAL_MS, WATCHED_PER_TURN } from '../src/forward-constants.js';
import { isGone, SocketWatch, type Watched } from '../src/socket-watch.js';
import { FakeTimers } from './fake-timers.js';
import { socketPair } from './sockets.js';

const ENOTCONN = -107;
const EINVAL = -22;
const EBADF = -9;

/** A connection for which the test plays the kernel, and which counts how often it is checked. */
class FakeWatched implements Watched {
  movedBytes = 0;
  vanished = 0;
  asked = 0;
  answer = 0;
  readonly socket = {
    writable: true,
    _handle: {
      getpeername: () => {
        this.asked++;
        return this.answer;
      },
    },
  } as unknown as Socket;

  onVanished(): void {
    this.vanished++;
  }
}

function setUp(count: number) {
  const timers = new FakeTimers();
  const watch = new SocketWatch(timers);
  const all = Array.from({ length: count }, () => new FakeWatched());
  for (const watched of all) watch.add(watched);
  return { timers, watch, all };
}

// spec forwarding 4.6
describe('the watch over sockets that Node does not poll', () => {
  it('sets no timer while there are none', () => {
    const { timers, watch, all } = setUp(1);
    watch.delete(all[0] as FakeWatched);
    timers.advance(WATCH_INTERVAL_MS);
    expect(timers.pending).toBe(0);
  });

  it('reports a vanished one once, and forgets it', () => {
    const { timers, watch, all } = setUp(2);
    const [gone, alive] = all as [FakeWatched, FakeWatched];
    gone.answer = ENOTCONN;
    timers.advance(5 * WATCH_INTERVAL_MS);
    expect([gone.vanished, gone.asked, alive.vanished, alive.asked, watch.size]).toEqual([1, 1, 0, 5, 1]);
  });

  it('begins again with the next one after the last one was deleted or has vanished', () => {
    const { timers, watch, all } = setUp(1);
    const [first] = all as [FakeWatched];
    first.answer = ENOTCONN;
    timers.advance(WATCH_INTERVAL_MS);
    expect([first.vanished, timers.pending]).toEqual([1, 0]);
    const next = new FakeWatched();
    next.answer = ENOTCONN;
    watch.add(next);
    watch.delete(next);
    timers.advance(WATCH_INTERVAL_MS);
    watch.add(next);
    timers.advance(WATCH_INTERVAL_MS);
    expect([next.vanished, timers.pending]).toEqual([1, 0]);
  });

  it('leaves a vanished one alone while its bytes move', () => {
    const { timers, all } = setUp(1);
    const [gone] = all as [FakeWatched];
    gone.answer = ENOTCONN;
    gone.movedBytes = 1;
    timers.advance(WATCH_INTERVAL_MS);
    expect(gone.vanished).toBe(0);
    timers.advance(WATCH_INTERVAL_MS);
    expect(gone.vanished).toBe(1);
  });

  it('checks each in turn, a limited number at a time', () => {
    const { timers, watch, all } = setUp(8 * WATCHED_PER_TURN);
    timers.advance(WATCH_INTERVAL_MS);
    expect(all.filter(({ asked }) => asked > 0)).toHaveLength(WATCHED_PER_TURN);
    for (const watched of all) watched.answer = ENOTCONN;
    timers.advance(3 * WATCH_INTERVAL_MS);
    expect(all.every(({ vanished }) => vanished === 1)).toBe(true);
    expect([watch.size, timers.pending]).toEqual([0, 0]);
  });

  it('checks one that is added again and again when its turn comes', () => {
    const { timers, watch, all } = setUp(WATCHED_PER_TURN + 1);
    const [gone] = all as [FakeWatched];
    gone.answer = ENOTCONN;
    for (let i = 0; i < 8; i++) {
      watch.add(gone);
      timers.advance(WATCH_INTERVAL_MS / 4);
    }
    expect(gone.vanished).toBe(1);
  });

  it('compares with the bytes at the last check, even if it was added again since', () => {
    const { timers, watch, all } = setUp(1);
    const [gone] = all as [FakeWatched];
    gone.answer = ENOTCONN;
    gone.movedBytes = 1;
    watch.add(gone);
    timers.advance(WATCH_INTERVAL_MS);
    expect([gone.asked, gone.vanished]).toEqual([1, 0]);
  });

  it('allows one that vanishes to end others', () => {
    const { timers, watch, all } = setUp(2);
    const [first, second] = all as [FakeWatched, FakeWatched];
    first.answer = ENOTCONN;
    second.answer = ENOTCONN;
    first.onVanished = () => watch.delete(second);
    timers.advance(WATCH_INTERVAL_MS);
    expect([second.vanished, watch.size]).toEqual([0, 0]);
  });

  it.each([
    ['the kernel forgot', ENOTCONN, true],
    ['the kernel shut down, as macOS calls it', EINVAL, true],
    ['cannot be judged', EBADF, false],
  ])('takes a connection that %s for gone: %i, %s', (_what, answer, gone) => {
    const watched = new FakeWatched();
    watched.answer = answer;
    expect(isGone(watched.socket)).toBe(gone);
  });

  it('never reports a socket without a handle, or a live one', async () => {
    const { ours } = await socketPair();
    expect([isGone(ours), isGone({} as Socket)]).toEqual([false, false]);
    ours.destroy();
    expect(isGone(ours)).toBe(false);
  });
});
