/** The shortest time between two reports of the same kind of send error. */
export const SEND_ERROR_INTERVAL_MS = 600_000;

/** Decides which of the system's refusals to send are reported: the first of each kind, and then one in ten minutes,
 *  because there may be thousands in a second.
 *
 *  It holds one time for each error code. The system has a few dozen codes. Times are in milliseconds. */
export class SendErrorPace {
  readonly #reportedAt = new Map<string, number>();

  /** Whether to report this error now. If so, the caller must. */
  permits(now: number, code: string): boolean {
    const before = this.#reportedAt.get(code);
    if (before !== undefined && now - before < SEND_ERROR_INTERVAL_MS) return false;
    this.#reportedAt.set(code, now);
    return true;
  }
}
