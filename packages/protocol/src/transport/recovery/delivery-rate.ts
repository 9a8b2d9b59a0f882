/** How fast the path delivers: one sample for each ACK (draft-ietf-ccwg-bbr §4.1; spec recovery 5.4). Bytes and milliseconds.
 *
 *  Each packet remembers what had been delivered when it was sent; when it is acknowledged the difference, over the longer of
 *  the time it took to send and the time it took to acknowledge, is the rate. The packets' columns are in the `PacketLog`. */
import type { PacketLog } from './packet-log.js';

/** Filled anew by each ACK. */
export interface RateSample {
  /** Bytes per millisecond; 0 when the ACK gave no reliable sample. */
  deliveryRate: number;
  /** Delivered between the sending of the newest acknowledged packet and now. */
  deliveredBytes: number;
  /** What had been delivered in all when that packet was sent, or -1 when nothing was newly acknowledged. */
  priorDeliveredBytes: number;
  /** In flight when it had been sent, itself included. */
  bytesInFlightAtSend: number;
  /** Lost since it was sent. */
  lostSinceBytes: number;
  /** The sender had nothing more to send then: the path may be faster than the sample. */
  applicationLimited: boolean;
}

export class DeliveryRate {
  readonly sample: RateSample = {
    deliveryRate: 0,
    deliveredBytes: 0,
    priorDeliveredBytes: -1,
    bytesInFlightAtSend: 0,
    lostSinceBytes: 0,
    applicationLimited: false,
  };
  /** Bytes acknowledged and bytes lost since the connection began. */
  deliveredBytes = 0;
  lostBytes = 0;
  #deliveredAt = 0;
  #firstSentAt = 0;
  /** While less than this is delivered, packets of a time without enough to send are in flight; 0: none. */
  #limitedUntilBytes = 0;

  // The newest packet of the ACK that is being processed.
  #newestSentAt = 0;
  #sendElapsedMs = 0;
  #ackElapsedMs = 0;

  readonly #log: PacketLog;

  constructor(log: PacketLog) {
    this.#log = log;
  }

  get isApplicationLimited(): boolean {
    return this.#limitedUntilBytes > 0;
  }

  /** @param bytesInFlight with this packet */
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

  /** A packet in flight was newly acknowledged. */
  onPacketAcknowledged(now: number, packetNumber: number): void {
    const log = this.#log;
    const i = log.slot(packetNumber);
    const sentAt = log.sentAt[i] as number;
    this.deliveredBytes += log.size[i] as number;
    this.#deliveredAt = now;
    // The greatest numbers come first: among packets of one moment the first is the newest.
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

  onPacketLost(packetNumber: number): void {
    this.lostBytes += this.#log.size[this.#log.slot(packetNumber)] as number;
  }

  /** All packets of the ACK were reported, and those that it shows to be lost. */
  endAck(minRttMs: number): void {
    const { sample } = this;
    if (this.#limitedUntilBytes > 0 && this.deliveredBytes > this.#limitedUntilBytes) {
      this.#limitedUntilBytes = 0;
    }
    if (sample.priorDeliveredBytes < 0) return;
    sample.deliveredBytes = this.deliveredBytes - sample.priorDeliveredBytes;
    sample.lostSinceBytes = this.lostBytes - sample.lostSinceBytes;
    const interval = Math.max(this.#sendElapsedMs, this.#ackElapsedMs);
    // A shorter one comes of packets that were thought lost and are acknowledged late.
    if (interval > 0 && interval >= minRttMs) sample.deliveryRate = sample.deliveredBytes / interval;
  }

  /** What is in flight was sent without enough to send behind it. */
  markApplicationLimited(bytesInFlight: number): void {
    this.#limitedUntilBytes = Math.max(this.deliveredBytes + bytesInFlight, 1);
  }

  // ---- of a packet that is lost -----------------------------------------------------------------------------

  bytesInFlightAtSend(packetNumber: number): number {
    return this.#log.bytesInFlight[this.#log.slot(packetNumber)] as number;
  }
  lostSinceBytes(packetNumber: number): number {
    return this.lostBytes - (this.#log.lostBytes[this.#log.slot(packetNumber)] as number);
  }
  wasApplicationLimited(packetNumber: number): boolean {
    return this.#log.limited[this.#log.slot(packetNumber)] === 1;
  }
}
