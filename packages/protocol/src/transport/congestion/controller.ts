/** What every congestion controller is to a connection (spec recovery 5.1). Sizes in bytes, times in milliseconds, rates in bytes
 *  per millisecond. */

export const CONGESTION_CONTROLLERS = ['newreno', 'cubic', 'bbr'] as const;
export type CongestionControllerName = (typeof CONGESTION_CONTROLLERS)[number];

/** What one ACK frame brought; the same object is filled anew each time. */
export interface AckSample {
  now: number;
  ackedBytes: number;
  /** After the ACK, without what it showed to be lost. */
  bytesInFlight: number;
  /** When the newest of the acknowledged packets was sent. */
  newestSentAt: number;
  /** This ACK gave a new `latestRttMs`. */
  hasRttSample: boolean;
  smoothedRttMs: number;
  /** Without the delay that the peer states. */
  latestRttMs: number;
  minRttMs: number;
  /** The window was not what held the sender back: no growth (spec recovery 5.2). */
  applicationLimited: boolean;
  /** Within the last round trip the window was what held the sender back. */
  windowLimited: boolean;

  // The rate at which the path delivers (spec recovery 5.4).
  /** 0: no reliable sample. */
  deliveryRate: number;
  /** Delivered since the newest acknowledged packet was sent, and in all until then; -1 when none was acknowledged. */
  deliveredBytes: number;
  priorDeliveredBytes: number;
  /** Since the connection began. */
  totalDeliveredBytes: number;
  bytesInFlightAtSend: number;
  lostSinceSendBytes: number;
  rateApplicationLimited: boolean;
}

/** A packet that is lost; the same object is filled anew each time. */
export interface LossSample {
  now: number;
  packetNumber: number;
  bytes: number;
  sentAt: number;
  bytesInFlightAtSend: number;
  /** Lost since it was sent, itself included. */
  lostSinceSendBytes: number;
  rateApplicationLimited: boolean;
  totalDeliveredBytes: number;
}

export interface CongestionController {
  readonly name: CongestionControllerName;
  /** Bytes that may be in flight. */
  readonly windowBytes: number;
  /** Still searching for the path's capacity; the pacer is more generous then. */
  readonly isInSlowStart: boolean;
  /** Undefined lets the pacer derive it from the window. */
  readonly pacingRate: number | undefined;
  /** It holds back on purpose: the rates that are measured now say nothing about the path. */
  readonly isHoldingBack: boolean;

  /** @param bytesInFlight with this packet */
  onPacketSent(now: number, bytes: number, bytesInFlight: number): void;
  /** Called for each lost packet, before `onAck` of the ACK that showed it. */
  onPacketLost(loss: LossSample): void;
  onAck(sample: AckSample): void;
  /** Packets declared lost were acknowledged after all: undo what they caused, if they did (RFC 9438 §4.9.2).
   *  @param sentAt when the newest of them was sent */
  onSpuriousLoss(now: number, sentAt: number): void;
  onPersistentCongestion(now: number): void;
  /** The size of a full datagram changed. */
  onDatagramBytes(datagramBytes: number): void;
}

/** RFC 9002 §7.2: 10 datagrams, at most 14720 bytes or two datagrams. */
export function initialWindow(datagramBytes: number): number {
  return Math.min(10 * datagramBytes, Math.max(14_720, 2 * datagramBytes));
}

/** RFC 9002 §7.2. */
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
