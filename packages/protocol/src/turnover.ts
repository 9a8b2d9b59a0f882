/** Collections whose members come and go, such as the open streams (docs/adr/0040-turnover.md). */

/** After so many additions, and as many more as there are members, the members move to a new table. */
const ADDITIONS_PER_TABLE = 64;

/** A map that does not keep alive what was removed from it.
 *
 *  V8 gives a `Map` a new table after a few additions, and the old table refers to the new one. If an old table has
 *  grown old enough to be left alone by the garbage collector's quick runs, all later tables hang on it, and all that
 *  they ever held. So this map begins with a new `Map` now and then.
 *
 *  To iterate is safe while members are removed, but not while members are added. */
export class TurnoverMap<K, V> {
  #entries = new Map<K, V>();
  #additions = 0;

  get size(): number {
    return this.#entries.size;
  }
  has(key: K): boolean {
    return this.#entries.has(key);
  }
  get(key: K): V | undefined {
    return this.#entries.get(key);
  }

  set(key: K, value: V): void {
    const { size } = this.#entries;
    this.#entries.set(key, value);
    if (this.#entries.size === size || ++this.#additions <= size + ADDITIONS_PER_TABLE) return;
    this.#entries = new Map(this.#entries);
    this.#additions = 0;
  }

  /** @returns whether it was there */
  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    if (this.#entries.size === 0) return;
    this.#entries = new Map();
    this.#additions = 0;
  }

  /** In the order in which they were added, as are the others. */
  keys(): IterableIterator<K> {
    return this.#entries.keys();
  }
  values(): IterableIterator<V> {
    return this.#entries.values();
  }
  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#entries.entries();
  }
}

/** A set of the same kind. */
export class TurnoverSet<T> {
  readonly #members = new TurnoverMap<T, true>();

  get size(): number {
    return this.#members.size;
  }
  has(member: T): boolean {
    return this.#members.has(member);
  }
  add(member: T): void {
    this.#members.set(member, true);
  }

  /** @returns whether it was there */
  delete(member: T): boolean {
    return this.#members.delete(member);
  }
  clear(): void {
    this.#members.clear();
  }

  /** In the order in which they were added. */
  [Symbol.iterator](): IterableIterator<T> {
    return this.#members.keys();
  }
}
