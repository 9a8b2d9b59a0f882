import type { PacketLog } from './packet-log.js';

/** What an ACK says about the path. "The packet" is the newest one that it acknowledged. */
export interface RateSample {
  /** Bytes per millisecond; 0 if there is no reliable sample. */
  deliveryRate: number;
  /** How many bytes were delivered since the packet was sent. */
  deliveredBytes: number;
  /** How many bytes had been delivered in all when the packet was sent; -1 if no packet was newly acknowledged. */
  priorDeliveredBytes: number;
  /** How many bytes were in flight when the packet had been sent, including itself. */
  bytesInFlightAtSend: number;
  /** How many bytes were lost since the packet was sent. */
  lostSinceBytes: number;
  /** There was nothing more to send when the packet was sent, so the path may be faster than the sample. */
  applicationLimited: boolean;
}

/** Measures how fast the path delivers, with one sample per ACK (draft-ietf-ccwg-bbr §4.1; spec recovery 5.4).
 *
 *  Each packet remembers how many bytes had been delivered when it was sent. When it is acknowledged, the difference is
 *  what was delivered in between. The rate is that amount divided by the longer of two times: how long it took to send,
 *  and how long to acknowledge.
 *
 *  The object owns the totals and the current sample, and writes its columns of the PacketLog. For each ACK, its caller
 *  calls `beginAck`, then reports the acknowledged and the lost packets, and then calls `endAck`. Sizes are in bytes,
 *  times in milliseconds. */
export class DeliveryRate {
  /** The sample of the current ACK. The same object is filled again for each ACK. */
  readonly sample: RateSample = {
    deliveryRate: 0,
    deliveredBytes: 0,
    priorDeliveredBytes: -1,
    bytesInFlightAtSend: 0,
    lostSinceBytes: 0,
    applicationLimited: false,
  };
  /** How many bytes have been acknowledged since the connection began. */
  deliveredBytes = 0;
  /** How many bytes have been lost since then. */
  lostBytes = 0;
  /** When bytes were last acknowledged, or when sending began after a pause. */
  #deliveredAt = 0;
  /** When the newest acknowledged packet was sent, or when sending began after a pause. The sending time of the next
   *  sample counts from here. */
  #firstSentAt = 0;
  /** Until this many bytes are delivered, packets are in flight that were sent without enough to send after them; 0 if
   *  there are none. */
  #limitedUntilBytes = 0;

  // The newest packet that the current ACK acknowledges.
  #newestSentAt = 0;
  #sendElapsedMs = 0;
  #ackElapsedMs = 0;

  readonly #log: PacketLog;

  constructor(log: PacketLog) {
    this.#log = log;
  }

  /** Whether packets sent now are marked as limited by the application. */
  get isApplicationLimited(): boolean {
    return this.#limitedUntilBytes > 0;
  }

  /** A packet was sent.
   *  @param bytesInFlight including this packet */
  onPacketSent(now: number, packetNumber: number, sizeBytes: number, bytesInFlight: number): void {
    if (bytesInFlight === sizeBytes) {
      this.#firstSentAt = now;
      this.#deliveredAt = now;
    }
    const log = this.#log;
    const i = log.slot(packetNumber);
    log.firstSentAt[i] = this.#firstSentAt;
    log.deliveredAt[i] = this.#deliveredAt;
    log.delivered[i] = this.deliveredBytes;
    log.bytesInFlight[i] = bytesInFlight;
    log.lostBytes[i] = this.lostBytes;
    log.limited[i] = this.#limitedUntilBytes > 0 ? 1 : 0;
  }

  /** Begins to process an ACK. */
  beginAck(): void {
    const { sample } = this;
    sample.deliveryRate = 0;
    sample.deliveredBytes = 0;
    sample.priorDeliveredBytes = -1;
    sample.bytesInFlightAtSend = 0;
    sample.lostSinceBytes = 0;
    sample.applicationLimited = false;
    this.#newestSentAt = -1;
  }

  /** The ACK newly acknowledges a packet. */
  onPacketAcknowledged(now: number, packetNumber: number): void {
    const log = this.#log;
    const i = log.slot(packetNumber);
    const sentAt = log.sentAt[i] as number;
    this.deliveredBytes += log.size[i] as number;
    this.#deliveredAt = now;
    // Greater numbers come first. Of packets that were sent at the same time, the first is therefore the newest.
    if (sentAt <= this.#newestSentAt) return;
    this.#newestSentAt = sentAt;
    const { sample } = this;
    sample.priorDeliveredBytes = log.delivered[i] as number;
    sample.bytesInFlightAtSend = log.bytesInFlight[i] as number;
    sample.lostSinceBytes = log.lostBytes[i] as number;
    sample.applicationLimited = log.limited[i] === 1;
    this.#sendElapsedMs = sentAt - (log.firstSentAt[i] as number);
    this.#ackElapsedMs = now - (log.deliveredAt[i] as number);
    this.#firstSentAt = sentAt;
  }

  /** A packet was lost. */
  onPacketLost(packetNumber: number): void {
    this.lostBytes += this.#log.size[this.#log.slot(packetNumber)] as number;
  }

  /** Ends the processing of an ACK: all packets that it acknowledges or shows to be lost were reported. */
  endAck(minRttMs: number): void {
    const { sample } = this;
    if (this.#limitedUntilBytes > 0 && this.deliveredBytes > this.#limitedUntilBytes) {
      this.#limitedUntilBytes = 0;
    }
    if (sample.priorDeliveredBytes < 0) return;
    sample.deliveredBytes = this.deliveredBytes - sample.priorDeliveredBytes;
    sample.lostSinceBytes = this.lostBytes - sample.lostSinceBytes;
    const interval = Math.max(this.#sendElapsedMs, this.#ackElapsedMs);
    // An interval below the shortest round trip comes from packets that were declared lost and are acknowledged late.
    if (interval > 0 && interval >= minRttMs) sample.deliveryRate = sample.deliveredBytes / interval;
  }

  /** There is nothing more to send: marks the packets in flight, and those sent until they are delivered. */
  markApplicationLimited(bytesInFlight: number): void {
    this.#limitedUntilBytes = Math.max(this.deliveredBytes + bytesInFlight, 1);
  }

  // ---- of a packet that is lost -----------------------------------------------------------------------------

  /** How many bytes were in flight when the packet had been sent, including itself. */
  bytesInFlightAtSend(packetNumber: number): number {
    return this.#log.bytesInFlight[this.#log.slot(packetNumber)] as number;
  }
  /** How many bytes were lost since the packet was sent. */
  lostSinceBytes(packetNumber: number): number {
    return this.lostBytes - (this.#log.lostBytes[this.#log.slot(packetNumber)] as number);
  }
  /** Whether the packet was marked as limited by the application. */
  wasApplicationLimited(packetNumber: number): boolean {
    return this.#log.limited[this.#log.slot(packetNumber)] === 1;
  }
}
