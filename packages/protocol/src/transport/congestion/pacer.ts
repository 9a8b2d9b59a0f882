/** Spreads packets over the round trip (spec recovery 6; RFC 9002 §7.7): a bucket of bytes that fills with time.
 *
 *  `SendGate` fills it before each packet that may carry data and asks how long to wait. The bucket is small, so that an idle sender saves
 *  up no burst. A sender that wanted to send and was not allowed to run is another matter: it catches up. */
import type { CongestionController } from './controller.js';

/** A timer of a JavaScript runtime fires a millisecond or two late: the bucket must hold what flows meanwhile. */
const TIMER_GRAIN_MS = 4;
const MIN_BURST_DATAGRAMS = 10;
/** What a queue must take at once after we stood still for as long or longer. */
const MAX_CATCH_UP_MS = 20;
const GAIN = 1.25;
const SLOW_START_GAIN = 2;

export class Pacer {
  #tokens: number;
  #filledAt = 0;
  #datagramBytes: number;
  #rate = 0;

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes;
    this.#tokens = MIN_BURST_DATAGRAMS * datagramBytes;
  }

  /** Takes the newest rate and fills the bucket. Call before `delayMs`.
   *  @param lateMs how long ago `delayMs` said that the next packet may go */
  update(now: number, lateMs: number, controller: CongestionController, smoothedRttMs: number): void {
    const gain = controller.isInSlowStart ? SLOW_START_GAIN : GAIN;
    this.#rate = controller.pacingRate ?? (gain * controller.windowBytes) / Math.max(smoothedRttMs, 0.01);
    if (now <= this.#filledAt) return;
    const burst = Math.max(MIN_BURST_DATAGRAMS * this.#datagramBytes, this.#rate * TIMER_GRAIN_MS);
    const capacity = burst + this.#rate * Math.min(lateMs, MAX_CATCH_UP_MS);
    this.#tokens = Math.min(capacity, this.#tokens + this.#rate * (now - this.#filledAt));
    this.#filledAt = now;
  }

  onPacketSent(bytes: number): void {
    this.#tokens -= bytes;
  }

  /** How long until a full datagram may go; 0: now. */
  get delayMs(): number {
    if (this.#tokens >= this.#datagramBytes) return 0;
    // Wake for a few at once and not for each: a timer costs more than a datagram.
    return (2 * this.#datagramBytes - this.#tokens) / this.#rate;
  }

  onDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes;
  }
}
