/** Keeps some file descriptors in reserve (spec forwarding 2.7). */
import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { DESCRIPTOR_LOOK_MS, DESCRIPTOR_WARNING_MS, RESERVED_DESCRIPTORS } from './forward-constants.js';

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
 *  some descriptors, the only way that works on every system. Half of what it finds stays in reserve; the other half
 *  says how many more connections there may be than at that moment. Connections that come and go therefore cost one look
 *  a second, and a user that never calls `release` only makes it look more often. It never holds a descriptor between
 *  calls. */
export class DescriptorGuard {
  readonly #options: DescriptorGuardOptions;
  readonly #canOpen: (count: number) => boolean;
  /** Connections that were let in and not released. */
  #taken = 0;
  /** What `#taken` may reach before the guard has to look again ... */
  #safeUpTo = Number.NEGATIVE_INFINITY;
  /** ... within `DESCRIPTOR_LOOK_MS` of this, because not everything that opens descriptors asks. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  #refused = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(options: DescriptorGuardOptions) {
    this.#options = options;
    this.#canOpen = options.canOpen ?? canOpen;
  }

  /** Call once for each connection. @returns false when the connection must be given up */
  hasRoom(): boolean {
    const now = this.#options.now();
    if (this.#taken >= this.#safeUpTo || now - this.#lookedAt >= DESCRIPTOR_LOOK_MS) {
      if (!this.#canOpen(RESERVED_DESCRIPTORS)) {
        this.refuse();
        return false;
      }
      this.#lookedAt = now;
      // This connection, and half of the others. The other half stays in reserve.
      this.#safeUpTo = this.#taken + 1 + RESERVED_DESCRIPTORS / 2;
    }
    this.#taken++;
    return true;
  }

  /** Call when a connection that was let in is closed. */
  release(): void {
    this.#taken--;
  }

  /** Counts a connection that failed for lack of a descriptor. */
  refuse(): void {
    this.#safeUpTo = Number.NEGATIVE_INFINITY;
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
