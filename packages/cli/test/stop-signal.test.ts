import { EventEmitter } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { stderrWriter } from '../src/stderr.js';
import { isStopping, STOP_LIMIT_MS, type StopSignal, untilStopSignal } from '../src/stop-signal.js';

function setUp() {
  const signals = new EventEmitter();
  const exits: number[] = [];
  const timers: { readonly delayMs: number; readonly callback: () => void }[] = [];
  const host = {
    on: (signal: StopSignal, listener: () => void) => void signals.on(signal, listener),
    exit: (code: number) => void exits.push(code),
    schedule: (delayMs: number, callback: () => void) => void timers.push({ delayMs, callback }),
  };
  return { signals, exits, timers, host };
}

describe('a stop signal', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('%s requests a clean stop', async (signal) => {
    const { signals, exits, host } = setUp();
    const stop = untilStopSignal(undefined, host);
    signals.emit(signal);
    expect(await stop).toBe(signal);
    expect(exits).toEqual([]);
  });

  it.each<[StopSignal, StopSignal, number]>([
    ['SIGTERM', 'SIGTERM', 143],
    ['SIGTERM', 'SIGINT', 130],
    ['SIGINT', 'SIGHUP', 129],
  ])('%s and then %s ends the process at once with %i', (first, second, code) => {
    const { signals, exits, host } = setUp();
    void untilStopSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], host);
    signals.emit(first);
    signals.emit(second);
    expect(exits).toEqual([code]);
  });

  it('ends the process when the clean stop takes too long', () => {
    const { signals, exits, timers, host } = setUp();
    void untilStopSignal(undefined, host);
    signals.emit('SIGTERM');
    expect(timers.map(({ delayMs }) => delayMs)).toEqual([STOP_LIMIT_MS]);
    const lines: string[] = [];
    vi.spyOn(stderrWriter(), 'write').mockImplementation((line) => void lines.push(line));
    timers[0]?.callback();
    vi.restoreAllMocks();
    expect([exits, lines]).toEqual([[1], ['underpass: did not stop cleanly within 4.5 s: exiting anyway']]);
    expect(isStopping()).toBe(true);
  });
});
