import type { Timers } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { PROGRESS_AFTER_MS, PROGRESS_INTERVAL_MS, WaitProgress } from '../src/wait-progress.js';

/** A progress line on a clock that the test moves. At most one timer is set at a time. */
function setUp() {
  const shown: string[] = [];
  let now = 0;
  let pending: { readonly at: number; readonly callback: () => void } | undefined;
  const timers: Timers = {
    set: (callback, delayMs) => {
      pending = { at: now + delayMs, callback };
      return pending;
    },
    clear: () => {
      pending = undefined;
    },
  };
  const progress = new WaitProgress({ show: (text) => shown.push(text), now: () => now, timers });
  const advance = (ms: number): void => {
    const end = now + ms;
    while (pending !== undefined && pending.at <= end) {
      const { at, callback } = pending;
      now = at;
      pending = undefined;
      callback();
    }
    now = end;
  };
  return { progress, shown, advance, hasTimer: () => pending !== undefined };
}

describe('a progress line', () => {
  it('counts the seconds of a wait, and goes when that is over', () => {
    const { progress, shown, advance, hasTimer } = setUp();
    progress.begin('waiting for the relay');
    advance(PROGRESS_AFTER_MS + 2 * PROGRESS_INTERVAL_MS);
    expect(shown).toEqual([
      'waiting for the relay (1.5 s)',
      'waiting for the relay (2.5 s)',
      'waiting for the relay (3.5 s)',
    ]);
    progress.end();
    expect(shown.at(-1)).toBe('');
    expect(hasTimer()).toBe(false);
  });

  it('does not appear during a short wait', () => {
    const { progress, shown, advance } = setUp();
    progress.begin('waiting');
    advance(PROGRESS_AFTER_MS - 1);
    progress.end();
    progress.end();
    expect(shown).toEqual(['']);
  });

  it('appears at once if the wait has lasted for long', () => {
    const { progress, shown, advance } = setUp();
    progress.begin('no answer', 60_000);
    progress.begin('something else');
    advance(0);
    expect(shown).toEqual(['no answer (60 s)']);
  });
});
