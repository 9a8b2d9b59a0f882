import type { Deadline } from '../deadline.js';

/** The timers of a session (spec session 5, 6, 8). They are numbers, because several are set or cancelled with every
 *  packet, and V8 is slow to find a property whose name is in a variable. */
export const Timer = {
  handshakeRetry: 0,
  initiationCopy: 1,
  responseCopy: 2,
  noAnswer: 3,
  passiveKeepalive: 4,
  persistentKeepalive: 5,
  keypairExpiry: 6,
} as const;
export type Timer = (typeof Timer)[keyof typeof Timer];

/** The name of each. */
const REASONS = [
  'handshake-retry',
  'initiation-copy',
  'response-copy',
  'no-answer',
  'passive-keepalive',
  'persistent-keepalive',
  'keypair-expiry',
] as const;
const TIMERS = Object.values(Timer);

const OFF = Number.POSITIVE_INFINITY;
/** Must not be written to. */
const ALL_OFF: Float64Array = new Float64Array(TIMERS.length).fill(OFF);

/** The timers that belong to one part of a session. No other part sets or cancels them. */
export interface SomeTimers<Name extends Timer> {
  isSet(timer: Name): boolean;
  set(timer: Name, at: number): void;
  cancel(timer: Name): void;
}

/** The timers of one session: a time for each.
 *
 *  The session's parts set and cancel timers with every packet, so both must be cheap. `set` calls `wakeAt` only if the
 *  timer is due before the time that was announced last. A timer that is moved back or cancelled is not announced: the
 *  session is then woken too early, finds nothing due, and announces its next time through `pollTimeout`.
 *
 *  The session owns this object, and handles the timers that expire. The object reads no clock. */
export class Timers implements SomeTimers<Timer> {
  readonly #wakeAt: (at: number) => void;
  /** The time announced last, by `wakeAt` or `pollTimeout`. No timer is due before it. */
  #announcedAt = OFF;
  /** Shared by all sessions until the first timer is set, because most peers of a large config never connect. */
  #at: Float64Array = ALL_OFF;

  /** @param wakeAt is called with the time of a timer that is due before the time announced last */
  constructor(wakeAt: (at: number) => void) {
    this.#wakeAt = wakeAt;
  }

  isSet(timer: Timer): boolean {
    return this.#at[timer] !== OFF;
  }
  set(timer: Timer, at: number): void {
    if (this.#at === ALL_OFF) this.#at = ALL_OFF.slice();
    this.#at[timer] = at;
    if (at >= this.#announcedAt) return;
    this.#announcedAt = at;
    this.#wakeAt(at);
  }
  cancel(timer: Timer): void {
    if (this.isSet(timer)) this.#at[timer] = OFF;
  }
  cancelAll(): void {
    this.#at = ALL_OFF;
  }

  /** Takes the earliest timer that is due, if there is one, and turns it off. */
  takeExpired(now: number): Timer | undefined {
    const timer = this.#earliest();
    if (this.#dueAt(timer) > now) return undefined;
    this.cancel(timer);
    return timer;
  }

  /** When the next timer is due, and its name. */
  pollTimeout(): Deadline | undefined {
    const timer = this.#earliest();
    const at = this.#dueAt(timer);
    this.#announcedAt = at;
    return at === OFF ? undefined : { at, reason: REASONS[timer] };
  }

  /** All timers that are set. Unlike `pollTimeout`, this announces nothing. */
  get all(): Deadline[] {
    return TIMERS.filter((timer) => this.isSet(timer)).map((timer) => ({
      at: this.#dueAt(timer),
      reason: REASONS[timer],
    }));
  }

  #earliest(): Timer {
    let earliest: Timer = TIMERS[0] as Timer;
    for (const timer of TIMERS) if (this.#dueAt(timer) < this.#dueAt(earliest)) earliest = timer;
    return earliest;
  }

  #dueAt(timer: Timer): number {
    return this.#at[timer] as number;
  }
}
