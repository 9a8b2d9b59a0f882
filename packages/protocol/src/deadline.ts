/** The next moment at which somebody has to be woken, and why: what `pollTimeout` gives. */
export interface Deadline {
  /** Monotonic milliseconds, the same clock as every `now`. */
  readonly at: number;
  /** The timer's name, for logs, traces and tests. */
  readonly reason: string;
}

/** The earlier of two deadlines; `undefined` means never. */
export function earlier(a: Deadline | undefined, b: Deadline | undefined): Deadline | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return b.at < a.at ? b : a;
}
