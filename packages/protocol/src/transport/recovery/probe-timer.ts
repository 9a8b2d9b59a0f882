/** The probe timer (spec recovery 4): when to ask for an acknowledgement that has not come, and how many packets may ask.
 *
 *  It runs while packets that ask for an acknowledgement are in flight. Each expiry doubles the interval and allows a packet or two
 *  beyond the window; an acknowledgement ends the back-off. `Recovery` reports what happens and says whether anything is in flight. */
import { MAX_DATA_PROBES } from '../limits.js';

const MAX_DOUBLINGS = 16;

export class ProbeTimer {
  /** Expiries in a row without an acknowledgement. */
  expiries = 0;
  /** Packets that may go out beyond the window. */
  probesDue = 0;

  readonly #maxIntervalMs: number;
  /** The interval counts from here. Sending moves it only when nothing was in flight. */
  #from = 0;
  #lastSentAt = 0;
  /** There was no key before, so that nothing could be answered (spec recovery 7). */
  #usableSince = 0;

  /** @param maxIntervalMs the back-off goes no further, unless a single probe timeout is longer */
  constructor(maxIntervalMs: number) {
    this.#maxIntervalMs = maxIntervalMs;
  }

  get usableSince(): number {
    return this.#usableSince;
  }

  /** @param timeoutMs one probe timeout without back-off */
  dueAt(timeoutMs: number): number {
    const backedOffMs = timeoutMs * 2 ** Math.min(this.expiries, MAX_DOUBLINGS);
    const intervalMs = Math.min(backedOffMs, Math.max(this.#maxIntervalMs, timeoutMs));
    return Math.max(this.#from, this.#usableSince) + intervalMs;
  }

  /** A packet went out. @param isOnly nothing else is in flight */
  onSent(now: number, isOnly: boolean): void {
    if (isOnly) this.#from = now;
    this.#lastSentAt = now;
    if (this.probesDue > 0) this.probesDue--;
  }

  onAcknowledged(): void {
    this.expiries = 0;
    this.probesDue = 0;
    this.#from = this.#lastSentAt;
  }

  expire(now: number): void {
    this.expiries++;
    this.probesDue = this.expiries > MAX_DATA_PROBES ? 1 : 2;
    // The next interval counts from this expiry, even if nothing can be sent at once.
    this.#from = now;
  }

  /** What it was started for is lost: what is in flight now has not waited as long. */
  countFrom(oldestSentAt: number): void {
    this.#from = Math.max(this.#from, oldestSentAt);
  }

  /** A usable key is there again. */
  onSendingResumed(now: number): void {
    this.#usableSince = now;
    this.expiries = 0;
    this.#from = now;
  }

  /** The peer was heard of by something else than an acknowledgement (spec recovery 4.2). */
  onSignOfLife(now: number): void {
    if (this.expiries === 0) return;
    this.expiries = 0;
    this.probesDue = 2;
    this.#from = now;
  }

  onNewPath(): void {
    this.expiries = 0;
  }
}
