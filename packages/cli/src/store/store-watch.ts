/** Notices that a command has changed a relay's store. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Timers } from '@underpass/runtime';
import { DirectoryWatch } from '../directory-watch.js';
import { CHANGED_FILE } from './store-files.js';

/** A command that has changed the store also asks the relay to reload. This is how long the watch leaves it to that. */
export const STORE_SETTLE_MS = 250;

/** Calls back after each change of a store that a command has made.
 *
 *  Each command writes a random word to one file in the store. The system reports that at once where it can, and the
 *  watch also looks every two seconds. `noteSeen` keeps it from reporting a change of which the relay has learnt in
 *  another way. It never reads anything else, and never writes. */
export class StoreWatch {
  readonly #directory: string;
  readonly #onChange: () => void;
  readonly #timers: Timers;
  readonly #watch: DirectoryWatch;
  #word: string | undefined;
  /** Set between noticing a change and reporting it. */
  #settling: object | undefined;

  constructor(directory: string, onChange: () => void, timers: Timers) {
    this.#directory = directory;
    this.#onChange = onChange;
    this.#timers = timers;
    this.#word = this.#read();
    this.#watch = new DirectoryWatch(directory, () => this.#check(), timers);
  }

  /** Call when the store is being read anyway. */
  noteSeen(): void {
    this.#word = this.#read() ?? this.#word;
  }

  close(): void {
    this.#watch.close();
    if (this.#settling !== undefined) this.#timers.clear(this.#settling);
  }

  #check(): void {
    if (!this.#hasChanged() || this.#settling !== undefined) return;
    this.#settling = this.#timers.set(() => {
      this.#settling = undefined;
      if (!this.#hasChanged()) return;
      this.noteSeen();
      this.#onChange();
    }, STORE_SETTLE_MS);
  }

  #hasChanged(): boolean {
    const word = this.#read();
    return word !== undefined && word !== this.#word;
  }

  #read(): string | undefined {
    try {
      return readFileSync(path.join(this.#directory, CHANGED_FILE), 'utf8');
    } catch {
      return undefined;
    }
  }
}
