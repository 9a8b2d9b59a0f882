/** Asks a silent relay whether it is there (spec outage 3): whoever only waits for bytes would never learn that they cannot come. */
import type { Deadline } from '../deadline.js';
import { MIN_QUIET_MS, QUIET_PTOS, STREAM_KEEPALIVE_MS } from './limits.js';

export class Liveness {
  readonly #isOn: boolean;
  #askAt = Number.POSITIVE_INFINITY;
  /** Data came since we last asked: its end may be a pause, or the path's. */
  #sawData = false;

  /** @param isOn only a client asks: its address is the one that changes, and a relay could not reach it */
  constructor(isOn: boolean) {
    this.#isOn = isOn;
  }

  /** A packet arrived. @param probeTimeoutMs without back-off */
  onReceived(now: number, hasData: boolean, probeTimeoutMs: number): void {
    if (!this.#isOn) return;
    if (hasData) this.#sawData = true;
    const quietMs = this.#sawData ? Math.max(QUIET_PTOS * probeTimeoutMs, MIN_QUIET_MS) : STREAM_KEEPALIVE_MS;
    this.#askAt = now + quietMs;
  }

  /** @returns true when a PING has to go out now */
  takeDue(now: number, openStreams: number): boolean {
    if (now < this.#askAt) return false;
    this.#sawData = false;
    this.#askAt = now + STREAM_KEEPALIVE_MS;
    return openStreams > 0;
  }

  pollTimeout(openStreams: number): Deadline | undefined {
    if (openStreams === 0 || this.#askAt === Number.POSITIVE_INFINITY) return undefined;
    return { at: this.#askAt, reason: 'liveness' };
  }
}
