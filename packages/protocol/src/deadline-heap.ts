/** Finds the earliest of many deadlines: a binary heap that also knows where each item lies, so that a deadline can
 *  move.
 *
 *  Each item has at most one deadline. The owner of the items (WireGuard for its sessions, for example) sets an item's
 *  deadline whenever it may have changed, asks for the earliest, and takes out the items that are due. The heap reads
 *  no clock and never calls an item. To set a deadline takes O(log n) steps, where n is the number of items that have
 *  one, and to move one allocates nothing. An item without a deadline takes neither time nor memory. */
export class DeadlineHeap<T> {
  /** A heap ordered by `#at`: no item is due before its parent, which is at (i - 1) / 2, rounded down. `#items[i]` is
   *  due at `#at[i]`, and `#positions` maps it to i. */
  readonly #items: T[] = [];
  readonly #at: number[] = [];
  readonly #positions = new Map<T, number>();

  /** How many items have a deadline. */
  get size(): number {
    return this.#items.length;
  }

  /** When the earliest item is due, in ms; Infinity if no item has a deadline. */
  get earliestAt(): number {
    return this.#at[0] ?? Number.POSITIVE_INFINITY;
  }

  /** The item with the earliest deadline, or undefined if no item has one. */
  get earliest(): T | undefined {
    return this.#items[0];
  }

  /** Sets or moves the item's deadline. Infinity removes it. */
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

  /** Removes the item's deadline, if it has one. */
  delete(item: T): void {
    const position = this.#positions.get(item);
    if (position === undefined) return;
    this.#positions.delete(item);
    const last = this.#items.pop() as T;
    const at = this.#at.pop() as number;
    if (position === this.#items.length) return;
    // The last item fills the gap. It may belong higher or lower than that.
    if (position > 0 && at < (this.#at[(position - 1) >>> 1] as number)) this.#rise(position, last, at);
    else this.#sink(position, last, at);
  }

  /** Removes the earliest deadline, if it is at `now` or before.
   *  @returns its item, or undefined when none is due */
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

  /** Moves the gap at `position` towards the root until the item fits, and puts the item there. */
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

  /** Moves the gap at `position` towards the leaves until the item fits, and puts the item there. */
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
