import { describe, expect, it, vi } from 'vitest';
import { monotonicMs, sleepAwareClock, systemTimers } from '../src/clock.js';

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

  it.each([
    [999, 0],
    [1_000, 1_000],
    [1_500, 1_500],
  ])('counts a sleep of %i ms as %i, even right after the start', (sleepMs, countedMs) => {
    let awake = 5_000;
    let uptime = 50_000;
    const clock = sleepAwareClock(
      () => awake,
      () => uptime,
    );
    awake += 250;
    uptime += 250 + sleepMs;
    expect(clock()).toBe(5_250 + countedMs);
    awake += 250;
    uptime += 250;
    expect(clock()).toBe(5_500 + countedMs);
  });

  it('adds short sleeps up until they are long enough to be counted', () => {
    let awake = 0;
    let uptime = 0;
    const clock = sleepAwareClock(
      () => awake,
      () => uptime,
    );
    const times = [600, 600, 600].map((sleepMs) => {
      awake += 1_000;
      uptime += 1_000 + sleepMs;
      return clock();
    });
    expect(times).toEqual([1_000, 3_200, 4_200]);
  });

  it('counts the whole sleep after the two clocks drifted the other way', () => {
    let awake = 0;
    let uptime = 10_000;
    const clock = sleepAwareClock(
      () => awake,
      () => uptime,
    );
    awake += 1_000;
    uptime += 100;
    expect(clock()).toBe(1_000);
    awake += 1_000;
    uptime += 1_000 + 1_200;
    expect(clock()).toBe(3_200);
  });

  it('reads the uptime at most four times a second', () => {
    let awake = 0;
    let reads = 0;
    const clock = sleepAwareClock(
      () => awake,
      () => {
        reads++;
        return awake;
      },
    );
    reads = 0;
    for (; awake < 1_000; awake += 10) clock();
    clock();
    expect(reads).toBe(4);
  });

  it('of this system moves forward', () => {
    const first = monotonicMs();
    expect(monotonicMs()).toBeGreaterThanOrEqual(first);
  });
});

it("the system's timers are those of Node, with the delay that is asked for", () => {
  const timer = {} as NodeJS.Timeout;
  const set = vi.spyOn(globalThis, 'setTimeout').mockReturnValue(timer);
  const clear = vi.spyOn(globalThis, 'clearTimeout').mockReturnValue(undefined);
  const callback = () => undefined;
  try {
    expect(systemTimers.set(callback, 5_000)).toBe(timer);
    systemTimers.clear(timer);
    expect([set.mock.calls, clear.mock.calls]).toEqual([[[callback, 5_000]], [[timer]]]);
  } finally {
    set.mockRestore();
    clear.mockRestore();
  }
});
