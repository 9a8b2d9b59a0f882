/** Looks into a directory whenever something in it may have changed. */
import { type FSWatcher, watch } from 'node:fs';
import type { Timers } from '@underpass/runtime';

/** How often to look, where the system does not report changes: on some network file systems, or behind a link. */
export const DIRECTORY_POLL_MS = 2_000;

/** Calls `look` at once, whenever the system reports a change in the directory, and every two seconds.
 *
 *  What a change is, and whether there was one, is for the caller to find out. The directory may not exist yet, and may
 *  be replaced. */
export class DirectoryWatch {
  readonly #directory: string;
  readonly #look: () => void;
  readonly #timers: Timers;
  #watcher: FSWatcher | undefined;
  #timer: object | undefined;

  constructor(directory: string, look: () => void, timers: Timers) {
    this.#directory = directory;
    this.#look = look;
    this.#timers = timers;
    this.#poll();
  }

  close(): void {
    this.#watcher?.close();
    if (this.#timer !== undefined) this.#timers.clear(this.#timer);
  }

  #poll(): void {
    this.#watch();
    this.#look();
    this.#timer = this.#timers.set(() => this.#poll(), DIRECTORY_POLL_MS);
  }

  #watch(): void {
    if (this.#watcher !== undefined) return;
    try {
      const watcher = watch(this.#directory, { persistent: false }, () => this.#look());
      this.#watcher = watcher;
      watcher.on('error', () => {
        watcher.close();
        if (this.#watcher === watcher) this.#watcher = undefined;
      });
    } catch {
      // Looking every two seconds has to do.
    }
  }
}
