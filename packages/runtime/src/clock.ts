/** Two clocks: a monotonic one for intervals, and the wall clock, which only handshake timestamps use. */
import { uptime } from 'node:os';

/** Uptime is coarse and the two clocks drift apart, so a smaller difference does not mean that the machine slept. */
const MIN_SLEEP_MS = 1_000;
/** How often to read the uptime, which takes a system call. */
const SLEEP_CHECK_MS = 250;

/** Returns a monotonic clock that also counts the time for which the machine slept, because keys must age and timers
 *  must expire during that time (spec outage 5).
 *
 *  @param awakeMs  a monotonic clock that stops while the machine sleeps
 *  @param uptimeMs  the time since the machine started, including sleep */
export function sleepAwareClock(awakeMs: () => number, uptimeMs: () => number): () => number {
  let sleptMs = 0;
  let difference = uptimeMs() - awakeMs();
  let checkedAt = awakeMs();
  return () => {
    const now = awakeMs();
    if (now - checkedAt >= SLEEP_CHECK_MS) {
      checkedAt = now;
      const newDifference = uptimeMs() - now;
      if (newDifference - difference >= MIN_SLEEP_MS) {
        sleptMs += newDifference - difference;
        difference = newDifference;
      } else if (newDifference < difference) difference = newDifference;
    }
    return now + sleptMs;
  };
}

/** Monotonic milliseconds with a fraction, including sleep. The zero is arbitrary. */
export const monotonicMs: () => number = sleepAwareClock(
  () => performance.now(),
  () => 1000 * uptime(),
);

/** Unix milliseconds. */
export function unixTimeMs(): number {
  return Date.now();
}

/** One-shot timers. Passed as an argument where a test wants to control when they fire. */
export interface Timers {
  set(callback: () => void, delayMs: number): object;
  clear(timer: object): void;
}

export const systemTimers: Timers = {
  set: (callback, delayMs) => setTimeout(callback, delayMs),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
};
