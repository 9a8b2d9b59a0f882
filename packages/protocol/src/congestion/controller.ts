/** What every congestion controller is to a connection (spec recovery 5.1). Sizes in bytes, times in milliseconds. */

/** What one ACK frame brought; the same object is filled anew each time. */
export interface AckSample {
  now: number;
  ackedBytes: number;
  bytesInFlightBefore: number;
  /** When the newest of the acknowledged packets was sent. */
  newestSentAt: number;
  smoothedRttMs: number;
  latestRttMs: number;
  minRttMs: number;
  /** The window was not what held the sender back: no growth (spec recovery 5.2). */
  applicationLimited: boolean;
}

export interface CongestionController {
  readonly name: CongestionControllerName;
  /** Bytes that may be in flight. */
  readonly windowBytes: number;
  /** Still searching for the path's capacity; the pacer is more generous then. */
  readonly isInSlowStart: boolean;
  /** Bytes per millisecond, or undefined to let the pacer derive it from the window. */
  readonly pacingRate: number | undefined;

  onPacketSent(now: number, bytes: number, bytesInFlight: number): void;
  onAck(sample: AckSample): void;
  /** @param newestLostSentAt when the newest of the lost packets was sent: one cut per round trip */
  onLoss(now: number, lostBytes: number, newestLostSentAt: number): void;
  /** A cut that these packets caused was wrong, if one was (RFC 9438 §4.9.2). */
  onSpuriousLoss(now: number, sentAt: number): void;
  onPersistentCongestion(now: number): void;
  /** The size of a full datagram changed, or the path did: `fresh` starts over. */
  onDatagramBytes(datagramBytes: number): void;
}

export type CongestionControllerName = 'newreno' | 'cubic';

/** RFC 9002 §7.2: 10 datagrams, at most 14720 bytes or two datagrams. */
export function initialWindow(datagramBytes: number): number {
  return Math.min(10 * datagramBytes, Math.max(14_720, 2 * datagramBytes));
}

/** RFC 9002 §7.2. */
export function minimumWindow(datagramBytes: number): number {
  return 2 * datagramBytes;
}
