/** Timers that a test moves on. Other code of the same process may set some too, so a test counts only those that last as
 *  long as the one it means. */
import { onTestFinished, vi } from 'vitest';

/** It puts functions of its own before the fake ones, and no spies: vitest would take those off once more at the end of the
 *  file, and leave fake timers to the files that follow in the same process.
 *  @returns how many timers of that duration were set and not cleared. One that has fired counts until it is cleared */
export function useFakeTimers(): (durationMs: number) => number {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const fake = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  const pending = new Map<unknown, number | undefined>();
  Object.assign(globalThis, {
    setTimeout: (callback: () => void, durationMs?: number) => {
      const timer = fake.setTimeout(callback, durationMs);
      pending.set(timer, durationMs);
      return timer;
    },
    clearTimeout: (timer: NodeJS.Timeout) => {
      pending.delete(timer);
      fake.clearTimeout(timer);
    },
  });
  onTestFinished(() => {
    Object.assign(globalThis, fake);
    vi.useRealTimers();
  });
  return (durationMs) => [...pending.values()].filter((each) => each === durationMs).length;
}
