/** Virtual time. */

interface Scheduled {
  readonly at: number;
  /** Events at the same moment run in the order in which they were scheduled. */
  readonly order: number;
  readonly action: () => void;
}

/** The clock of a simulation and everything that is scheduled on it.
 *
 *  `runNext` moves the clock to the next event and runs it; between two events no time passes. All networks and
 *  processes of a simulation share one queue, so their order is the same in every run. The queue never looks at what an
 *  event does. */
export class EventQueue {
  /** Virtual milliseconds. */
  now = 0;
  /** A binary heap with the earliest event at index 0. */
  readonly #heap: Scheduled[] = [];
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** When the next event is due, or undefined without any. */
  get nextAt(): number | undefined {
    return this.#heap[0]?.at;
  }

  /** @param at  a moment; a past one means now */
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
