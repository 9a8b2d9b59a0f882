/** Limits how fast peers, strangers and local programs can make the log grow. */

/** How many lines of one kind may come at once, and how many more each second: enough to see what happens. */
export const LOG_BURST_LINES = 20;
export const LOG_LINES_PER_SECOND = 1;
/** The same for level debug, which the user asked for: one web page opens a hundred streams in a second. */
export const DEBUG_BURST_LINES = 1000;
export const DEBUG_LINES_PER_SECOND = 100;
/** The same for the audit: a relay writes a line for each connection that it opens for a peer. */
export const AUDIT_BURST_LINES = 100;
export const AUDIT_LINES_PER_SECOND = 2;
/** How long lines are held back before a line reports their number. */
export const SUPPRESSION_WINDOW_MS = 10_000;
/** How many kinds are tracked separately. Any others share one bucket. */
export const MAX_LOG_BUCKETS = 1024;

/** Never held back: the config bounds their number, and they only follow actions of the operator. */
const NEVER_SUPPRESSED: ReadonlySet<string> = new Set([
  'listening',
  'reload-failed',
  'summary',
  'suppressed',
]);

/** Lines with the same three values are of the same kind and share a bucket. */
export interface LineKind {
  readonly level: string;
  readonly event: string | undefined;
  readonly peer: string | undefined;
}

/** The lines of one kind that were held back. */
export interface Suppression extends LineKind {
  readonly lines: number;
  /** How long lines were held back. */
  readonly windowMs: number;
}

export interface LogLimiterOptions {
  /** A monotonic clock in milliseconds. */
  readonly now: () => number;
  /** Calls back once after `delayMs`. Must not keep the process alive. */
  readonly schedule: (delayMs: number, callback: () => void) => void;
  /** Receives the counts of suppressed lines at the end of each window. */
  readonly onSuppressed: (suppression: Suppression) => void;
}

interface Bucket {
  readonly kind: LineKind;
  readonly burst: number;
  readonly perSecond: number;
  tokens: number;
  filledAt: number;
  suppressed: number;
  suppressedSince: number;
}

/** A token bucket for each kind of line.
 *
 *  The log asks `admits` before each line. A bucket starts full; a line takes a token, and a line without a token is
 *  counted instead of written. While any are counted one timer runs, and at its end `onSuppressed` receives the count
 *  of each kind. Full buckets are forgotten, so the table holds only what is noisy now. If it is full of noisy kinds,
 *  all further kinds share one bucket, so that memory stays bounded. The limiter never writes a line itself. */
export class LogLimiter {
  readonly #options: LogLimiterOptions;
  readonly #buckets = new Map<string, Bucket>();
  readonly #others: Bucket;
  #isScheduled = false;

  constructor(options: LogLimiterOptions) {
    this.#options = options;
    this.#others = newBucket({ level: 'warn', event: undefined, peer: undefined }, options.now());
  }

  /** For tests: how many kinds are remembered. */
  get bucketCount(): number {
    return this.#buckets.size;
  }

  /** Whether this line may be written. If not, it is counted. */
  admits(kind: LineKind): boolean {
    if (kind.event !== undefined && NEVER_SUPPRESSED.has(kind.event)) return true;
    const now = this.#options.now();
    const bucket = this.#bucketOf(kind, now);
    refill(bucket, now);
    if (bucket.tokens >= 1) {
      bucket.tokens--;
      return true;
    }
    if (bucket.suppressed === 0) bucket.suppressedSince = now;
    bucket.suppressed++;
    this.#reportLater();
    return false;
  }

  /** Reports the counts now: at the end of a window, and before the process exits. */
  report(): void {
    const now = this.#options.now();
    for (const bucket of [...this.#buckets.values(), this.#others]) {
      if (bucket.suppressed === 0) continue;
      const { suppressed, suppressedSince, kind } = bucket;
      bucket.suppressed = 0;
      this.#options.onSuppressed({ ...kind, lines: suppressed, windowMs: now - suppressedSince });
    }
    this.#forgetQuiet(now);
  }

  #bucketOf(kind: LineKind, now: number): Bucket {
    const name = `${kind.level} ${kind.event ?? ''} ${kind.peer ?? ''}`;
    const found = this.#buckets.get(name);
    if (found !== undefined) return found;
    if (this.#buckets.size >= MAX_LOG_BUCKETS) this.#forgetQuiet(now);
    if (this.#buckets.size >= MAX_LOG_BUCKETS) return this.#others;
    const bucket = newBucket(kind, now);
    this.#buckets.set(name, bucket);
    return bucket;
  }

  #forgetQuiet(now: number): void {
    for (const [name, bucket] of this.#buckets) {
      refill(bucket, now);
      if (bucket.tokens >= bucket.burst && bucket.suppressed === 0) this.#buckets.delete(name);
    }
  }

  #reportLater(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.schedule(SUPPRESSION_WINDOW_MS, () => {
      this.#isScheduled = false;
      this.report();
    });
  }
}

function newBucket(kind: LineKind, now: number): Bucket {
  const [burst, perSecond] = allowanceOf(kind);
  return { kind, burst, perSecond, tokens: burst, filledAt: now, suppressed: 0, suppressedSince: now };
}

function refill(bucket: Bucket, now: number): void {
  const elapsedSeconds = (now - bucket.filledAt) / 1000;
  bucket.tokens = Math.min(bucket.burst, bucket.tokens + elapsedSeconds * bucket.perSecond);
  bucket.filledAt = now;
}

/** How many lines of a kind may come at once, and how many more each second. */
function allowanceOf({ level, event }: LineKind): readonly [burst: number, perSecond: number] {
  if (level === 'debug') return [DEBUG_BURST_LINES, DEBUG_LINES_PER_SECOND];
  if (event === 'stream-opened' || event === 'visitor-opened')
    return [AUDIT_BURST_LINES, AUDIT_LINES_PER_SECOND];
  return [LOG_BURST_LINES, LOG_LINES_PER_SECOND];
}
