/** The keys that lie in files which a config names. */
import { resolveFrom } from './default-paths.js';

/** The keys that were read for one config, or for one directory of a store.
 *
 *  A key is read as soon as its field is checked, when nobody knows yet whether the config is acceptable. If it is, its
 *  keys belong to whoever gets it. If it is refused, nobody gets them, and they are wiped here. A running relay reads
 *  its config again after each change, mistakes included. */
export class KeyFiles {
  /** Where relative paths start. */
  directory: string;
  readonly #keys: Uint8Array[] = [];

  constructor(directory = '') {
    this.directory = directory;
  }

  read(file: string, readKey: (file: string) => Uint8Array): Uint8Array {
    const key = readKey(resolveFrom(this.directory, file));
    this.#keys.push(key);
    return key;
  }

  /** Runs what reads and checks. @throws what it throws, after its keys were wiped */
  wipeUnlessAccepted<T>(read: () => T): T {
    this.#keys.length = 0;
    try {
      return read();
    } catch (error) {
      for (const key of this.#keys) key.fill(0);
      throw error;
    } finally {
      this.#keys.length = 0;
    }
  }
}
