/** Keeps a log from growing with what a peer, a stranger or a local program does: a token bucket for each peer and
 *  event. */

/** Lines of one kind that may come at once, and how many more a second: enough to see what goes on. */
export const LOG_BURST_LINES = 20;
export const LOG_LINES_PER_SECOND = 1;
/** The same at level debug, which somebody asked for: a page opens a hundred streams in a second. */
export const DEBUG_BURST_LINES = 1000;
export const DEBUG_LINES_PER_SECOND = 100;
/** How long lines are held back before a line says how many. */
export const SUPPRESSION_WINDOW_MS = 10_000;
/** Kinds that are told apart; what comes beyond shares one bucket. */
export const MAX_LOG_BUCKETS = 1024;

/** Their number is bounded by the config, and they come only when the operator starts, reloads or stops the program. */
const NEVER_SUPPRESSED: ReadonlySet<string> = new Set([
  'listening',
  'reload-failed',
  'summary',
  'suppressed',
]);

/** What tells lines apart: those with the same three share a bucket. */
export interface LineKind {
  readonly level: string;
  readonly event: string | undefined;
  readonly peer: string | undefined;
}

/** Lines of one kind that were held back. */
export interface Suppression extends LineKind {
  readonly lines: number;
  /** How long this went on. */
  readonly windowMs: number;
}

export interface LogLimiterOptions {
  /** Milliseconds that never go back. */
  readonly now: () => number;
  /** Calls back once after `delayMs`. Must not keep the process alive. */
  readonly schedule: (delayMs: number, callback: () => void) => void;
  /** Gets what was held back, at the end of each window. */
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

/** Decides line by line. A bucket begins full; a line takes a token, and without one it is counted instead. While
 *  anything is counted one timer runs, and at its end `onSuppressed` hears of each kind. A bucket that is full again is
 *  forgotten, so the table holds what is noisy now; when it is full of those, all further kinds share one bucket. */
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

  /** Whether this line may be written. When not, it is counted. */
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

  /** Says now what was held back: at the end of a window, and before the process ends. */
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
  const isDebug = kind.level === 'debug';
  const burst = isDebug ? DEBUG_BURST_LINES : LOG_BURST_LINES;
  const perSecond = isDebug ? DEBUG_LINES_PER_SECOND : LOG_LINES_PER_SECOND;
  return { kind, burst, perSecond, tokens: burst, filledAt: now, suppressed: 0, suppressedSince: now };
}

function refill(bucket: Bucket, now: number): void {
  const elapsedSeconds = (now - bucket.filledAt) / 1000;
  bucket.tokens = Math.min(bucket.burst, bucket.tokens + elapsedSeconds * bucket.perSecond);
  bucket.filledAt = now;
}
