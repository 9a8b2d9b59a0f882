/** Keeps a few file descriptors in reserve, so that nothing fails for want of one where a failure would look like something else
 *  (spec forwarding 2.7).
 *
 *  When a process has none left, libuv accepts the connections that wait and closes them at once. To the programs that is FIN, an empty
 *  answer. So whoever is about to take a descriptor for a connection asks here first, and gives the connection up with a reset when the
 *  answer is no. Whether there are some left is found out by opening them: no other way holds everywhere. */
import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { DESCRIPTOR_WARNING_MS, RESERVED_DESCRIPTORS } from './forward-constants.js';

export const OUT_OF_DESCRIPTORS =
  'this process is out of file descriptors: raise its limit (ulimit -n, or LimitNOFILE= in its systemd unit)';

export interface DescriptorGuardOptions {
  /** Called at the first refusal and then once a minute at most. @param refused  since the last call */
  readonly onShortage: (refused: number) => void;
  readonly now: () => number;
  /** Whether so many descriptors can be opened now; default: tries it. */
  readonly canOpen?: (count: number) => boolean;
}

export class DescriptorGuard {
  readonly #options: DescriptorGuardOptions;
  readonly #canOpen: (count: number) => boolean;
  /** So many more are certainly there. */
  #known = 0;
  #refused = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(options: DescriptorGuardOptions) {
    this.#options = options;
    this.#canOpen = options.canOpen ?? canOpen;
  }

  /** To be asked for each connection. @returns false when it must be given up, or was not to be had */
  hasRoom(): boolean {
    if (this.#known > 0) {
      this.#known--;
      return true;
    }
    // Half of what is found may be used before the next look; the other half stays in reserve.
    if (this.#canOpen(RESERVED_DESCRIPTORS)) {
      this.#known = RESERVED_DESCRIPTORS / 2;
      return true;
    }
    this.refuse();
    return false;
  }

  /** Something failed for want of a descriptor. */
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
