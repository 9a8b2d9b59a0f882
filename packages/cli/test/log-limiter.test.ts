import { describe, expect, it } from 'vitest';
import {
  AUDIT_BURST_LINES,
  AUDIT_LINES_PER_SECOND,
  DEBUG_BURST_LINES,
  DEBUG_LINES_PER_SECOND,
  LOG_BURST_LINES,
  LOG_LINES_PER_SECOND,
  LogLimiter,
  MAX_LOG_BUCKETS,
  SUPPRESSION_WINDOW_MS,
  type Suppression,
} from '../src/log-limiter.js';

function setUp() {
  let now = 5000;
  const timers: { readonly at: number; readonly callback: () => void }[] = [];
  const suppressions: Suppression[] = [];
  const limiter = new LogLimiter({
    now: () => now,
    schedule: (delayMs, callback) => timers.push({ at: now + delayMs, callback }),
    onSuppressed: (suppression) => suppressions.push(suppression),
  });
  const advance = (durationMs: number): void => {
    now += durationMs;
    const due = timers.filter(({ at }) => at <= now);
    for (const timer of due) timers.splice(timers.indexOf(timer), 1);
    for (const { callback } of due) callback();
  };
  /** Lets time pass without firing timers, as if the process did not run. */
  const stall = (durationMs: number): void => {
    now += durationMs;
  };
  /** Returns how many of `lines` lines are admitted. */
  const offer = (lines: number, peer = 'laptop', event = 'refused', level = 'warn'): number => {
    let admitted = 0;
    for (let i = 0; i < lines; i++) if (limiter.admits({ level, event, peer })) admitted++;
    return admitted;
  };
  return { limiter, advance, stall, offer, suppressions, timers };
}

describe('a log limiter', () => {
  it('admits a burst, then one line a second', () => {
    const { advance, offer } = setUp();
    expect(offer(1000)).toBe(LOG_BURST_LINES);
    advance(3000);
    expect(offer(1000)).toBe(3 * LOG_LINES_PER_SECOND);
  });

  it('accumulates at most one burst', () => {
    const { advance, offer } = setUp();
    offer(1);
    advance(3_600_000);
    expect(offer(1000)).toBe(LOG_BURST_LINES);
  });

  it('loses no count, even if its timer is late', () => {
    const { limiter, offer, stall, suppressions } = setUp();
    offer(LOG_BURST_LINES + 1, 'laptop');
    stall(60_000);
    for (let i = 0; i < MAX_LOG_BUCKETS; i++) offer(1, `peer-${i}`);
    limiter.report();
    expect(suppressions).toMatchObject([{ peer: 'laptop', lines: 1 }]);
  });

  it('reports at the end of the window how many lines of which peer and event it held back', () => {
    const { advance, offer, suppressions } = setUp();
    offer(LOG_BURST_LINES + 14_430);
    advance(SUPPRESSION_WINDOW_MS - 1);
    expect(suppressions).toEqual([]);
    advance(1);
    expect(suppressions).toEqual([
      { level: 'warn', event: 'refused', peer: 'laptop', lines: 14_430, windowMs: SUPPRESSION_WINDOW_MS },
    ]);
    advance(10 * SUPPRESSION_WINDOW_MS);
    expect(suppressions).toHaveLength(1);
  });

  it('does not let one peer or event use up the lines of another', () => {
    const { offer } = setUp();
    offer(1000, 'laptop');
    expect(offer(1, 'phone')).toBe(1);
    expect(offer(1, 'laptop', 'peer-connected')).toBe(1);
  });

  it('admits more at level debug', () => {
    const { offer } = setUp();
    expect(offer(DEBUG_BURST_LINES + 1, 'laptop', 'stream-opened', 'debug')).toBe(DEBUG_BURST_LINES);
  });

  it('admits more opened connections, which are the audit of a relay', () => {
    const { offer } = setUp();
    expect(offer(AUDIT_BURST_LINES + 1, 'laptop', 'stream-opened', 'info')).toBe(AUDIT_BURST_LINES);
  });

  it.each(['listening', 'reload-failed', 'summary', 'suppressed'])(
    'never holds back lines whose number the config bounds: %s',
    (event) => {
      const { offer } = setUp();
      expect(offer(1000, '', event)).toBe(1000);
    },
  );

  it('tracks a bounded number of kinds, and the others share one bucket', () => {
    const { limiter, offer, suppressions, advance } = setUp();
    let admitted = 0;
    for (let i = 0; i < 5 * MAX_LOG_BUCKETS; i++) admitted += offer(1, `peer-${i}`);
    expect(limiter.bucketCount).toBe(MAX_LOG_BUCKETS);
    expect(admitted).toBe(MAX_LOG_BUCKETS + LOG_BURST_LINES);
    advance(SUPPRESSION_WINDOW_MS);
    expect(suppressions).toMatchObject([
      { event: undefined, peer: undefined, lines: 4 * MAX_LOG_BUCKETS - LOG_BURST_LINES },
    ]);
  });

  it('forgets quiet kinds, so that new ones get their own buckets', () => {
    const { limiter, offer, advance } = setUp();
    for (let i = 0; i < MAX_LOG_BUCKETS; i++) offer(1, `peer-${i}`);
    advance(60_000);
    offer(1, 'new');
    expect(limiter.bucketCount).toBe(1);
  });

  it('says of each window how long it was and how many lines it lacks, and starts from zero', () => {
    const { offer, advance, stall, suppressions } = setUp();
    offer(LOG_BURST_LINES + 2);
    stall(300);
    offer(3);
    advance(SUPPRESSION_WINDOW_MS - 300);
    offer(2 * LOG_BURST_LINES);
    advance(SUPPRESSION_WINDOW_MS);
    const perWindow = (SUPPRESSION_WINDOW_MS / 1000) * LOG_LINES_PER_SECOND;
    expect(suppressions.map(({ lines, windowMs }) => [lines, windowMs])).toEqual([
      [5, SUPPRESSION_WINDOW_MS],
      [2 * LOG_BURST_LINES - perWindow, SUPPRESSION_WINDOW_MS],
    ]);
  });

  it('admits more at the rates of their kinds: audit and debugging', () => {
    const { offer, advance } = setUp();
    for (const event of ['stream-opened', 'visitor-opened']) {
      expect(offer(AUDIT_BURST_LINES + 1, 'laptop', event, 'info')).toBe(AUDIT_BURST_LINES);
    }
    offer(DEBUG_BURST_LINES, 'laptop', 'x', 'debug');
    advance(1000);
    expect(offer(1000, 'laptop', 'visitor-opened', 'info')).toBe(AUDIT_LINES_PER_SECOND);
    expect(offer(1000, 'laptop', 'x', 'debug')).toBe(DEBUG_LINES_PER_SECOND);
  });

  it('remembers no kind that is quiet at the end of a window, and those that are not', () => {
    const { limiter, offer, advance } = setUp();
    offer(1, 'phone');
    offer(2 * LOG_BURST_LINES, 'laptop');
    advance(SUPPRESSION_WINDOW_MS);
    expect(limiter.bucketCount).toBe(1);
  });

  it('keeps one timer, and none when nothing is held back', () => {
    const { offer, timers, advance } = setUp();
    offer(LOG_BURST_LINES);
    expect(timers).toHaveLength(0);
    offer(5);
    offer(100, 'phone');
    expect(timers).toHaveLength(1);
    advance(SUPPRESSION_WINDOW_MS);
    expect(timers).toHaveLength(0);
  });
});
