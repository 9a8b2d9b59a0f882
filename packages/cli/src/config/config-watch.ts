/** Notices that somebody has changed a config file. */
import { statSync } from 'node:fs';
import path from 'node:path';
import type { Timers } from '@underpass/runtime';
import { DirectoryWatch } from '../directory-watch.js';

/** How long a file must stay as it is. Some editors write a file in several steps, or remove it first. */
export const CONFIG_SETTLE_MS = 500;

/** Stands for one version of a file. It differs once the file has been written or replaced, and also once its mode or owner
 *  has changed, because a file that others can change is refused until then. Undefined for a file that is missing at the
 *  moment, and for a pipe, which can be read only once. */
export function configVersion(file: string): string | undefined {
  try {
    const stats = statSync(file, { bigint: true });
    return stats.isFile()
      ? `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.mode} ${stats.uid} ${stats.gid}`
      : undefined;
  } catch {
    return undefined;
  }
}

/** Calls back once for each change of a config file, when the file has not changed any more for half a second.
 *
 *  The system reports a change at once where it can, and the watch also looks every two seconds. It never reads the
 *  file: whether its content makes sense is for the caller to find out. `noteSeen` keeps it from reporting a version that
 *  the caller reads for another reason. */
export class ConfigWatch {
  readonly #file: string;
  readonly #onChange: () => void;
  readonly #timers: Timers;
  #seen: string | undefined;
  /** The changed version that must stay as it is for a while. */
  #candidate: string | undefined;
  #settling: object | undefined;
  readonly #directory: DirectoryWatch;

  /** @param seen  the version that the caller has read */
  constructor(file: string, seen: string | undefined, onChange: () => void, timers: Timers) {
    this.#file = file;
    this.#seen = seen;
    this.#onChange = onChange;
    this.#timers = timers;
    // The directory, because most editors replace the file.
    const directory = path.dirname(path.resolve(file));
    this.#directory = new DirectoryWatch(directory, () => this.#check(), timers);
  }

  /** Call before the file is read anyway. */
  noteSeen(): void {
    this.#seen = configVersion(this.#file) ?? this.#seen;
  }

  close(): void {
    this.#directory.close();
    if (this.#settling !== undefined) this.#timers.clear(this.#settling);
  }

  #check(): void {
    const version = configVersion(this.#file);
    if (version === undefined || version === this.#seen || this.#settling !== undefined) return;
    this.#candidate = version;
    this.#settling = this.#timers.set(() => this.#settle(), CONFIG_SETTLE_MS);
  }

  #settle(): void {
    this.#settling = undefined;
    const version = configVersion(this.#file);
    if (version === this.#candidate && version !== this.#seen) {
      this.#seen = version;
      this.#onChange();
    } else this.#check();
  }
}
