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

export class Timers implements SomeTimers<TimerName> {
  readonly #at: Record<TimerName, number> = {
    'handshake-retry': OFF,
    'initiation-copy': OFF,
    'response-copy': OFF,
    'no-answer': OFF,
    'passive-keepalive': OFF,
    'persistent-keepalive': OFF,
    'keypair-expiry': OFF,
  };

  isSet(name: TimerName): boolean {
    return this.#at[name] !== OFF;
  }
  set(name: TimerName, at: number): void {
    this.#at[name] = at;
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
    return at === OFF ? undefined : { at, reason };
  }

  #earliest(): TimerName {
    let earliest: TimerName = TIMERS[0];
    for (const name of TIMERS) if (this.#at[name] < this.#at[earliest]) earliest = name;
    return earliest;
  }
}
