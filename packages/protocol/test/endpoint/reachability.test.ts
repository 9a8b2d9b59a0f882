import { describe, expect, test } from 'vitest';
import { type Circumstances, Reachability } from '../../src/endpoint/reachability.js';
import { SUSPECT_AFTER_MS, WAITING_AFTER_MS } from '../../src/transport/limits.js';

const MAX_SILENCE_MS = 3_600_000;
const CONNECTED: Circumstances = { isConnected: true, isIdle: true, probeTimeoutMs: 100 };
const BUSY: Circumstances = { ...CONNECTED, isIdle: false };

describe('Reachability', () => {
  test('concludes nothing while no answer is due (spec outage 2)', () => {
    const reachability = new Reachability(MAX_SILENCE_MS);
    expect(reachability.dueAt(BUSY)).toBe(Infinity);
    reachability.onHeard(1_000);
    expect(reachability.dueAt(CONNECTED)).toBe(Infinity);
  });

  test('counts from when an answer was first due, however often one is asked for', () => {
    const reachability = new Reachability(MAX_SILENCE_MS);
    for (const now of [1_000, 1_100, 3_000]) reachability.ask(now);
    const suspectAt = 1_000 + SUSPECT_AFTER_MS;
    expect(reachability.dueAt(CONNECTED)).toBe(suspectAt);
    expect(reachability.becomesSuspect(suspectAt - 1, CONNECTED)).toBe(false);
    expect(reachability.becomesSuspect(suspectAt, CONNECTED)).toBe(true);
    expect(reachability.dueAt(CONNECTED)).toBe(1_000 + WAITING_AFTER_MS);
  });

  test('concludes nothing once there is nothing to answer, but takes no conclusion back (spec outage 2)', () => {
    const reachability = new Reachability(MAX_SILENCE_MS);
    reachability.ask(1_000);
    reachability.withdraw();
    expect(reachability.dueAt(CONNECTED)).toBe(Infinity);
    reachability.ask(2_000);
    expect(reachability.becomesSuspect(2_000 + SUSPECT_AFTER_MS, CONNECTED)).toBe(true);
    reachability.withdraw();
    expect(reachability.becomesWaiting(2_000 + WAITING_AFTER_MS, CONNECTED)).toBe(true);
    reachability.withdraw();
    expect(reachability.waitingSince).toBe(2_000);
  });

  test('concludes nothing before the path can have brought an answer', () => {
    const reachability = new Reachability(MAX_SILENCE_MS);
    const slow = { ...CONNECTED, probeTimeoutMs: 60_000 };
    reachability.ask(1_000);
    expect(reachability.becomesSuspect(60_999, slow)).toBe(false);
    expect(reachability.becomesWaiting(60_999, slow)).toBe(false);
    expect(reachability.becomesSuspect(61_000, slow)).toBe(true);
    expect(reachability.becomesWaiting(61_000, slow)).toBe(true);
  });

  test('reports each conclusion once, and how long the silence lasted', () => {
    const reachability = new Reachability(MAX_SILENCE_MS);
    reachability.ask(1_000);
    expect(reachability.waitingSince).toBeUndefined();
    expect(reachability.becomesSuspect(9_000, CONNECTED)).toBe(true);
    expect(reachability.becomesWaiting(9_000, CONNECTED)).toBe(true);
    expect(reachability.becomesSuspect(9_000, CONNECTED)).toBe(false);
    expect(reachability.becomesWaiting(9_000, CONNECTED)).toBe(false);
    expect(reachability.dueAt(CONNECTED)).toBe(Infinity);
    expect(reachability.waitingSince).toBe(1_000);
    expect(reachability.onHeard(9_000)).toBe(8_000);
    expect(reachability.waitingSince).toBeUndefined();
    expect(reachability.isSuspect).toBe(false);
    expect(reachability.onHeard(9_001)).toBeUndefined();
  });

  test('does not report that streams wait for a peer that has never connected', () => {
    const reachability = new Reachability(MAX_SILENCE_MS);
    const unconnected = { ...CONNECTED, isConnected: false };
    reachability.ask(0);
    expect(reachability.becomesSuspect(1e9, unconnected)).toBe(true);
    expect(reachability.becomesWaiting(1e9, unconnected)).toBe(false);
    expect(reachability.dueAt(unconnected)).toBe(Infinity);
  });

  test('gives up streams when nothing was heard for the configured time (spec outage 4)', () => {
    const reachability = new Reachability(MAX_SILENCE_MS);
    reachability.onHeard(1_000);
    expect(reachability.dueAt(BUSY)).toBe(1_000 + MAX_SILENCE_MS);
    expect(reachability.isOver(999 + MAX_SILENCE_MS, BUSY)).toBe(false);
    expect(reachability.isOver(1_000 + MAX_SILENCE_MS, BUSY)).toBe(true);
    expect(reachability.isOver(1_000 + MAX_SILENCE_MS, CONNECTED)).toBe(false);
  });

  test('does not count idle time against a stream that is opened after it (spec outage 4)', () => {
    const reachability = new Reachability(MAX_SILENCE_MS);
    reachability.onHeard(1_000);
    const openedAt = 5 * MAX_SILENCE_MS;
    reachability.ask(openedAt);
    expect(reachability.isOver(openedAt, BUSY)).toBe(false);
    expect(reachability.isOver(openedAt + MAX_SILENCE_MS, BUSY)).toBe(true);
  });
});
