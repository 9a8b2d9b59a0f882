import type { ConnectionParts } from './parts.js';

/** Decides whether the congestion window and the pacer permit a packet with data now, and remembers what held back the
 *  last.
 *
 *  The packet builder asks before each packet. Congestion control needs the answers later: a window that was not used
 *  must not grow, and a rate that was measured without enough to send says little about the path (spec recovery 5.2,
 *  5.4). */
export class SendGate {
  /** When the pacer permits the next packet. Undefined if the pacer is not what holds us back. */
  pacedAt: number | undefined;
  /** When the builder asked last, there was no data to send, so the window was not what held us back. */
  applicationLimited = true;
  /** When the window last held us back. */
  windowLimitedAt = Number.NEGATIVE_INFINITY;
  /** How long ago the pacer would have permitted the packet. Our process was not run since then. */
  #lateMs = 0;
  readonly #parts: ConnectionParts;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  /** This must be called before each packet, whatever will be in it. */
  begin(now: number): void {
    this.#lateMs = this.pacedAt === undefined ? 0 : Math.max(0, now - this.pacedAt);
    this.pacedAt = undefined;
  }

  /** Something else than the pacer holds us back now: there is no key, or the path permits nothing. What could leave once
   *  that ends is not late because our process was not run (spec recovery 6). */
  heldBack(): void {
    this.pacedAt = undefined;
  }

  /** Whether a packet with data may be sent now.
   *  @param hasData whether there is any data to send
   *  @param datagramBytes the largest size that the packet can have once it is sealed */
  allows(now: number, hasData: boolean, datagramBytes: number): boolean {
    const { recovery, rates, congestion, pacer } = this.#parts;
    this.applicationLimited = !hasData;
    if (!hasData) {
      if (recovery.bytesInFlight < congestion.windowBytes)
        rates.markApplicationLimited(recovery.bytesInFlight);
      return false;
    }
    if (recovery.bytesInFlight + datagramBytes > congestion.windowBytes) {
      this.windowLimitedAt = now;
      return false;
    }
    pacer.update(now, this.#lateMs, congestion, recovery.rtt.smoothedMs);
    const delay = pacer.delayMs;
    if (delay > 0) this.pacedAt = now + delay;
    return delay === 0;
  }
}
