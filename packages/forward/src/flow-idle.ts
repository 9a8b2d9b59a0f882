/** When a flow without messages ends (spec forwarding 5.3). */
import type { Timers } from '@underpass/runtime';
import { DNS_EVICTED_IDLE_MS, DNS_FLOW_IDLE_MS, EVICTED_IDLE_MS, FLOW_IDLE_MS } from './forward-constants.js';

const DNS_PORT = 53;

/** How long a flow to this port may be without messages. A DNS client uses a new port for each question, so its flows
 *  would fill every place. */
export function idleLimitMs(port: number): number {
  return port === DNS_PORT ? DNS_FLOW_IDLE_MS : FLOW_IDLE_MS;
}

/** How long a flow to this port must have been without messages before a new one may take its place (spec forwarding
 *  5.4). */
export function evictedIdleMs(port: number): number {
  return port === DNS_PORT ? DNS_EVICTED_IDLE_MS : EVICTED_IDLE_MS;
}

/** Notices that a flow has been idle for too long.
 *
 *  The flow reports each message. That only notes the time: the timer looks when it fires, and waits for the rest. */
export class FlowIdle {
  /** When the last message was. */
  lastAt: number;
  readonly #limitMs: number;
  readonly #timers: Timers;
  readonly #now: () => number;
  readonly #onIdle: () => void;
  #timer: object | undefined;

  /** @param onIdle  called at most once */
  constructor(limitMs: number, timers: Timers, now: () => number, onIdle: () => void) {
    this.#limitMs = limitMs;
    this.#timers = timers;
    this.#now = now;
    this.#onIdle = onIdle;
    this.lastAt = now();
    this.#wait(limitMs);
  }

  /** Call for each message. */
  touch(): void {
    this.lastAt = this.#now();
  }

  stop(): void {
    if (this.#timer !== undefined) this.#timers.clear(this.#timer);
    this.#timer = undefined;
  }

  #wait(ms: number): void {
    this.#timer = this.#timers.set(() => {
      this.#timer = undefined;
      const leftMs = this.lastAt + this.#limitMs - this.#now();
      if (leftMs > 0) this.#wait(leftMs);
      else this.#onIdle();
    }, ms);
  }
}
