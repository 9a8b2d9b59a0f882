import { describe, expect, it } from 'vitest';
import { MAX_TIMER_MS, MIN_TIMER_MS } from '../src/index.js';
import { setUpDriver as setUp } from './driver-setup.js';

describe('the timer of the driver', () => {
  it('fires at the deadline and calls the endpoint', () => {
    const { endpoint, turns, driver, pass } = setUp();
    endpoint.deadline = { at: 25, reason: 'acknowledge' };
    driver.wake();
    turns.run();
    pass(24);
    expect(endpoint.timeouts).toBe(0);
    pass(1);
    expect(endpoint.timeouts).toBe(1);
  });

  it('has its turn after what waits in the socket was read (spec recovery 4: "MUST handle the datagrams that wait in its socket")', () => {
    const { endpoint, timers, turns, driver, receive } = setUp();
    endpoint.deadline = { at: 25, reason: 'probe timeout' };
    driver.wake();
    turns.run();
    // The process was stopped: when it runs again the timer is the first to know, and the answer waits.
    timers.advance(60);
    expect(endpoint.timeouts).toBe(0);
    receive();
    endpoint.deadline = { at: 100, reason: 'probe timeout' };
    turns.run();
    expect(endpoint.timeouts).toBe(0);
    expect(endpoint.received).toHaveLength(1);
  });

  it('is not set again for a deadline that stayed the same or moved away', () => {
    const { endpoint, timers, turns, driver, pass } = setUp();
    for (let i = 0; i < 100; i++) {
      endpoint.deadline = { at: 25 + i, reason: 'loss' };
      driver.wake();
      turns.run();
    }
    expect(timers.sets).toBe(1);
    pass(25);
    expect(endpoint.timeouts).toBe(0);
    pass(99);
    expect(endpoint.timeouts).toBe(1);
  });

  it('is set for whole milliseconds, and not again for a deadline that is hardly earlier', () => {
    const { endpoint, timers, turns, driver } = setUp();
    const delays: number[] = [];
    const realSet = timers.set.bind(timers);
    timers.set = (callback, delayMs) => {
      delays.push(delayMs);
      return realSet(callback, delayMs);
    };
    for (const [at, set] of [
      [24.2, [25]],
      [24, [25]],
      [23.9, [25, 24]],
    ] as const) {
      endpoint.deadline = { at, reason: 'loss' };
      driver.wake();
      turns.run();
      expect(delays).toEqual(set);
    }
    expect(timers.pending).toBe(1);
  });

  it('need not fire for a deadline to be noticed, and the endpoint is asked for it once a turn until then', () => {
    const { endpoint, timers, turns, driver } = setUp();
    endpoint.deadline = { at: 25, reason: 'loss' };
    driver.wake();
    turns.run();
    let asked = 0;
    endpoint.pollTimeout = () => {
      asked++;
      return endpoint.deadline;
    };
    for (const [now, timeouts, questions] of [
      [24, 0, 1],
      [25, 1, 2],
    ] as const) {
      asked = 0;
      timers.now = now;
      driver.wake();
      turns.run();
      expect([endpoint.timeouts, asked]).toEqual([timeouts, questions]);
    }
  });

  it('is moved forward for an earlier deadline', () => {
    const { endpoint, timers, turns, driver, pass } = setUp();
    endpoint.deadline = { at: 1000, reason: 'keepalive' };
    driver.wake();
    turns.run();
    endpoint.deadline = { at: 10, reason: 'loss' };
    driver.wake();
    turns.run();
    expect(timers.pending).toBe(1);
    pass(10);
    expect(endpoint.timeouts).toBe(1);
  });

  it('handles a deadline that a datagram moved into the past', () => {
    const { endpoint, turns, driver, receive, pass } = setUp();
    endpoint.deadline = { at: 1000, reason: 'keepalive' };
    driver.wake();
    turns.run();
    pass(20);
    receive();
    endpoint.deadline = { at: 10, reason: 'loss' };
    turns.run();
    pass(MIN_TIMER_MS);
    expect(endpoint.timeouts).toBe(1);
  });

  it('fires at least every 2 s, because timers stop while the machine sleeps (spec outage 5)', () => {
    const { endpoint, timers, turns, driver, pass } = setUp();
    const delays: number[] = [];
    const set = timers.set.bind(timers);
    timers.set = (callback, delayMs) => {
      delays.push(delayMs);
      return set(callback, delayMs);
    };
    endpoint.deadline = { at: 100_000, reason: 'keypair-expiry' };
    driver.wake();
    turns.run();
    for (let i = 0; i < 3; i++) pass(MAX_TIMER_MS);
    expect(MAX_TIMER_MS).toBe(2_000);
    expect(delays).toEqual([MAX_TIMER_MS, MAX_TIMER_MS, MAX_TIMER_MS, MAX_TIMER_MS]);
    expect(endpoint.timeouts).toBe(0);
  });

  it('does not spin when a deadline stays in the past', () => {
    const { endpoint, turns, driver, pass } = setUp();
    endpoint.handleTimeout = () => {
      endpoint.timeouts++;
    };
    endpoint.deadline = { at: -5, reason: 'pacing' };
    driver.wake();
    expect(turns.run()).toBe(1);
    for (let i = 0; i < 10; i++) pass(MIN_TIMER_MS);
    expect(endpoint.timeouts).toBe(11);
  });
});
