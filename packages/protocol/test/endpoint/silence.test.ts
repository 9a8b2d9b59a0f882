import { describe, expect, test } from 'vitest';
import { Silence } from '../../src/endpoint/silence.js';
import { SUSPECT_AFTER_MS, WAITING_AFTER_MS } from '../../src/transport/limits.js';

const SHORT_PTO_MS = 100;
const LONG_PTO_MS = 60_000;

describe('Silence (spec outage 2)', () => {
  test('means nothing while no answer is due', () => {
    const silence = new Silence();
    silence.onHeard(1_000);
    expect(silence.suspectAt(SHORT_PTO_MS)).toBe(Infinity);
    expect(silence.waitingAt(SHORT_PTO_MS)).toBe(Infinity);
  });

  test('counts from the first moment at which an answer was due, however often one is asked for', () => {
    const silence = new Silence();
    for (const now of [1_000, 1_100, 3_000]) silence.ask(now);
    expect(silence.suspectAt(SHORT_PTO_MS)).toBe(1_000 + SUSPECT_AFTER_MS);
    expect(silence.waitingAt(SHORT_PTO_MS)).toBe(1_000 + WAITING_AFTER_MS);
  });

  test('is judged no sooner than the path can answer', () => {
    const silence = new Silence();
    silence.ask(1_000);
    expect(silence.suspectAt(LONG_PTO_MS)).toBe(61_000);
    expect(silence.waitingAt(LONG_PTO_MS)).toBe(61_000);
  });

  test('is reported once, and its end with its length', () => {
    const silence = new Silence();
    silence.ask(1_000);
    expect(silence.waitingSince).toBeUndefined();
    silence.suspect();
    silence.wait();
    expect(silence.suspectAt(SHORT_PTO_MS)).toBe(Infinity);
    expect(silence.waitingAt(SHORT_PTO_MS)).toBe(Infinity);
    expect(silence.waitingSince).toBe(1_000);
    expect(silence.onHeard(9_000)).toBe(8_000);
    expect(silence.waitingSince).toBeUndefined();
    expect(silence.isSuspect).toBe(false);
    expect(silence.onHeard(9_001)).toBeUndefined();
  });
});
