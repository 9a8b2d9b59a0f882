/** Keeps some file descriptors in reserve (spec forwarding 2.7). */
import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { DESCRIPTOR_WARNING_MS, RESERVED_DESCRIPTORS } from './forward-constants.js';

export const OUT_OF_DESCRIPTORS =
  'this process is out of file descriptors: raise its limit (ulimit -n, or LimitNOFILE= in its systemd unit)';

export interface DescriptorGuardOptions {
  /** Called at the first refusal and then at most once a minute. @param refused refusals since the last call */
  readonly onShortage: (refused: number) => void;
  readonly now: () => number;
  /** Whether `count` descriptors can be opened now. By default, opens and closes them. */
  readonly canOpen?: (count: number) => boolean;
}

/** Answers whether this process can afford a descriptor for one more connection.
 *
 *  A process without descriptors fails in misleading ways. libuv accepts waiting connections and closes them at once,
 *  which a program takes for an empty answer. So everything that is about to use a descriptor for a connection asks the
 *  guard first, and gives the connection up with a visible failure if there is none. The guard finds out by opening
 *  some descriptors, the only way that works on every system. It hands out half of what it found before it looks again,
 *  and keeps the other half in reserve. It never holds a descriptor between calls. */
export class DescriptorGuard {
  readonly #options: DescriptorGuardOptions;
  readonly #canOpen: (count: number) => boolean;
  /** Connections that may still start before the guard has to look again. */
  #known = 0;
  #refused = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(options: DescriptorGuardOptions) {
    this.#options = options;
    this.#canOpen = options.canOpen ?? canOpen;
  }

  /** Call once for each connection. @returns false when the connection must be given up */
  hasRoom(): boolean {
    if (this.#known > 0) {
      this.#known--;
      return true;
    }
    // The other half stays in reserve.
    if (this.#canOpen(RESERVED_DESCRIPTORS)) {
      this.#known = RESERVED_DESCRIPTORS / 2;
      return true;
    }
    this.refuse();
    return false;
  }

  /** Counts a connection that failed for lack of a descriptor. */
  refuse(): void {
    this.#known = 0;
    this.#refused++;
    const now = this.#options.now();
    if (now - this.#warnedAt < DESCRIPTOR_WARNING_MS) return;
    this.#warnedAt = now;
    this.#options.onShortage(this.#refused);
    this.#refused = 0;
  }
}

function canOpen(count: number): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(openSync(devNull, 'r'));
    return true;
  } catch {
    return false;
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}
