import type { Deadline } from '../deadline.js';

/** The timers of a session (spec session 5, 6, 8). */
export const TIMERS = [
  'handshake-retry',
  'initiation-copy',
  'response-copy',
  'no-answer',
  'passive-keepalive',
  'persistent-keepalive',
  'keypair-expiry',
] as const;
export type TimerName = (typeof TIMERS)[number];

const OFF = Number.POSITIVE_INFINITY;
const ALL_OFF: Record<TimerName, number> = Object.freeze({
  'handshake-retry': OFF,
  'initiation-copy': OFF,
  'response-copy': OFF,
  'no-answer': OFF,
  'passive-keepalive': OFF,
  'persistent-keepalive': OFF,
  'keypair-expiry': OFF,
});

/** The timers that belong to one part of a session. No other part sets or cancels them. */
export interface SomeTimers<Name extends TimerName> {
  isSet(name: Name): boolean;
  set(name: Name, at: number): void;
  cancel(name: Name): void;
}

/** The timers of one session: a time for each name.
 *
 *  The session's parts set and cancel timers with every packet, so both must be cheap. `set` calls `wakeAt` only if the
 *  timer is due before the time that was announced last. A timer that is moved back or cancelled is not announced: the
 *  session is then woken too early, finds nothing due, and announces its next time through `pollTimeout`.
 *
 *  The session owns this object, and handles the timers that expire. The object reads no clock. */
export class Timers implements SomeTimers<TimerName> {
  readonly #wakeAt: (at: number) => void;
  /** The time announced last, by `wakeAt` or `pollTimeout`. No timer is due before it. */
  #announcedAt = OFF;
  /** Shared by all sessions until the first timer is set, because most peers of a large config never connect. */
  #at: Record<TimerName, number> = ALL_OFF;

  /** @param wakeAt is called with the time of a timer that is due before the time announced last */
  constructor(wakeAt: (at: number) => void) {
    this.#wakeAt = wakeAt;
  }

  isSet(name: TimerName): boolean {
    return this.#at[name] !== OFF;
  }
  set(name: TimerName, at: number): void {
    if (this.#at === ALL_OFF) this.#at = { ...ALL_OFF };
    this.#at[name] = at;
    if (at >= this.#announcedAt) return;
    this.#announcedAt = at;
    this.#wakeAt(at);
  }
  cancel(name: TimerName): void {
    if (this.isSet(name)) this.#at[name] = OFF;
  }
  cancelAll(): void {
    this.#at = ALL_OFF;
  }

  /** Takes the earliest timer that is due, if there is one, and turns it off. */
  takeExpired(now: number): TimerName | undefined {
    const name = this.#earliest();
    if (this.#at[name] > now) return undefined;
    this.#at[name] = OFF;
    return name;
  }

  /** When the next timer is due, and its name. */
  pollTimeout(): Deadline | undefined {
    const reason = this.#earliest();
    const at = this.#at[reason];
    this.#announcedAt = at;
    return at === OFF ? undefined : { at, reason };
  }

  /** All timers that are set. Unlike `pollTimeout`, this announces nothing. */
  get all(): Deadline[] {
    return TIMERS.filter((name) => this.isSet(name)).map((reason) => ({ at: this.#at[reason], reason }));
  }

  #earliest(): TimerName {
    let earliest: TimerName = TIMERS[0];
    for (const name of TIMERS) if (this.#at[name] < this.#at[earliest]) earliest = name;
    return earliest;
  }
}
