/** Shows on a terminal for how long something has been waited for, so that a long wait does not look like a hang. */
import { monotonicMs, systemTimers, type Timers } from '@underpass/runtime';
import { formatDuration } from './commands/traffic-totals.js';
import { showProgress } from './stderr.js';

/** A shorter wait is not worth a line. */
export const PROGRESS_AFTER_MS = 1_500;
export const PROGRESS_INTERVAL_MS = 1_000;

export interface WaitProgressOptions {
  /** Replaces the last line of the terminal; empty to remove it. */
  readonly show: (text: string) => void;
  readonly now: () => number;
  readonly timers: Timers;
}

/** One line that counts the seconds. The caller calls `begin` when a wait begins and `end` when it is over; repeated calls
 *  are harmless. Between waits it sets no timer. */
export class WaitProgress {
  readonly #options: WaitProgressOptions;
  #what = '';
  #since = 0;
  #timer: object | undefined;

  constructor(options: WaitProgressOptions) {
    this.#options = options;
  }

  /** @param what  for example `waiting for the relay`
   *  @param waitedMs  for how long it has been waited for already */
  begin(what: string, waitedMs = 0): void {
    if (this.#timer !== undefined) return;
    this.#what = what;
    this.#since = this.#options.now() - waitedMs;
    this.#showAfter(Math.max(PROGRESS_AFTER_MS - waitedMs, 0));
  }

  end(): void {
    if (this.#timer === undefined) return;
    this.#options.timers.clear(this.#timer);
    this.#timer = undefined;
    this.#options.show('');
  }

  #showAfter(delayMs: number): void {
    this.#timer = this.#options.timers.set(() => {
      this.#options.show(`${this.#what} (${formatDuration(this.#options.now() - this.#since)})`);
      this.#showAfter(PROGRESS_INTERVAL_MS);
    }, delayMs);
  }
}

/** A progress line on this process's terminal, if it has one. */
export function terminalProgress(): WaitProgress {
  return new WaitProgress({ show: showProgress, now: monotonicMs, timers: systemTimers });
}
