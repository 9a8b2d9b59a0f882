/** Looking into a directory, with a system that the test plays. */
import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { DIRECTORY_POLL_MS, DirectoryWatch } from '../src/directory-watch.js';
import { ManualTimers } from './config/manual-timers.js';

class PlayedWatcher extends EventEmitter {
  readonly change: () => void;
  isClosed = false;
  constructor(change: () => void) {
    super();
    this.change = change;
  }
  close(): void {
    this.isClosed = true;
  }
}

let watchers: PlayedWatcher[] = [];
let asked: unknown[] = [];
let canWatch = true;
beforeEach(() => {
  [watchers, asked, canWatch] = [[], [], true];
  vi.spyOn(fs, 'watch').mockImplementation(((directory: string, options: object, change: () => void) => {
    asked.push([directory, options]);
    if (!canWatch) throw new Error('ENOENT');
    const watcher = new PlayedWatcher(change);
    watchers.push(watcher);
    return watcher;
  }) as never);
  syncBuiltinESMExports();
  onTestFinished(() => {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
  });
});

function start() {
  const timers = new ManualTimers();
  const delays: number[] = [];
  const set = timers.set.bind(timers);
  timers.set = (callback, delayMs) => {
    delays.push(delayMs);
    return set(callback, delayMs);
  };
  let looks = 0;
  const watch = new DirectoryWatch('/etc/underpass', () => looks++, timers);
  const poll = () => timers.fire(() => true);
  return { watch, timers, delays, poll, looks: () => looks };
}

describe('the watch of a directory', () => {
  it('looks at once, when the system reports a change, and every two seconds', () => {
    const { looks, delays, poll } = start();
    expect(looks()).toBe(1);
    watchers[0]?.change();
    expect(looks()).toBe(2);
    poll();
    poll();
    expect([looks(), delays]).toEqual([4, [DIRECTORY_POLL_MS, DIRECTORY_POLL_MS, DIRECTORY_POLL_MS]]);
    expect(DIRECTORY_POLL_MS).toBe(2_000);
  });

  it('asks the system once, in a way that does not keep the program running', () => {
    const { poll } = start();
    poll();
    expect(asked).toEqual([['/etc/underpass', { persistent: false }]]);
  });

  it('asks the system again after it has failed, or if it could not', () => {
    canWatch = false;
    const { poll, looks } = start();
    expect([watchers.length, looks()]).toEqual([0, 1]);
    canWatch = true;
    poll();
    const [first] = watchers;
    first?.emit('error', new Error('the directory is gone'));
    expect(first?.isClosed).toBe(true);
    poll();
    expect([watchers.length, asked.length, looks()]).toEqual([2, 3, 3]);
    first?.emit('error', new Error('late')); // the second stays
    poll();
    expect([watchers.length, watchers[1]?.isClosed]).toEqual([2, false]);
  });

  it('leaves nothing behind when it is closed', () => {
    const { watch, timers } = start();
    watch.close();
    expect([watchers[0]?.isClosed, timers.waiting]).toEqual([true, 0]);
  });

  it('can be closed where the system reports nothing', () => {
    canWatch = false;
    const { watch, timers } = start();
    watch.close();
    expect(timers.waiting).toBe(0);
  });
});
