/** A budget that fills with time, up to a size: what may happen often, but not for ever. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #perMs: number;
  #tokens: number;
  #filledAt = 0;

  /** Begins full. */
  constructor(capacity: number, perSecond: number) {
    this.#capacity = capacity;
    this.#perMs = perSecond / 1000;
    this.#tokens = capacity;
  }

  /** @returns false, and takes nothing, when there is less than one token */
  take(now: number): boolean {
    this.#fill(now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Puts one token back. */
  give(): void {
    this.#tokens = Math.min(this.#tokens + 1, this.#capacity);
  }

  /** When the next `take` succeeds. */
  readyAt(now: number): number {
    this.#fill(now);
    return this.#tokens >= 1 ? now : now + (1 - this.#tokens) / this.#perMs;
  }

  #fill(now: number): void {
    const elapsed = Math.max(now - this.#filledAt, 0);
    this.#filledAt = Math.max(now, this.#filledAt);
    this.#tokens = Math.min(this.#tokens + elapsed * this.#perMs, this.#capacity);
  }
}
