import type { CongestionController } from './controller.js';

/** The bucket holds at least what may be sent in this time, because timers of a JavaScript runtime fire a millisecond
 *  or two late. */
const TIMER_GRAIN_MS = 4;
/** The bucket also holds at least this many full datagrams. */
const MIN_BURST_DATAGRAMS = 10;
/** After our process stood still, the bucket also holds what could have been sent meanwhile, but no more than in this
 *  time: a queue on the path has to take it at once. */
const MAX_CATCH_UP_MS = 20;
/** How many windows to send per round trip, for a controller without a rate, ... */
const GAIN = 1.25;
/** ... and for one in slow start. */
const SLOW_START_GAIN = 2;

/** Spreads packets over the round trip (spec recovery 6; RFC 9002 §7.7), with a bucket of bytes that fills at the rate
 *  of the congestion controller.
 *
 *  The bucket is small, so that an idle sender cannot save up a burst. A sender that wanted to send but was not run by
 *  the system is different: it may catch up.
 *
 *  SendGate fills the bucket before each packet that may carry data, and asks how long to wait. Packets are taken out
 *  after they were sent, so the bucket may be overdrawn. Sizes are in bytes, times in milliseconds. */
export class Pacer {
  /** How many bytes may be sent now. */
  #tokens: number;
  #filledAt = 0;
  #datagramBytes: number;
  /** Bytes per millisecond. */
  #rate = 0;

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes;
    this.#tokens = MIN_BURST_DATAGRAMS * datagramBytes;
  }

  /** Takes the current rate of the controller, and fills the bucket. It must be called before `delayMs`.
   *  @param lateMs how long ago the packet could have been sent, by the last `delayMs` */
  update(now: number, lateMs: number, controller: CongestionController, smoothedRttMs: number): void {
    const gain = controller.isInSlowStart ? SLOW_START_GAIN : GAIN;
    this.#rate = controller.pacingRate ?? (gain * controller.windowBytes) / Math.max(smoothedRttMs, 0.01);
    if (now <= this.#filledAt) return;
    const burst = Math.max(MIN_BURST_DATAGRAMS * this.#datagramBytes, this.#rate * TIMER_GRAIN_MS);
    const capacity = burst + this.#rate * Math.min(lateMs, MAX_CATCH_UP_MS);
    this.#tokens = Math.min(capacity, this.#tokens + this.#rate * (now - this.#filledAt));
    this.#filledAt = now;
  }

  /** A packet of this size was sent. */
  onPacketSent(bytes: number): void {
    this.#tokens -= bytes;
  }

  /** The rate of the last `update`. */
  get bytesPerMs(): number {
    return this.#rate;
  }

  /** How long to wait before a full datagram may be sent; 0 if it may be sent now. */
  get delayMs(): number {
    if (this.#tokens >= this.#datagramBytes) return 0;
    // Wait for more than one datagram, because a timer costs more than a datagram.
    return (2 * this.#datagramBytes - this.#tokens) / this.#rate;
  }

  /** The size of a full datagram has changed. */
  onDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes;
  }
}
