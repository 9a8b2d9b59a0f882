import { describe, expect, it } from 'vitest';
import { ProbeTimer } from '../../../src/transport/recovery/probe-timer.js';

const MAX_MS = 1_500;
const PTO_MS = 100;

/** A timer that has expired some times, at 1000 ms, after a packet was sent at 100 ms. */
function expired(times: number): ProbeTimer {
  const timer = new ProbeTimer(MAX_MS);
  timer.onSent(100, true);
  for (let i = 0; i < times; i++) timer.expire(1_000);
  return timer;
}

describe('the probe timer (spec recovery 4)', () => {
  it('counts from the packet that was sent while nothing was in flight', () => {
    const timer = new ProbeTimer(MAX_MS);
    timer.onSent(100, true);
    timer.onSent(150, false);
    expect(timer.dueAt(PTO_MS)).toBe(200);
    timer.onAcknowledged();
    expect(timer.dueAt(PTO_MS)).toBe(250);
  });

  it.each([
    [1, 200],
    [3, 800],
    [4, MAX_MS],
    [60, MAX_MS],
  ])('after %i expiries waits %i ms', (times, ms) => {
    expect(expired(times).dueAt(PTO_MS)).toBe(1_000 + ms);
  });

  it('never waits less than one probe timeout, even if that is longer than the limit', () => {
    expect(expired(5).dueAt(4_000)).toBe(5_000);
  });

  it('permits two packets after each of the first two expiries, and one after each further one', () => {
    expect([1, 2, 3, 4].map((times) => expired(times).probesDue)).toEqual([2, 2, 1, 1]);
    const timer = expired(1);
    for (const left of [1, 0, 0]) {
      timer.onSent(1_001, false);
      expect(timer.probesDue).toBe(left);
    }
  });

  it.each<[string, (timer: ProbeTimer) => void, Partial<ProbeTimer>, number]>([
    ['an acknowledgement', (timer) => timer.onAcknowledged(), { expiries: 0, probesDue: 0 }, 200],
    [
      'a usable key',
      (timer) => timer.onSendingResumed(2_000),
      { expiries: 0, probesDue: 1, usableSince: 2_000 },
      2_100,
    ],
    ['a sign of life', (timer) => timer.onSignOfLife(2_000), { expiries: 0, probesDue: 2 }, 2_100],
    ['a new path', (timer) => timer.onNewPath(), { expiries: 0, probesDue: 1 }, 1_100],
  ])('ends its back-off with %s', (_what, happen, state, dueAt) => {
    const timer = expired(3);
    happen(timer);
    expect(timer).toMatchObject(state);
    expect(timer.dueAt(PTO_MS)).toBe(dueAt);
  });

  it('is not moved by a sign of life while it has not expired', () => {
    const timer = expired(0);
    timer.onSignOfLife(150);
    expect([timer.probesDue, timer.dueAt(PTO_MS)]).toEqual([0, 200]);
  });

  it('waits for packets that are left when others are lost, and never counts back', () => {
    const timer = expired(0);
    timer.countFrom(130);
    expect(timer.dueAt(PTO_MS)).toBe(230);
    timer.countFrom(120);
    expect(timer.dueAt(PTO_MS)).toBe(230);
  });

  it('counts no time without a usable key (spec recovery 7)', () => {
    const timer = new ProbeTimer(MAX_MS);
    timer.onSendingResumed(500);
    timer.onSent(400, true);
    expect(timer.dueAt(PTO_MS)).toBe(600);
  });
});
