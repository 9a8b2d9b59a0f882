/** Limits how many bytes one peer's connections carry in a second (spec forwarding 4.8). */
import type { Timers } from '@underpass/runtime';
import { RATE_BURST_MS, RATE_TURN_MS } from './forward-constants.js';

/** Something that wants to carry bytes and may have to wait for its turn. */
export interface TurnTaker {
  /** It may carry bytes now: at least one chunk, and more while `admits` says so. */
  onTurn(): void;
}

export interface RateLimitOptions {
  readonly timers: Timers;
  readonly now: () => number;
}

/** The limits of one peer, one for each direction.
 *
 *  A relay's member owns it and sets the rate. Everything that carries bytes of the peer shares it: pumps, flows and
 *  probes. Without a rate, it costs a comparison. */
export class RateLimit {
  readonly toPeer: Allowance;
  readonly fromPeer: Allowance;

  constructor(options: RateLimitOptions) {
    this.toPeer = new Allowance(options);
    this.fromPeer = new Allowance(options);
  }

  /** @param bytesPerSecond  in each direction; undefined for no limit */
  set(bytesPerSecond: number | undefined): void {
    this.toPeer.set(bytesPerSecond);
    this.fromPeer.set(bytesPerSecond);
  }
}

/** One direction: a bucket of bytes that fills at the rate.
 *
 *  Nobody knows beforehand how large the next chunk is, so a chunk is carried whole while there is anything in the
 *  bucket, and the bucket may be overdrawn by it: then everybody waits until the debt is paid. Those that wait get
 *  their turn one after the other, and whoever needs another one goes to the end. So the peer's connections share the
 *  rate, and over any time the peer gets at most the rate, the bucket and a chunk for each connection. */
export class Allowance {
  readonly #options: RateLimitOptions;
  readonly #waiting = new Set<TurnTaker>();
  #bytesPerMs = Number.POSITIVE_INFINITY;
  /** What may be carried now; negative after a chunk that was larger. */
  #bytes = 0;
  #filledAt = 0;
  #hasTurn: TurnTaker | undefined;
  #timer: object | undefined;

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** Those that wait go on by the new rate. A debt stays, unless there is no limit any more. */
  set(bytesPerSecond: number | undefined): void {
    this.#fill();
    const wasLimited = this.#isLimited;
    this.#bytesPerMs = bytesPerSecond === undefined ? Number.POSITIVE_INFINITY : bytesPerSecond / 1000;
    if (this.#isLimited) {
      const most = this.#bytesPerMs * RATE_BURST_MS;
      this.#bytes = wasLimited ? Math.min(this.#bytes, most) : most;
    }
    if (this.#timer !== undefined) this.#options.timers.clear(this.#timer);
    this.#timer = undefined;
    if (this.#isLimited) this.#schedule();
    else this.#giveTurns();
  }

  /** Whether `taker` may carry a chunk now. If not, its `onTurn` is called when it may. */
  admits(taker: TurnTaker): boolean {
    if (!this.#isLimited) return true;
    this.#fill();
    const mustQueue = this.#waiting.size > 0 && this.#hasTurn !== taker;
    if (this.#bytes > 0 && !mustQueue) return true;
    this.#waiting.add(taker);
    this.#schedule();
    return false;
  }

  /** A chunk was carried. */
  take(bytes: number): void {
    if (this.#isLimited) this.#bytes -= bytes;
  }

  /** The same for a message, which is worth nothing later.
   *  @returns false if it must be dropped */
  takeMessage(bytes: number): boolean {
    if (!this.#isLimited) return true;
    this.#fill();
    if (this.#bytes <= 0) return false;
    this.#bytes -= bytes;
    return true;
  }

  /** Forgets `taker`, which carries no more. */
  leave(taker: TurnTaker): void {
    this.#waiting.delete(taker);
  }

  get #isLimited(): boolean {
    return this.#bytesPerMs !== Number.POSITIVE_INFINITY;
  }

  #fill(): void {
    const now = this.#options.now();
    if (this.#isLimited) {
      const most = this.#bytesPerMs * RATE_BURST_MS;
      this.#bytes = Math.min(most, this.#bytes + this.#bytesPerMs * (now - this.#filledAt));
    }
    this.#filledAt = now;
  }

  /** Wakes when the debt is paid and there is a little more, because a timer costs more than a chunk. */
  #schedule(): void {
    if (this.#timer !== undefined || this.#waiting.size === 0) return;
    const debtMs = Math.max(0, -this.#bytes) / this.#bytesPerMs;
    this.#timer = this.#options.timers.set(() => {
      this.#timer = undefined;
      this.#fill();
      this.#giveTurns();
    }, debtMs + RATE_TURN_MS);
  }

  #giveTurns(): void {
    for (const taker of [...this.#waiting]) {
      if (this.#isLimited && this.#bytes <= 0) break;
      this.#waiting.delete(taker);
      this.#hasTurn = taker;
      taker.onTurn();
      this.#hasTurn = undefined;
    }
    this.#schedule();
  }
}
