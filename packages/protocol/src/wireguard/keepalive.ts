import { assert } from '../assert.js';
import {
  KEEPALIVE_TIMEOUT_MS,
  MAX_PERSISTENT_KEEPALIVE_MS,
  MIN_PERSISTENT_KEEPALIVE_MS,
  NO_ANSWER_TIMEOUT_MS,
} from './constants.js';
import { type SomeTimers, Timer } from './timers.js';

/** Decides when one peer gets a keepalive, and when its silence calls for a handshake (spec session 5.4, 6).
 *
 *  WireGuard has no acknowledgements, so a side that sends data needs another sign that the peer is there. A side that
 *  has received data and then sent nothing for 10 s therefore sends an empty message, the _passive_ keepalive. A side
 *  that has sent data and received nothing for 15 s concludes that its keys may be useless, and starts a handshake. A
 *  _persistent_ keepalive is sent at a fixed interval, whether there is data or not, to keep the mapping of a NAT open.
 *  Anything that is sent does the work of a keepalive, and postpones it.
 *
 *  The session owns this object and reports to it everything that it sends and receives. The object sets three of the
 *  session's timers, but never sends or seals anything: when one of them fires, the session does that. */
export class Keepalive {
  readonly #timers: SomeTimers<
    typeof Timer.noAnswer | typeof Timer.passiveKeepalive | typeof Timer.persistentKeepalive
  >;
  /** 0 if persistent keepalives are off. */
  readonly #persistentMs: number;
  #isDue = false;
  /** More data came while a passive keepalive was already scheduled, so another follows it (spec session 6.2). */
  #isAnotherDue = false;

  /** @param persistentMs the interval of persistent keepalives, 1,000 to 65,535,000, or 0 for none
   *  (spec session 6.4) */
  constructor(
    timers: SomeTimers<
      typeof Timer.noAnswer | typeof Timer.passiveKeepalive | typeof Timer.persistentKeepalive
    >,
    persistentMs: number,
  ) {
    assert(
      persistentMs === 0 ||
        (persistentMs >= MIN_PERSISTENT_KEEPALIVE_MS && persistentMs <= MAX_PERSISTENT_KEEPALIVE_MS),
      'a persistent keepalive is off or every 1 s to 65535 s',
    );
    this.#timers = timers;
    this.#persistentMs = persistentMs;
    // The first one is due at once.
    if (persistentMs > 0) timers.set(Timer.persistentKeepalive, 0);
  }

  /** Makes a keepalive due, unless something else is sent before the next poll. */
  want(): void {
    this.#isDue = true;
  }

  /** Takes the keepalive that is due, if there is one. */
  take(): boolean {
    const isDue = this.#isDue;
    this.#isDue = false;
    return isDue;
  }

  /** The timer of persistent keepalives fired: makes one due, and restarts the interval. */
  repeat(now: number): void {
    this.#restartPersistent(now);
    this.#isDue = true;
  }

  /** A handshake or transport message was sent to the peer.
   *  @param isKeepalive whether it was a keepalive */
  onSent(now: number, isKeepalive: boolean): void {
    this.#timers.cancel(Timer.passiveKeepalive);
    if (isKeepalive && this.#isAnotherDue)
      this.#timers.set(Timer.passiveKeepalive, now + KEEPALIVE_TIMEOUT_MS);
    this.#isDue = false;
    this.#isAnotherDue = false;
    this.#restartPersistent(now);
  }

  /** Data was sent: starts to wait for an answer, unless it waits already.
   *  @param jitterMs is added to the wait, so that two sides do not start a handshake at the same time */
  onDataSent(now: number, jitterMs: number): void {
    if (this.#timers.isSet(Timer.noAnswer)) return;
    this.#timers.set(Timer.noAnswer, now + NO_ANSWER_TIMEOUT_MS + jitterMs);
  }

  /** A handshake or transport message of the peer's was received, and authenticated. */
  onReceived(now: number): void {
    this.#timers.cancel(Timer.noAnswer);
    this.#restartPersistent(now);
  }

  /** Data was received: schedules a passive keepalive. */
  onDataReceived(now: number): void {
    if (this.#timers.isSet(Timer.passiveKeepalive)) this.#isAnotherDue = true;
    else this.#timers.set(Timer.passiveKeepalive, now + KEEPALIVE_TIMEOUT_MS);
  }

  /** Our handshakes got no response, so the data that came before them need not be confirmed any more
   *  (spec session 5.5). */
  forgetData(): void {
    this.#timers.cancel(Timer.passiveKeepalive);
    this.#isAnotherDue = false;
  }

  /** There are no keys any more: cancels everything but persistent keepalives, which start a handshake when they are
   *  due. */
  stop(): void {
    this.forgetData();
    this.#isDue = false;
    this.#timers.cancel(Timer.noAnswer);
  }

  #restartPersistent(now: number): void {
    if (this.#persistentMs > 0) this.#timers.set(Timer.persistentKeepalive, now + this.#persistentMs);
  }
}
