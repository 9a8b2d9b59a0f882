import { SeededRandom } from '@underpass/testkit';
import { describe, expect, it } from 'vitest';
import { COOKIE_REPLIES_PER_WINDOW, COOKIE_REPLY_WINDOW_MS } from '../../src/wireguard/constants.js';
import { CookieReplyBudget } from '../../src/wireguard/cookie-reply-budget.js';

const ALWAYS = (): number => 0;

function takeMany(budget: CookieReplyBudget, now: number, times: number): number {
  let made = 0;
  for (let i = 0; i < times; i++) if (budget.take(now)) made++;
  return made;
}

describe('the budget of cookie replies (spec handshake 5.3)', () => {
  it('answers everybody up to the limit of a window, and nobody above it', () => {
    const budget = new CookieReplyBudget(ALWAYS);
    expect(takeMany(budget, 0, COOKIE_REPLIES_PER_WINDOW)).toBe(COOKIE_REPLIES_PER_WINDOW);
    expect(budget.take(COOKIE_REPLY_WINDOW_MS - 1)).toBe(false);
    expect(budget.take(COOKIE_REPLY_WINDOW_MS)).toBe(true);
  });

  it('never exceeds the limit of a window, even if chance always favours a reply', () => {
    const budget = new CookieReplyBudget(ALWAYS);
    for (let window = 0; window < 20; window++) {
      const made = takeMany(budget, window * COOKIE_REPLY_WINDOW_MS, 10_000);
      expect(made).toBeLessThanOrEqual(COOKIE_REPLIES_PER_WINDOW);
    }
  });

  it('gives the last message of a window the same chance as the first when too many come', () => {
    const random = new SeededRandom(3);
    const budget = new CookieReplyBudget(() => random.integer(0, 65_535));
    const wanted = 4 * COOKIE_REPLIES_PER_WINDOW;
    const windows = 400;
    const made = { first: 0, last: 0 };
    takeMany(budget, 0, wanted);
    for (let window = 1; window <= windows; window++) {
      const now = window * COOKIE_REPLY_WINDOW_MS;
      if (budget.take(now)) made.first++;
      takeMany(budget, now, wanted - 2);
      if (budget.take(now)) made.last++;
    }
    // A quarter of the messages could get a reply. The target is 7/8 of that, so that the limit is rarely reached.
    for (const share of [made.first / windows, made.last / windows]) {
      expect(share).toBeGreaterThan(0.15);
      expect(share).toBeLessThan(0.29);
    }
  });

  it('answers everybody again once the flood is over', () => {
    const budget = new CookieReplyBudget(() => 65_535);
    takeMany(budget, 0, 10 * COOKIE_REPLIES_PER_WINDOW);
    expect(budget.take(COOKIE_REPLY_WINDOW_MS)).toBe(false);
    takeMany(budget, COOKIE_REPLY_WINDOW_MS, 10 * COOKIE_REPLIES_PER_WINDOW);
    expect(budget.take(3 * COOKIE_REPLY_WINDOW_MS)).toBe(true);
  });
});
