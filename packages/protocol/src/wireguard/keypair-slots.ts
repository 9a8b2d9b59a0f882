/** Previous, current and next (spec session 2). */
import type { Keypair } from './keypair.js';

export class KeypairSlots {
  #previous: Keypair | undefined;
  #current: Keypair | undefined;
  #next: Keypair | undefined;
  readonly #forget: (keypair: Keypair) => void;

  /** @param forget is told of each keypair that is destroyed, so that its index can go too */
  constructor(forget: (keypair: Keypair) => void) {
    this.#forget = forget;
  }

  get current(): Keypair | undefined {
    return this.#current;
  }

  /** spec session 2.2 */
  addInitiated(keypair: Keypair): void {
    this.#destroy(this.#previous);
    if (this.#next === undefined) this.#previous = this.#current;
    else {
      this.#destroy(this.#current);
      this.#previous = this.#next;
      this.#next = undefined;
    }
    this.#current = keypair;
  }

  /** spec session 2.3 */
  addResponded(keypair: Keypair): void {
    this.#destroy(this.#previous);
    this.#previous = undefined;
    this.#destroy(this.#next);
    this.#next = keypair;
  }

  /** A packet authenticated under the keypair.
   *  @returns whether that was the first, and made it the current one */
  confirm(keypair: Keypair): boolean {
    if (keypair !== this.#next) return false;
    // Empty until now: whoever fills the slot of the previous one empties that of the next, and the other way round.
    this.#previous = this.#current;
    this.#current = keypair;
    this.#next = undefined;
    return true;
  }

  /** Destroys keypairs that are too old to be used (spec session 5.1, 8.1).
   *  @returns when the next one is, or undefined when none is left */
  destroyExpired(now: number): number | undefined {
    if (this.#previous?.isExpired(now) === true) this.#previous = this.#destroy(this.#previous);
    if (this.#current?.isExpired(now) === true) this.#current = this.#destroy(this.#current);
    if (this.#next?.isExpired(now) === true) this.#next = this.#destroy(this.#next);
    const left = [this.#previous, this.#current, this.#next].filter((keypair) => keypair !== undefined);
    return left.length === 0 ? undefined : Math.min(...left.map((keypair) => keypair.expiresAt));
  }

  /** Forgets the current keypair and goes back to the one before it, which may be none. */
  dropCurrent(): void {
    this.#destroy(this.#current);
    this.#current = this.#previous;
    this.#previous = undefined;
  }

  destroyAll(): void {
    this.#destroy(this.#previous);
    this.#destroy(this.#current);
    this.#destroy(this.#next);
    this.#previous = undefined;
    this.#current = undefined;
    this.#next = undefined;
  }

  #destroy(keypair: Keypair | undefined): undefined {
    if (keypair === undefined) return;
    keypair.destroy();
    this.#forget(keypair);
  }
}
