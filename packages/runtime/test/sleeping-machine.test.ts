import { expect, it, vi } from 'vitest';
import { monotonicMs } from '../src/clock.js';

const machine = vi.hoisted(() => ({ sleptMs: 0 }));

vi.mock(import('node:os'), async (original) => ({
  ...(await original()),
  uptime: () => (performance.now() + machine.sleptMs) / 1000, // Node gives it in seconds
}));

it('counts the whole time for which the machine slept (spec outage 5)', () => {
  const awakeMs = performance.now.bind(performance);
  const before = monotonicMs();
  vi.spyOn(performance, 'now').mockImplementation(() => awakeMs() + 300);
  machine.sleptMs = 3_600_000;
  const passedMs = monotonicMs() - before;
  vi.restoreAllMocks();
  expect(passedMs).toBeGreaterThan(3_600_299);
  expect(passedMs).toBeLessThan(3_610_000);
});
