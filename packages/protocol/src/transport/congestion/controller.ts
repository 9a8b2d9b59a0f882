/** The interface of congestion controllers (spec recovery 5.1). Sizes are in bytes, times in milliseconds, rates in
 *  bytes per millisecond. */

export const CONGESTION_CONTROLLERS = ['newreno', 'cubic', 'bbr'] as const;
export type CongestionControllerName = (typeof CONGESTION_CONTROLLERS)[number];

/** What one ACK frame showed. The same object is filled again for each ACK. */
export interface AckSample {
  now: number;
  /** Bytes that were in flight and are acknowledged now. */
  ackedBytes: number;
  /** Bytes still in flight, without those that the ACK showed to be lost. */
  bytesInFlight: number;
  /** When the newest of the acknowledged packets was sent. */
  newestSentAt: number;
  /** Whether `latestRttMs` was measured with this ACK. */
  hasRttSample: boolean;
  smoothedRttMs: number;
  /** Without the ACK delay that the peer reports. */
  latestRttMs: number;
  minRttMs: number;
  /** There was not enough to send to fill the window, so it must not grow (spec recovery 5.2). */
  applicationLimited: boolean;
  /** The window has held back the sender within the last round trip. */
  windowLimited: boolean;

  // The rate at which the path delivers (spec recovery 5.4). "The packet" is the newest packet acknowledged.

  /** 0 if there is no reliable sample. */
  deliveryRate: number;
  /** How much was delivered since the packet was sent. */
  deliveredBytes: number;
  /** How much had been delivered in all when the packet was sent; -1 if no packet was acknowledged. */
  priorDeliveredBytes: number;
  /** How much has been delivered in all. */
  totalDeliveredBytes: number;
  /** How much was in flight when the packet had been sent, including itself. */
  bytesInFlightAtSend: number;
  /** How much was lost since the packet was sent. */
  lostSinceSendBytes: number;
  /** There was not enough to send when the packet was sent, so the path may be faster than `deliveryRate`. */
  rateApplicationLimited: boolean;
}

/** A packet that was lost. The same object is filled again for each packet. Fields are named as in AckSample. */
export interface LossSample {
  now: number;
  packetNumber: number;
  bytes: number;
  sentAt: number;
  bytesInFlightAtSend: number;
  /** How much was lost since it was sent, including itself. */
  lostSinceSendBytes: number;
  rateApplicationLimited: boolean;
  totalDeliveredBytes: number;
}

/** Decides how much may be in flight on a path, and how fast to send.
 *
 *  There is one controller per connection and path. The connection reports to it what was sent, acknowledged and lost,
 *  and reads the window and the rate. A controller never sends, and never decides that a packet is lost. */
export interface CongestionController {
  readonly name: CongestionControllerName;
  /** How many bytes may be in flight. */
  readonly windowBytes: number;
  /** Whether the controller is still searching for the capacity of the path. The pacer is then more generous. */
  readonly isInSlowStart: boolean;
  /** Bytes per millisecond. If it is undefined, the pacer derives the rate from the window. */
  readonly pacingRate: number | undefined;
  /** Whether the controller holds back on purpose, so that rates measured now say nothing about the path. */
  readonly isHoldingBack: boolean;

  /** An ack-eliciting packet was sent.
   *  @param bytesInFlight including this packet */
  onPacketSent(now: number, bytes: number, bytesInFlight: number): void;
  /** A packet was lost. This is called for each lost packet, before `onAck` of the ACK that showed the loss. */
  onPacketLost(loss: LossSample): void;
  /** An ACK acknowledged bytes that were in flight. */
  onAck(sample: AckSample): void;
  /** Packets that were declared lost were acknowledged after all. If they caused a cut, it is undone (RFC 9438 §4.9.2).
   *  @param sentAt when the newest of them was sent */
  onSpuriousLoss(now: number, sentAt: number): void;
  /** All ack-eliciting packets over a long time were lost (spec recovery 5.3). */
  onPersistentCongestion(now: number): void;
  /** The size of a full datagram changed. */
  onDatagramBytes(datagramBytes: number): void;
}

/** The initial window: 10 datagrams, but at most 14720 bytes or two datagrams, whichever is larger (RFC 9002 §7.2). */
export function initialWindow(datagramBytes: number): number {
  return Math.min(10 * datagramBytes, Math.max(14_720, 2 * datagramBytes));
}

/** The minimum window: two datagrams (RFC 9002 §7.2). */
export function minimumWindow(datagramBytes: number): number {
  return 2 * datagramBytes;
}

export function emptyAckSample(): AckSample {
  return {
    now: 0,
    ackedBytes: 0,
    bytesInFlight: 0,
    newestSentAt: 0,
    hasRttSample: false,
    smoothedRttMs: 0,
    latestRttMs: 0,
    minRttMs: 0,
    applicationLimited: false,
    windowLimited: false,
    deliveryRate: 0,
    deliveredBytes: 0,
    priorDeliveredBytes: -1,
    totalDeliveredBytes: 0,
    bytesInFlightAtSend: 0,
    lostSinceSendBytes: 0,
    rateApplicationLimited: false,
  };
}

export function emptyLossSample(): LossSample {
  return {
    now: 0,
    packetNumber: 0,
    bytes: 0,
    sentAt: 0,
    bytesInFlightAtSend: 0,
    lostSinceSendBytes: 0,
    rateApplicationLimited: false,
    totalDeliveredBytes: 0,
  };
}
