/** Timers that a test moves on. Other code of the same process may set some too, so a test counts only those that last as
 *  long as the one it means. */
import { onTestFinished, vi } from 'vitest';

/** @returns how many timers of that duration were set and not cleared. One that has fired counts until it is cleared */
export function useFakeTimers(): (durationMs: number) => number {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const set = vi.spyOn(globalThis, 'setTimeout');
  const clear = vi.spyOn(globalThis, 'clearTimeout');
  onTestFinished(() => {
    set.mockRestore();
    clear.mockRestore();
    vi.useRealTimers();
  });
  return (durationMs) => {
    const cleared = new Set(clear.mock.calls.map(([timer]) => timer as unknown));
    const timers = set.mock.calls.flatMap(([, ms], i) =>
      ms === durationMs ? [set.mock.results[i]?.value] : [],
    );
    return timers.filter((timer) => !cleared.has(timer)).length;
  };
}
