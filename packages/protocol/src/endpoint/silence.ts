/** What a peer's silence means (spec outage 2). Silence by itself means nothing: an idle peer sends nothing. It counts from the moment when
 *  an answer is due, because something was sent that the peer must acknowledge or because a handshake is needed.
 *
 *  The owner calls `ask` whenever an answer is due, `onHeard` for each authenticated datagram, and acts on the two moments that follow:
 *  at `suspectAt` the keys may be dead, at `waitingAt` people want to know. All times are milliseconds of the caller's clock. */
import { SUSPECT_AFTER_MS, WAITING_AFTER_MS } from '../transport/limits.js';

const NEVER = Number.POSITIVE_INFINITY;

export class Silence {
  /** When an authenticated datagram last arrived. */
  heardAt: number | undefined;
  #dueSince: number | undefined;
  #isSuspect = false;
  #isWaiting = false;

  /** When the answer came due that the owner was told to wait for, or undefined. */
  get waitingSince(): number | undefined {
    return this.#isWaiting ? this.#dueSince : undefined;
  }

  /** The peer has left an answer out for so long that it may have restarted. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** @returns how long its answer was due if it was waited for, or undefined */
  onHeard(now: number): number | undefined {
    const since = this.waitingSince;
    this.heardAt = now;
    this.end();
    return since === undefined ? undefined : now - since;
  }

  /** An answer is due. */
  ask(now: number): void {
    this.#dueSince ??= now;
  }

  /** No answer is due any more. */
  end(): void {
    this.#dueSince = undefined;
    this.#isSuspect = false;
    this.#isWaiting = false;
  }

  /** When `suspect` has to be called, or infinity. @param probeTimeoutMs without back-off: no path answers sooner than it does */
  suspectAt(probeTimeoutMs: number): number {
    if (this.#dueSince === undefined || this.#isSuspect) return NEVER;
    return this.#dueSince + Math.max(SUSPECT_AFTER_MS, probeTimeoutMs);
  }

  suspect(): void {
    this.#isSuspect = true;
  }

  /** When `wait` has to be called, or infinity. */
  waitingAt(probeTimeoutMs: number): number {
    if (this.#dueSince === undefined || this.#isWaiting) return NEVER;
    return this.#dueSince + Math.max(WAITING_AFTER_MS, probeTimeoutMs);
  }

  /** Whoever waits was told. */
  wait(): void {
    this.#isWaiting = true;
  }
}
