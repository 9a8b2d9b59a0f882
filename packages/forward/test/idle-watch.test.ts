import { describe, expect, it } from 'vitest';
import { HALF_CLOSED_IDLE_MS, IDLE_CHECK_MS } from '../src/forward-constants.js';
import { IdleWatch } from '../src/idle-watch.js';
import { FakeTimers } from './fake-timers.js';

const IDLE_MS = 10 * 60_000;

function setUp(idleMs?: number) {
  const timers = new FakeTimers();
  const watch = new IdleWatch({ timers, now: timers.now, idleMs });
  const connect = () => {
    const ended: number[] = [];
    const connection = {
      movedBytes: 0,
      isWaiting: false,
      isHalfClosed: false,
      ended,
      onIdle: (ms: number) => ended.push(ms),
    };
    watch.add(connection);
    return connection;
  };
  return { timers, watch, connect };
}

describe('a connection in which nothing moves', () => {
  // spec forwarding 4.7: "earlier for being idle"
  it('ends when it has been idle for as long as the owner said, and no earlier', () => {
    const { timers, watch, connect } = setUp(IDLE_MS);
    const connection = connect();
    timers.advance(IDLE_MS - 1);
    expect(connection.ended).toEqual([]);
    timers.advance(1);
    expect(connection.ended).toEqual([IDLE_MS]);
    timers.advance(10 * IDLE_MS);
    expect([connection.ended.length, watch.size, timers.pending]).toEqual([1, 0, 0]);
  });

  it('is the only reason for a timer, also for those that come after all have ended', () => {
    const { timers, watch, connect } = setUp(IDLE_MS);
    const [first, second] = [connect(), connect()];
    watch.delete(first);
    expect([watch.size, timers.pending]).toEqual([1, 1]);
    watch.delete(second);
    watch.delete(second);
    expect([watch.size, timers.pending]).toEqual([0, 0]);
    const third = connect();
    expect(timers.pending).toBe(1);
    timers.advance(IDLE_MS + IDLE_CHECK_MS);
    expect([first.ended, second.ended, third.ended.length, timers.pending]).toEqual([[], [], 1, 0]);
  });

  it('is left alone for ever without such a limit', () => {
    const { timers, connect } = setUp();
    const connection = connect();
    timers.advance(100 * HALF_CLOSED_IDLE_MS);
    expect(connection.ended).toEqual([]);
  });

  it('is not idle if a byte moves now and then', () => {
    const { timers, connect } = setUp(IDLE_MS);
    const connection = connect();
    for (let n = 0; n < 10; n++) {
      connection.movedBytes++;
      timers.advance(IDLE_MS - IDLE_CHECK_MS);
    }
    expect(connection.ended).toEqual([]);
  });

  // spec forwarding 4.7: "does not count"
  it('is not idle while bytes wait for the peer, as in an outage', () => {
    const { timers, connect } = setUp(IDLE_MS);
    const connection = connect();
    connection.isHalfClosed = true;
    connection.isWaiting = true;
    timers.advance(10 * HALF_CLOSED_IDLE_MS);
    expect(connection.ended).toEqual([]);
    connection.isWaiting = false;
    timers.advance(IDLE_MS);
    expect(connection.ended).toEqual([IDLE_MS]);
  });

  // spec forwarding 4.7: "after 124 minutes"
  it('ends after two hours if one side has ended and the other never answers', () => {
    const { timers, connect } = setUp();
    const connection = connect();
    timers.advance(10 * HALF_CLOSED_IDLE_MS);
    connection.isHalfClosed = true;
    timers.advance(HALF_CLOSED_IDLE_MS);
    expect(connection.ended).toEqual([]);
    timers.advance(IDLE_CHECK_MS);
    expect(connection.ended).toEqual([HALF_CLOSED_IDLE_MS]);
  });

  it('ends no later for being half-closed than the owner said', () => {
    const { timers, connect } = setUp(IDLE_MS);
    const connection = connect();
    connection.isHalfClosed = true;
    timers.advance(IDLE_MS + IDLE_CHECK_MS);
    expect(connection.ended).toEqual([IDLE_MS]);
  });

  it('ends although something moves in one that is older', () => {
    const { timers, connect } = setUp(IDLE_MS);
    const [busy, idle] = [connect(), connect()];
    busy.isWaiting = true;
    timers.advance(IDLE_MS);
    expect([busy.ended, idle.ended]).toEqual([[], [IDLE_MS]]);
  });

  it('can be removed while another one ends', () => {
    const { timers, watch, connect } = setUp(IDLE_MS);
    const [first, second] = [connect(), connect()];
    first.onIdle = () => {
      watch.delete(second);
      return 0;
    };
    timers.advance(IDLE_MS);
    expect(second.ended).toEqual([]);
    expect(timers.pending).toBe(0);
  });
});
