import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { systemTimers, type Timers } from '@underpass/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import { removeStored, setRules } from '../../src/store/store-changes.js';
import { StoreWatch } from '../../src/store/store-watch.js';
import { loadStoredPeer, type StoredPeer } from '../../src/store/stored-peer.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { storeWithInvite } from './invites.js';

/** Timers that fire when the test says so. */
class ManualTimers implements Timers {
  #callbacks = new Map<object, () => void>();
  set(callback: () => void): object {
    const timer = {};
    this.#callbacks.set(timer, callback);
    return timer;
  }
  clear(timer: object): void {
    this.#callbacks.delete(timer);
  }
  get waiting(): number {
    return this.#callbacks.size;
  }
  fire(): void {
    const due = [...this.#callbacks.values()];
    this.#callbacks.clear();
    for (const callback of due) callback();
  }
}

function watched(directory: string, timers: Timers) {
  let changes = 0;
  let wake = (): void => {};
  const watch = new StoreWatch(
    directory,
    () => {
      changes++;
      wake();
    },
    timers,
  );
  onTestFinished(() => watch.close());
  const until = async (count: number): Promise<void> => {
    while (changes < count) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { watch, changes: () => changes, until };
}

describe('the watch of a store', () => {
  it('reports each change of a command', async () => {
    const directory = storeWithInvite();
    const { until } = watched(directory, systemTimers);
    setRules(directory, loadStoredPeer(directory, 'laptop') as StoredPeer, { allow: [] });
    await until(1);
    removeStored(directory, 'laptop');
    await until(2);
  });

  it('finds changes by looking, even in a store that was made later', () => {
    const directory = path.join(temporaryDirectory(), 'relay.d');
    const timers = new ManualTimers();
    const { changes } = watched(directory, timers);
    timers.fire();
    expect(changes()).toBe(0);
    mkdirSync(directory);
    writeFileSync(path.join(directory, '.changed'), 'one');
    timers.fire();
    timers.fire();
    expect(changes()).toBe(1);
    timers.fire();
    timers.fire();
    expect(changes()).toBe(1);
  });

  it('reports nothing while the file cannot be read, however often it looks', () => {
    const directory = temporaryDirectory();
    const file = path.join(directory, '.changed');
    writeFileSync(file, 'one');
    const timers = new ManualTimers();
    const { changes } = watched(directory, timers);
    rmSync(file);
    for (let n = 0; n < 4; n++) timers.fire();
    expect(changes()).toBe(0);
    writeFileSync(file, 'one'); // it was only moved away
    for (let n = 0; n < 4; n++) timers.fire();
    expect(changes()).toBe(0);
  });

  it('does not report what the relay has seen already', () => {
    const directory = storeWithInvite();
    const timers = new ManualTimers();
    const { watch, changes } = watched(directory, timers);
    removeStored(directory, 'laptop');
    timers.fire(); // it looks
    watch.noteSeen();
    timers.fire();
    expect(changes()).toBe(0);
  });

  it('ends', () => {
    const timers = new ManualTimers();
    const { watch } = watched(temporaryDirectory(), timers);
    expect(timers.waiting).toBe(1);
    watch.close();
    expect(timers.waiting).toBe(0);
  });
});
