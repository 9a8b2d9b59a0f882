/** When one peer is sent a keepalive, and when its silence calls for new keys (spec session 5.4, 6). */
import { assert } from '../assert.js';
import {
  KEEPALIVE_TIMEOUT_MS,
  MAX_PERSISTENT_KEEPALIVE_MS,
  MIN_PERSISTENT_KEEPALIVE_MS,
  NO_ANSWER_TIMEOUT_MS,
} from './constants.js';
import type { SomeTimers } from './timers.js';

/** WireGuard has no acknowledgements. So that a side that sends data can tell whether anybody is there, whoever received data and sent
 *  nothing for 10 s says so with an empty message, the _passive_ keepalive. Data that nothing answers for 15 s makes its sender start
 *  a handshake. A _persistent_ keepalive goes out at an interval, whatever happens, to keep a NAT's mapping open. Anything that is
 *  sent does a keepalive's work and postpones it. */
export class Keepalive {
  readonly #timers: SomeTimers<'no-answer' | 'passive-keepalive' | 'persistent-keepalive'>;
  /** 0: off. */
  readonly #persistentMs: number;
  #isDue = false;
  /** Data came while a passive keepalive was already coming: after it there will be another (spec session 6.2). */
  #isAnotherDue = false;

  /** @param persistentMs 0 or 1 s to 65535 s (spec session 6.4) */
  constructor(
    timers: SomeTimers<'no-answer' | 'passive-keepalive' | 'persistent-keepalive'>,
    persistentMs: number,
  ) {
    assert(
      persistentMs === 0 ||
        (persistentMs >= MIN_PERSISTENT_KEEPALIVE_MS && persistentMs <= MAX_PERSISTENT_KEEPALIVE_MS),
      'a persistent keepalive is off or every 1 s to 65535 s',
    );
    this.#timers = timers;
    this.#persistentMs = persistentMs;
    // It is time for the first one as soon as anybody looks.
    if (persistentMs > 0) timers.set('persistent-keepalive', 0);
  }

  /** A keepalive is to go out with the next poll, unless something else does. */
  want(): void {
    this.#isDue = true;
  }

  take(): boolean {
    const isDue = this.#isDue;
    this.#isDue = false;
    return isDue;
  }

  /** The timer of persistent keepalives fired. */
  repeat(now: number): void {
    this.#restartPersistent(now);
    this.#isDue = true;
  }

  /** An authenticated message went out. @param isKeepalive it was an empty one */
  onSent(now: number, isKeepalive: boolean): void {
    this.#timers.cancel('passive-keepalive');
    if (isKeepalive && this.#isAnotherDue) this.#timers.set('passive-keepalive', now + KEEPALIVE_TIMEOUT_MS);
    this.#isDue = false;
    this.#isAnotherDue = false;
    this.#restartPersistent(now);
  }

  /** @param jitterMs how much later than others this side finds that nobody answers */
  onDataSent(now: number, jitterMs: number): void {
    if (this.#timers.isSet('no-answer')) return;
    this.#timers.set('no-answer', now + NO_ANSWER_TIMEOUT_MS + jitterMs);
  }

  /** An authenticated message came in. */
  onReceived(now: number): void {
    this.#timers.cancel('no-answer');
    this.#restartPersistent(now);
  }

  onDataReceived(now: number): void {
    if (this.#timers.isSet('passive-keepalive')) this.#isAnotherDue = true;
    else this.#timers.set('passive-keepalive', now + KEEPALIVE_TIMEOUT_MS);
  }

  /** Nobody answers our handshakes: what came before them need not be confirmed any more (spec session 5.5). */
  forgetData(): void {
    this.#timers.cancel('passive-keepalive');
    this.#isAnotherDue = false;
  }

  /** The keys are gone. The persistent keepalive goes on: it asks for new ones. */
  stop(): void {
    this.forgetData();
    this.#isDue = false;
    this.#timers.cancel('no-answer');
  }

  #restartPersistent(now: number): void {
    if (this.#persistentMs > 0) this.#timers.set('persistent-keepalive', now + this.#persistentMs);
  }
}
