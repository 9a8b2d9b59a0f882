/** The two clocks: one for intervals, which never goes back, and the wall's, only for the handshake's timestamp. */
import { uptime } from 'node:os';

/** The system's uptime has this grain, and the two clocks drift: a smaller difference is no sleep. */
const MIN_SLEEP_MS = 1_000;
/** How often the uptime is looked at: it costs a system call. */
const SLEEP_CHECK_MS = 250;

/** A clock that goes on while the machine sleeps, as keys must grow old and timers must expire (spec outage 5).
 *  @param awakeMs a monotonic clock that stands still meanwhile
 *  @param uptimeMs since the machine started, sleep included */
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

/** Monotonic milliseconds with a fraction, sleep included; the zero is arbitrary. */
export const monotonicMs: () => number = sleepAwareClock(
  () => performance.now(),
  () => 1000 * uptime(),
);

/** Unix milliseconds. */
export function unixTimeMs(): number {
  return Date.now();
}

/** One-shot timers, as an argument wherever a test wants to say when they fire. */
export interface Timers {
  set(callback: () => void, delayMs: number): object;
  clear(timer: object): void;
}

export const systemTimers: Timers = {
  set: (callback, delayMs) => setTimeout(callback, delayMs),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
};
