/** Whether a packet with data may go out now, by the congestion window and the pacer, and what held the last one back.
 *
 *  `PacketBuilder` asks before each packet. Congestion control needs the answers afterwards: a window that was not used must not grow, and
 *  a rate measured without enough to send says nothing of the path (spec recovery 5.2, 5.4). */
import type { ConnectionParts } from './parts.js';

export class SendGate {
  /** When the pacer lets the next packet go; undefined when it is not what holds us back. */
  pacedAt: number | undefined;
  /** Nothing was left to send, when the last packet was asked for; the window was not what held us back. */
  applicationLimited = true;
  /** When the window last was. */
  windowLimitedAt = Number.NEGATIVE_INFINITY;
  readonly #parts: ConnectionParts;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  /** @param datagramBytes the size of the packet at most, when it is sealed */
  allows(now: number, hasData: boolean, datagramBytes: number): boolean {
    const { recovery, rates, congestion, pacer } = this.#parts;
    this.pacedAt = undefined;
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
    pacer.update(now, congestion, recovery.rtt.smoothedMs);
    const delay = pacer.delayMs;
    if (delay > 0) this.pacedAt = now + delay;
    return delay === 0;
  }
}
