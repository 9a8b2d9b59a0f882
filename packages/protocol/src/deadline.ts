/** When the next timer is due, and which timer it is. This is what every `pollTimeout` returns. */
export interface Deadline {
  /** Monotonic milliseconds, on the same clock as every `now`. */
  readonly at: number;
  /** The name of the timer, for logs, traces and tests. */
  readonly reason: string;
}

/** Returns the earlier of two deadlines. `undefined` stands for a deadline that never comes. */
export function earlier(a: Deadline | undefined, b: Deadline | undefined): Deadline | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return b.at < a.at ? b : a;
}

/** Returns a deadline, or `undefined` for one that never comes. @param at monotonic ms, or Infinity */
export function deadlineAt(at: number, reason: string): Deadline | undefined {
  return at === Number.POSITIVE_INFINITY ? undefined : { at, reason };
}
