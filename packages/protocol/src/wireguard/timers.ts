/** A session's timers: moments with names (spec session 5, 6, 8). */
import type { Deadline } from '../deadline.js';

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

/** The timers that one part of a session sets: no other part touches them. */
export interface SomeTimers<Name extends TimerName> {
  isSet(name: Name): boolean;
  set(name: Name, at: number): void;
  cancel(name: Name): void;
}

/** Timers are set and cancelled with every packet, and looked at when one of them is due. So whoever wakes the session is told only when
 *  it has to be sooner than it thinks; a timer that was moved back or cancelled is found out at the time, by `pollTimeout`. */
export class Timers implements SomeTimers<TimerName> {
  readonly #wakeAt: (at: number) => void;
  /** What `wakeAt` was told, or `pollTimeout` answered, last: no timer is due before. */
  #announcedAt = OFF;
  readonly #at: Record<TimerName, number> = {
    'handshake-retry': OFF,
    'initiation-copy': OFF,
    'response-copy': OFF,
    'no-answer': OFF,
    'passive-keepalive': OFF,
    'persistent-keepalive': OFF,
    'keypair-expiry': OFF,
  };

  /** @param wakeAt is told of a timer that is due sooner than any other */
  constructor(wakeAt: (at: number) => void) {
    this.#wakeAt = wakeAt;
  }

  isSet(name: TimerName): boolean {
    return this.#at[name] !== OFF;
  }
  set(name: TimerName, at: number): void {
    this.#at[name] = at;
    if (at >= this.#announcedAt) return;
    this.#announcedAt = at;
    this.#wakeAt(at);
  }
  cancel(name: TimerName): void {
    this.#at[name] = OFF;
  }
  cancelAll(): void {
    for (const name of TIMERS) this.#at[name] = OFF;
  }

  /** Takes one timer that is due, the earliest first; it is off from then on. */
  takeExpired(now: number): TimerName | undefined {
    const name = this.#earliest();
    if (this.#at[name] > now) return undefined;
    this.#at[name] = OFF;
    return name;
  }

  pollTimeout(): Deadline | undefined {
    const reason = this.#earliest();
    const at = this.#at[reason];
    this.#announcedAt = at;
    return at === OFF ? undefined : { at, reason };
  }

  #earliest(): TimerName {
    let earliest: TimerName = TIMERS[0];
    for (const name of TIMERS) if (this.#at[name] < this.#at[earliest]) earliest = name;
    return earliest;
  }
}
