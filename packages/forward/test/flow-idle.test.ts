import { describe, expect, it } from 'vitest';
import { evictedIdleMs, FlowIdle, idleLimitMs } from '../src/flow-idle.js';
import {
  DNS_EVICTED_IDLE_MS,
  DNS_FLOW_IDLE_MS,
  EVICTED_IDLE_MS,
  FLOW_IDLE_MS,
} from '../src/forward-constants.js';
import { FakeTimers } from './fake-timers.js';

const LIMIT_MS = 1_000;

function setUp(startMs = 0) {
  const timers = new FakeTimers();
  timers.advance(startMs);
  const idleAt: number[] = [];
  const idle = new FlowIdle(LIMIT_MS, timers, timers.now, () => idleAt.push(timers.now()));
  return { timers, idle, idleAt };
}

describe('a flow without messages (spec forwarding 5.3)', () => {
  it('is idle at its limit, once', () => {
    const { timers, idleAt, idle } = setUp(500);
    expect(idle.lastAt).toBe(500);
    timers.advance(LIMIT_MS - 1);
    expect(idleAt).toEqual([]);
    timers.advance(10 * LIMIT_MS);
    expect(idleAt).toEqual([1_500]);
    expect(timers.pending).toBe(0);
  });

  it('is idle at its limit behind the last message', () => {
    const { timers, idle, idleAt } = setUp();
    for (const at of [400, 900, 1_700]) {
      timers.advance(at - timers.now());
      idle.touch();
      expect(idle.lastAt).toBe(at);
    }
    timers.advance(10 * LIMIT_MS);
    expect(idleAt).toEqual([2_700]);
    expect(timers.delaysMs).toEqual([1_000, 900, 800]); // No timer for each message.
  });

  it.each([0, 600])('is not looked at any more when it is stopped, %i ms after a message', (ms) => {
    const { timers, idle, idleAt } = setUp();
    timers.advance(500);
    idle.touch();
    timers.advance(ms);
    idle.stop();
    idle.stop();
    expect(timers.pending).toBe(0);
    timers.advance(10 * LIMIT_MS);
    expect(idleAt).toEqual([]);
  });

  it('has shorter limits if it leads to a DNS server', () => {
    expect([idleLimitMs(53), idleLimitMs(54), idleLimitMs(5353)]).toEqual([
      DNS_FLOW_IDLE_MS,
      FLOW_IDLE_MS,
      FLOW_IDLE_MS,
    ]);
    expect([evictedIdleMs(53), evictedIdleMs(52)]).toEqual([DNS_EVICTED_IDLE_MS, EVICTED_IDLE_MS]);
  });
});
