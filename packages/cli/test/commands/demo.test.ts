import { expect, it, vi } from 'vitest';
import { demoCommand } from '../../src/commands/demo.js';

const stage = vi.hoisted(() => ({ signals: [] as readonly string[] }));
vi.mock('../../src/demo/run-demo.js', () => ({
  runDemo: (_flags: object, interrupted: Promise<never>) => interrupted,
}));
vi.mock('../../src/stop-signal.js', () => ({
  untilStopSignal: async (signals: readonly string[] = ['SIGINT', 'SIGTERM']) => {
    stage.signals = signals;
    return signals.at(-1);
  },
}));

it('a demo whose terminal is closed stops too, because its relay would take the signal for a reload', async () => {
  const demo = demoCommand().parseAsync([], { from: 'user' });
  await expect(demo).rejects.toThrow('the demo was stopped by SIGHUP');
  expect(stage.signals).toEqual(['SIGINT', 'SIGTERM', 'SIGHUP']);
});
