/** The program from its arguments to its exit code. */
import { Command } from 'commander';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type * as Errors from '../src/cli-error.js';

const EVENTS = ['uncaughtException', 'unhandledRejection'] as const;

/** Runs a program with one command in a process that has not used any of its modules. */
async function run(action: (errors: typeof Errors) => void | Promise<void>) {
  vi.resetModules();
  const errors = await import('../src/cli-error.js');
  const { runMain } = await import('../src/run-main.js');
  const { stderrWriter } = await import('../src/stderr.js');
  const { untilStopSignal } = await import('../src/stop-signal.js');
  const { argv, exitCode } = process;
  const before = new Map(EVENTS.map((event) => [event, process.listeners(event as never)]));
  const beforeOut = process.stdout.listeners('error');
  process.argv = ['node', 'underpass', 'act', 'now'];
  const printed: string[] = [];
  const exits: unknown[] = [];
  vi.spyOn(stderrWriter(), 'write').mockImplementation((line) => void printed.push(line));
  vi.spyOn(process, 'exit').mockImplementation(((code: unknown) => exits.push(code)) as never);
  onTestFinished(() => {
    vi.restoreAllMocks();
    Object.assign(process, { argv, exitCode });
    for (const event of EVENTS) for (const listener of addedTo(event)) process.off(event, listener);
    for (const listener of process.stdout.listeners('error') as (() => void)[])
      if (!beforeOut.includes(listener)) process.stdout.off('error', listener);
    vi.resetModules();
  });
  const addedTo = (event: (typeof EVENTS)[number]) =>
    (process.listeners(event as never) as ((error: unknown) => void)[]).filter(
      (listener) => !before.get(event)?.includes(listener as never),
    );
  /** Requests a stop, as a signal does. */
  const stop = () => {
    const host = { on: (_: string, listener: () => void) => listener(), exit: () => {}, schedule: () => {} };
    void untilStopSignal(['SIGTERM'], host);
  };
  process.exitCode = undefined;
  const heard: unknown[] = [];
  const command = new Command('act').argument('<when>').action((when: string) => {
    heard.push(when);
    return action(errors);
  });
  const ended = runMain([command]);
  return {
    ended,
    errors,
    heard,
    printed,
    exits,
    addedTo,
    stop,
    outListeners: () => process.stdout.listeners('error').length - beforeOut.length,
  };
}

describe('the program', () => {
  it('runs the command of its arguments, and leaves its exit code to the end of the process', async () => {
    const { ended, heard, printed, exits, outListeners } = await run(() => undefined);
    await ended;
    expect([heard, printed, exits, process.exitCode, outListeners()]).toEqual([['now'], [], [], 0, 1]);
  });

  it('prints what failed, and has its exit code', async () => {
    const { ended, printed, exits } = await run(({ usageError }) => {
      throw usageError('it is wrong', 'do that');
    });
    await ended;
    expect([printed, exits, process.exitCode]).toEqual([['underpass: it is wrong: do that'], [], 2]);
  });

  it('exits at once when it was told to stop, although somebody may not read its output', async () => {
    let end = (): void => undefined;
    const { ended, exits, stop } = await run(
      () =>
        new Promise<void>((resolve) => {
          end = resolve;
        }),
    );
    stop();
    expect(exits).toEqual([]);
    end();
    await ended;
    expect(exits).toEqual([undefined]);
  });

  it.each(EVENTS)('ends with a line for what nothing has caught: %s', async (event) => {
    const { ended, addedTo, printed, exits, errors } = await run(() => undefined);
    await ended;
    const [listener, ...others] = addedTo(event);
    expect(others).toEqual([]);
    listener?.(new TypeError('x is not a function'));
    expect(printed).toEqual([
      expect.stringMatching(/^underpass: internal error: TypeError: x is not a function/),
    ]);
    expect(exits).toEqual([70]);
    listener?.(errors.usageError('expected'));
    expect([printed.at(-1), exits.at(-1)]).toEqual(['underpass: expected', 2]);
  });
});
