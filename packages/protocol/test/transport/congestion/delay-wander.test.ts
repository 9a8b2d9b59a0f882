import { describe, expect, it } from 'vitest';
import { DelayWander } from '../../../src/transport/congestion/bbr/delay-wander.js';

const TOLERANCE_MS = 4;

/** Reports round trips, each in a round of its own. */
function observe(wander: DelayWander, ...roundTripsMs: number[]): number {
  for (const roundTripMs of roundTripsMs) {
    wander.onRoundTrip(roundTripMs, TOLERANCE_MS);
    wander.onRound();
  }
  return wander.spreadMs;
}

describe('the wander of a delay (spec congestion 4.3)', () => {
  it('is the third-deepest fall', () => {
    const wander = new DelayWander();
    expect(observe(wander, 100, 140, 100, 120, 90, 150, 100, 110)).toBe(30);
  });

  it('is 0 while round trips fall only twice, because competitors may have backed off', () => {
    const wander = new DelayWander();
    expect(observe(wander, 100, 180, 120, 180, 120, 180)).toBe(0);
  });

  it('is 0 if round trips change by less than the tolerance', () => {
    const wander = new DelayWander();
    expect(observe(wander, 100, 103, 100, 103, 100, 103, 100, 103, 100)).toBe(0);
  });

  // spec congestion 4.3: "MUST NOT count towards the wander"
  it('does not count a fall while our own queue drains', () => {
    const wander = new DelayWander();
    for (let i = 0; i < 5; i++) {
      observe(wander, 100, 140);
      wander.restart(100);
    }
    expect(observe(wander, 100, 100)).toBe(0);
  });

  it('counts several falls in one round', () => {
    const wander = new DelayWander();
    for (const roundTripMs of [100, 130, 100, 140, 100, 150, 100, 160]) {
      wander.onRoundTrip(roundTripMs, TOLERANCE_MS);
    }
    wander.onRound();
    expect(wander.spreadMs).toBe(30);
  });

  it('is forgotten after sixteen rounds', () => {
    const wander = new DelayWander();
    observe(wander, 100, 140, 100, 140, 100, 140, 100, 140);
    expect(observe(wander, ...new Array(15).fill(140))).toBe(0);
  });
});
