import { MAX_DATA_PROBES } from '../limits.js';

/** More doublings than any interval allows. */
const MAX_DOUBLINGS = 16;

/** The probe timer (spec recovery 4): when to ask for an acknowledgement that has not come, and with how many packets.
 *
 *  It runs while ack-eliciting packets are in flight. Each expiry doubles the interval, and permits one or two packets
 *  beyond the congestion window. An acknowledgement ends the back-off.
 *
 *  Recovery owns it, says whether anything is in flight, and reports what happens. The timer never sends a packet, and
 *  never declares one lost. Times are in milliseconds. */
export class ProbeTimer {
  /** Expiries in a row without an acknowledgement. */
  expiries = 0;
  /** How many packets may be sent beyond the congestion window. */
  probesDue = 0;

  readonly #maxIntervalMs: number;
  /** When the interval began. Sending moves this only if nothing was in flight. */
  #from = 0;
  #lastSentAt = 0;
  /** When the current period with a usable key began. Nothing could be answered before (spec recovery 7). */
  #usableSince = 0;

  /** @param maxIntervalMs the longest interval of the back-off, unless a single probe timeout is longer */
  constructor(maxIntervalMs: number) {
    this.#maxIntervalMs = maxIntervalMs;
  }

  /** Since when there has been a usable key. */
  get usableSince(): number {
    return this.#usableSince;
  }

  /** When the timer expires.
   *  @param timeoutMs one probe timeout, without back-off */
  dueAt(timeoutMs: number): number {
    const backedOffMs = timeoutMs * 2 ** Math.min(this.expiries, MAX_DOUBLINGS);
    const intervalMs = Math.min(backedOffMs, Math.max(this.#maxIntervalMs, timeoutMs));
    return Math.max(this.#from, this.#usableSince) + intervalMs;
  }

  /** An ack-eliciting packet was sent.
   *  @param isOnly whether nothing else is in flight */
  onSent(now: number, isOnly: boolean): void {
    if (isOnly) this.#from = now;
    this.#lastSentAt = now;
    if (this.probesDue > 0) this.probesDue--;
  }

  /** Something was acknowledged for the first time: the interval counts from when the newest packet was sent. */
  onAcknowledged(): void {
    this.expiries = 0;
    this.probesDue = 0;
    this.#from = this.#lastSentAt;
  }

  /** The timer expired. */
  expire(now: number): void {
    this.expiries++;
    this.probesDue = this.expiries > MAX_DATA_PROBES ? 1 : 2;
    // The next interval counts from this expiry, even if nothing can be sent at once.
    this.#from = now;
  }

  /** The packets that the interval counted from were declared lost. The remaining ones have not waited as long.
   *  @param oldestSentAt when the oldest packet in flight was sent */
  countFrom(oldestSentAt: number): void {
    this.#from = Math.max(this.#from, oldestSentAt);
  }

  /** There is a usable key again: starts over without back-off (spec recovery 7). */
  onSendingResumed(now: number): void {
    this.#usableSince = now;
    this.expiries = 0;
    this.#from = now;
  }

  /** A datagram of the peer's arrived that acknowledges nothing: ends the back-off, and permits probes at once
   *  (spec recovery 4.2). */
  onSignOfLife(now: number): void {
    if (this.expiries === 0) return;
    this.expiries = 0;
    this.probesDue = 2;
    this.#from = now;
  }

  /** The path has changed: ends the back-off. */
  onNewPath(): void {
    this.expiries = 0;
  }
}
