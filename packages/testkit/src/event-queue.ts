/** Virtual time: what is to happen, in order. The clock stands still between two events. */

interface Scheduled {
  readonly at: number;
  /** Among events of one moment, the one that was scheduled first comes first. */
  readonly order: number;
  readonly action: () => void;
}

export class EventQueue {
  /** Virtual milliseconds. */
  now = 0;
  /** A binary heap: the earliest event is at 0. */
  readonly #heap: Scheduled[] = [];
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** When the next event is due, or `undefined`. */
  get nextAt(): number | undefined {
    return this.#heap[0]?.at;
  }

  /** @param at a moment; one that is past means now */
  schedule(at: number, action: () => void): void {
    const heap = this.#heap;
    const event = { at: Math.max(at, this.now), order: this.#order++, action };
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >>> 1;
      if (!isBefore(event, heap[parent] as Scheduled)) break;
      heap[i] = heap[parent] as Scheduled;
      i = parent;
    }
    heap[i] = event;
  }

  /** Moves the clock to the next event and runs it. @returns false when there is none */
  runNext(): boolean {
    const next = this.#heap[0];
    if (next === undefined) return false;
    this.#removeFirst();
    this.now = next.at;
    next.action();
    return true;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Scheduled;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Scheduled, heap[child] as Scheduled))
        child++;
      if (!isBefore(heap[child] as Scheduled, last)) break;
      heap[i] = heap[child] as Scheduled;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
