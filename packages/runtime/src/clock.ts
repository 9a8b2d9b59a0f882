/** The two clocks: one for intervals, which never jumps, and the wall's, only for the handshake's timestamp. */

/** Monotonic milliseconds with a fraction; the zero is arbitrary. */
export function monotonicMs(): number {
  return performance.now();
}

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
