import { describe, expect, it } from 'vitest';
import { StartupExit } from '../../../src/transport/congestion/bbr/startup-exit.js';

/** A path whose shortest round trip is 100 ms, and on which losses ended Startup in round 5 at a round trip of 140
 *  ms. */
function isRefuted(rounds: number, wanderMs: number): boolean {
  const exit = new StartupExit();
  exit.note(140, 5);
  return exit.takeRefuted({ rounds, wanderMs, minRttMs: 100 });
}

describe('the end of Startup (spec congestion 4.3)', () => {
  it('is refuted if the delay turns out to wander by three quarters of what looked like a queue', () => {
    expect(isRefuted(9, 30)).toBe(true);
  });

  it('stands if the delay wanders less, or not at all', () => {
    expect(isRefuted(9, 29)).toBe(false);
    expect(isRefuted(9, 0)).toBe(false);
  });

  it('stands if that turns out too late', () => {
    expect(isRefuted(38, 30)).toBe(false);
  });

  it('is refuted only once, even when Startup ends in losses again (spec congestion 4.3: "at most once per path")', () => {
    const exit = new StartupExit();
    exit.note(140, 5);
    const path = { rounds: 9, wanderMs: 40, minRttMs: 100 };
    expect(exit.takeRefuted(path)).toBe(true);
    expect(exit.takeRefuted(path)).toBe(false);
    exit.note(140, 12);
    expect(exit.takeRefuted({ ...path, rounds: 14 })).toBe(false);
  });

  it('is not in doubt before losses end Startup', () => {
    const path = { rounds: 9, wanderMs: 40, minRttMs: 100 };
    expect(new StartupExit().takeRefuted(path)).toBe(false);
  });
});
