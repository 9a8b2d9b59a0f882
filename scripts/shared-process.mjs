// A setup file of vitest for tests that share a process. A file fails if it leaves the process different from how it found
// it, because the files that follow would depend on it.

import process from 'node:process';
import { afterAll, expect, vi } from 'vitest';
import { replacesModules } from './replaces-modules.mjs';

// A module that is loaded already cannot be replaced, and one that has loaded a replacement is of no use to others.
const replaces = replacesModules(expect.getState().testPath);
if (replaces || globalThis.hasReplacedModules) vi.resetModules();
globalThis.hasReplacedModules = replaces;

// These give up after a second, which a busy machine exceeds. A test that waits in vain ends by its own limit.
if (!globalThis.waitsPatiently) {
  for (const name of ['waitFor', 'waitUntil']) {
    const wait = vi[name];
    vi[name] = (condition, options) => wait(condition, options ?? { timeout: 120_000 });
  }
  globalThis.waitsPatiently = true;
}

// vitest takes spies off after all hooks of a file. If one covers a fake timer, the fake one is left to the next file, whose
// timers would never fire.
const timers = [setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate, Date];
globalThis.timersOfProcess ??= timers;
expect(timers, 'the timers that the file before has left').toEqual(globalThis.timersOfProcess);

const before = stateOfProcess();
// Hooks run in reverse order, so this one comes after those of the test file.
afterAll(() => expect(stateOfProcess(), 'the process after this file').toEqual(before));

function stateOfProcess() {
  const signals = process.eventNames().filter((name) => String(name).startsWith('SIG'));
  return {
    directory: process.cwd(),
    umask: process.umask(),
    environment: { ...process.env },
    exitCode: process.exitCode,
    signalListeners: signals.map((name) => [name, process.listenerCount(name)]),
    hasFakeTimers: vi.isFakeTimers(),
  };
}
