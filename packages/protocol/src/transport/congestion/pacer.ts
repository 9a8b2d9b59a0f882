/** Spreads packets over the round trip (spec recovery 6; RFC 9002 §7.7): a bucket of bytes that fills with time. */
import type { CongestionController } from './controller.js';

/** A timer of a JavaScript runtime fires a millisecond or two late: the bucket must hold what flows meanwhile. */
const TIMER_GRAIN_MS = 4;
const MIN_BURST_DATAGRAMS = 10;
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

  /** Takes the newest rate and fills the bucket. Call before `delayMs`. */
  update(now: number, controller: CongestionController, smoothedRttMs: number): void {
    const gain = controller.isInSlowStart ? SLOW_START_GAIN : GAIN;
    this.#rate = controller.pacingRate ?? (gain * controller.windowBytes) / Math.max(smoothedRttMs, 0.01);
    const capacity = Math.max(MIN_BURST_DATAGRAMS * this.#datagramBytes, this.#rate * TIMER_GRAIN_MS);
    this.#tokens = Math.min(capacity, this.#tokens + this.#rate * Math.max(0, now - this.#filledAt));
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
