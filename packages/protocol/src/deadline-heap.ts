/** Which of many items is due first: a binary heap that knows where each item lies, so that a deadline can be moved.
 *
 *  An owner of many things with one deadline each (an endpoint's peers) sets an item's deadline whenever it may have changed, asks
 *  for the earliest one, and takes out those that are due. Setting costs O(log n) in the number of items that have a deadline and
 *  makes no garbage; an item without one costs nothing. */
export class DeadlineHeap<T> {
  /** A heap in `#at`: no item is due before its parent, (i - 1) / 2. The three belong together index by index. */
  readonly #items: T[] = [];
  readonly #at: number[] = [];
  readonly #positions = new Map<T, number>();

  /** How many items have a deadline. */
  get size(): number {
    return this.#items.length;
  }

  /** When the first item is due; infinite when none is. */
  get earliestAt(): number {
    return this.#at[0] ?? Number.POSITIVE_INFINITY;
  }

  /** The item that is due first, or undefined. */
  get earliest(): T | undefined {
    return this.#items[0];
  }

  /** Sets or moves the item's deadline. Infinity means that it has none. */
  set(item: T, at: number): void {
    if (at === Number.POSITIVE_INFINITY) {
      this.delete(item);
      return;
    }
    const position = this.#positions.get(item);
    if (position === undefined) this.#rise(this.#items.length, item, at);
    else if (at < (this.#at[position] as number)) this.#rise(position, item, at);
    else if (at > (this.#at[position] as number)) this.#sink(position, item, at);
  }

  delete(item: T): void {
    const position = this.#positions.get(item);
    if (position === undefined) return;
    this.#positions.delete(item);
    const last = this.#items.pop() as T;
    const at = this.#at.pop() as number;
    if (position === this.#items.length) return;
    // The last item fills the gap. It may belong above it or below it.
    if (position > 0 && at < (this.#at[(position - 1) >>> 1] as number)) this.#rise(position, last, at);
    else this.#sink(position, last, at);
  }

  /** Takes out the earliest item that is due by `now`. @returns undefined when none is */
  takeDue(now: number): T | undefined {
    if (this.earliestAt > now) return undefined;
    const item = this.#items[0] as T;
    this.delete(item);
    return item;
  }

  clear(): void {
    this.#items.length = 0;
    this.#at.length = 0;
    this.#positions.clear();
  }

  /** Moves the gap at `position` towards the root until the item may lie in it. */
  #rise(position: number, item: T, at: number): void {
    let gap = position;
    while (gap > 0) {
      const parent = (gap - 1) >>> 1;
      if ((this.#at[parent] as number) <= at) break;
      this.#put(gap, this.#items[parent] as T, this.#at[parent] as number);
      gap = parent;
    }
    this.#put(gap, item, at);
  }

  /** Moves the gap at `position` towards the leaves until the item may lie in it. */
  #sink(position: number, item: T, at: number): void {
    const end = this.#items.length;
    let gap = position;
    for (let child = 2 * gap + 1; child < end; child = 2 * gap + 1) {
      if (child + 1 < end && (this.#at[child + 1] as number) < (this.#at[child] as number)) child++;
      if ((this.#at[child] as number) >= at) break;
      this.#put(gap, this.#items[child] as T, this.#at[child] as number);
      gap = child;
    }
    this.#put(gap, item, at);
  }

  #put(position: number, item: T, at: number): void {
    this.#items[position] = item;
    this.#at[position] = at;
    this.#positions.set(item, position);
  }
}
