import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { systemTimers, type Timers } from '@underpass/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import { removeStored, setRules } from '../../src/store/store-changes.js';
import { STORE_SETTLE_MS, StoreWatch } from '../../src/store/store-watch.js';
import { loadStoredPeer, type StoredPeer } from '../../src/store/stored-peer.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { storeWithInvite } from './invites.js';

/** Timers that fire when the test says so. */
class ManualTimers implements Timers {
  readonly #due = new Map<object, { readonly callback: () => void; readonly delayMs: number }>();
  set(callback: () => void, delayMs: number): object {
    const timer = {};
    this.#due.set(timer, { callback, delayMs });
    return timer;
  }
  clear(timer: object): void {
    this.#due.delete(timer);
  }
  get waiting(): number {
    return this.#due.size;
  }
  fire(matches = (_delayMs: number): boolean => true): void {
    for (const [timer, { callback, delayMs }] of [...this.#due]) {
      if (!matches(delayMs)) continue;
      this.#due.delete(timer);
      callback();
    }
  }
  look = (): void => this.fire((delayMs) => delayMs !== STORE_SETTLE_MS);
  settle = (): void => this.fire((delayMs) => delayMs === STORE_SETTLE_MS);
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

  it('keeps what the relay has seen while the file cannot be read', () => {
    const directory = temporaryDirectory();
    const file = path.join(directory, '.changed');
    writeFileSync(file, 'one');
    const timers = new ManualTimers();
    const { watch, changes } = watched(directory, timers);
    rmSync(file);
    watch.noteSeen();
    writeFileSync(file, 'one'); // it was only moved away
    for (let n = 0; n < 4; n++) timers.fire();
    expect(changes()).toBe(0);
  });

  it('reports several changes that come together once, and those that come later again', () => {
    const directory = temporaryDirectory();
    const timers = new ManualTimers();
    const { changes } = watched(directory, timers);
    for (const [index, words] of [['one', 'two'], ['three'], ['four', 'five', 'six']].entries()) {
      for (const word of words) {
        writeFileSync(path.join(directory, '.changed'), word);
        timers.look();
      }
      expect(timers.waiting).toBe(2);
      expect(changes()).toBe(index);
      timers.settle();
      expect([changes(), timers.waiting]).toEqual([index + 1, 1]);
    }
  });

  it('ends, and reports nothing that it has just noticed', () => {
    const directory = temporaryDirectory();
    const timers = new ManualTimers();
    const { watch, changes } = watched(directory, timers);
    expect(timers.waiting).toBe(1);
    writeFileSync(path.join(directory, '.changed'), 'one');
    timers.look();
    expect(timers.waiting).toBe(2);
    watch.close();
    expect([timers.waiting, changes()]).toEqual([0, 0]);
  });
});
