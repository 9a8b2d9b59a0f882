/** A token bucket: it limits how often something may happen, on average and in one burst.
 *
 *  The bucket holds up to `capacity` tokens and starts full. Tokens come back at a steady rate until it is full again.
 *  The owner takes one token for each event, and when there is none it refuses the event or waits until `readyAt`. The
 *  bucket reads no clock; a `now` that is earlier than the last one adds nothing. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #perMs: number;
  #tokens: number;
  #filledAt = 0;

  /** @param capacity the greatest number of tokens, and so the largest burst
   *  @param perSecond how many tokens come back in a second */
  constructor(capacity: number, perSecond: number) {
    this.#capacity = capacity;
    this.#perMs = perSecond / 1000;
    this.#tokens = capacity;
  }

  /** Takes one token.
   *  @returns false, and takes nothing, if there is less than one */
  take(now: number): boolean {
    this.#fill(now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Puts a token back, for an event that should not count after all. */
  give(): void {
    this.#tokens = Math.min(this.#tokens + 1, this.#capacity);
  }

  /** When the next `take` will succeed, in ms. If it would succeed now, that time has passed. */
  get readyAt(): number {
    return this.#filledAt + Math.max(1 - this.#tokens, 0) / this.#perMs;
  }

  #fill(now: number): void {
    const elapsed = Math.max(now - this.#filledAt, 0);
    this.#filledAt = Math.max(now, this.#filledAt);
    this.#tokens = Math.min(this.#tokens + elapsed * this.#perMs, this.#capacity);
  }
}
