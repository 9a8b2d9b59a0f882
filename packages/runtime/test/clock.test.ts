import { describe, expect, it } from 'vitest';
import { monotonicMs, sleepAwareClock } from '../src/clock.js';

describe('the monotonic clock (spec outage 5)', () => {
  it('counts the time for which the machine slept', () => {
    let awake = 1_000;
    let uptime = 50_000;
    const clock = sleepAwareClock(
      () => awake,
      () => uptime,
    );
    expect(clock()).toBe(1_000);
    awake += 500;
    uptime += 500;
    expect(clock()).toBe(1_500);
    awake += 300;
    uptime += 3_600_300;
    expect(clock()).toBe(3_601_800);
    awake += 300;
    uptime += 300;
    expect(clock()).toBe(3_602_100);
  });

  it('does not mistake drift for sleep, and never goes back', () => {
    let awake = 0;
    let drift = 0;
    const clock = sleepAwareClock(
      () => awake,
      () => awake + drift,
    );
    let last = clock();
    for (let i = 0; i < 1_000; i++) {
      awake += 400;
      drift += i % 2 === 0 ? -30 : 10;
      const now = clock();
      expect(now).toBe(awake);
      expect(now).toBeGreaterThan(last);
      last = now;
    }
  });

  it('of this system moves forward', () => {
    const first = monotonicMs();
    expect(monotonicMs()).toBeGreaterThanOrEqual(first);
  });
});
