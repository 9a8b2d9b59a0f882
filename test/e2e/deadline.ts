import { onTestFinished } from 'vitest';

/** Long enough for a busy machine. A test that passes never waits that long. */
export const DEADLINE_MS = 60_000;

/** Calls `fail` once a wait takes too long. When the test ends, so does the deadline: a wait that nobody awaits any more
 *  would fail in the middle of another test. */
export function startDeadline(fail: () => void, deadlineMs = DEADLINE_MS): NodeJS.Timeout {
  const timer = setTimeout(fail, deadlineMs);
  onTestFinished(() => clearTimeout(timer));
  return timer;
}
