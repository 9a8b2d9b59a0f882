import type { Deadline } from '../deadline.js';
import { MIN_QUIET_MS, QUIET_PTOS, STREAM_KEEPALIVE_MS } from './limits.js';

/** Decides when a client asks a silent relay whether it is still there (spec outage 3).
 *
 *  A client that only waits for bytes sends nothing, so it would never learn that its own address or the mapping of its
 *  NAT has changed, and that the bytes cannot arrive. So it sends a PING shortly after data stops arriving, and at long
 *  intervals after that, while it has open streams.
 *
 *  The connection owns this object, has each packet that arrives reported to it, and sends the PING itself. */
export class Liveness {
  readonly #isOn: boolean;
  /** When to ask, if streams are open then. */
  #askAt = Number.POSITIVE_INFINITY;
  /** Data has arrived since we last asked. If it stops, that may be a pause, or the end of the path. */
  #sawData = false;

  /** @param isOn true on a client. A relay does not ask, because it could not reach a client whose address has
   *  changed. */
  constructor(isOn: boolean) {
    this.#isOn = isOn;
  }

  /** A packet arrived.
   *  @param hasData whether it is ack-eliciting
   *  @param probeTimeoutMs one probe timeout, without back-off */
  onReceived(now: number, hasData: boolean, probeTimeoutMs: number): void {
    if (!this.#isOn) return;
    if (hasData) this.#sawData = true;
    const quietMs = this.#sawData ? Math.max(QUIET_PTOS * probeTimeoutMs, MIN_QUIET_MS) : STREAM_KEEPALIVE_MS;
    this.#askAt = now + quietMs;
  }

  /** Whether to send a PING now. The next one is then due 25 s later. */
  takeDue(now: number, openStreams: number): boolean {
    if (now < this.#askAt) return false;
    this.#sawData = false;
    this.#askAt = now + STREAM_KEEPALIVE_MS;
    return openStreams > 0;
  }

  /** When a PING will be due. */
  pollTimeout(openStreams: number): Deadline | undefined {
    if (openStreams === 0 || this.#askAt === Number.POSITIVE_INFINITY) return undefined;
    return { at: this.#askAt, reason: 'liveness' };
  }
}
