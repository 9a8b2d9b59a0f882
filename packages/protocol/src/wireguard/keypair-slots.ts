import type { Keypair } from './keypair.js';
import { type KeypairView, viewKeypair } from './session-view.js';

/** The three keypairs that a session may have at one time (spec session 2).
 *
 *  We send only under _current_. A keypair from a handshake that the peer initiated waits in _next_ until the peer uses
 *  it, because only then do we know that the peer has received our response. _Previous_ stays so that messages still
 *  under way can be opened. `previous` and `next` are never set at the same time.
 *
 *  Session owns the slots and tells them what happened. The slots own the keypairs: a keypair that loses its slot, or
 *  is too old, is destroyed and its index forgotten. */
export class KeypairSlots {
  #previous: Keypair | undefined;
  #current: Keypair | undefined;
  #next: Keypair | undefined;
  readonly #forget: (keypair: Keypair) => void;

  /** @param forget is called with each keypair that is destroyed, so that its index can be deleted too */
  constructor(forget: (keypair: Keypair) => void) {
    this.#forget = forget;
  }

  /** The keypair to send under, if there is one. It may be too old. */
  get current(): Keypair | undefined {
    return this.#current;
  }

  /** The keypair to send under, if it may be used. */
  sendable(now: number): Keypair | undefined {
    return this.#current?.canSend(now) === true ? this.#current : undefined;
  }

  /** The keypairs, as tools show them. */
  get view(): KeypairView[] {
    return (
      [
        ['previous', this.#previous],
        ['current', this.#current],
        ['next', this.#next],
      ] as const
    ).flatMap(([slot, keypair]) => (keypair === undefined ? [] : [viewKeypair(slot, keypair)]));
  }

  /** Adds the keypair of a handshake that we initiated. It becomes the current one at once (spec session 2.2). */
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

  /** Adds the keypair of a handshake that the peer initiated. It waits in `next` (spec session 2.3). */
  addResponded(keypair: Keypair): void {
    this.#destroy(this.#previous);
    this.#previous = undefined;
    this.#destroy(this.#next);
    this.#next = keypair;
  }

  /** A message authenticated under the keypair. If it is the next one, it becomes the current one (spec session 2.3).
   *  @returns whether it did */
  confirm(keypair: Keypair): boolean {
    if (keypair !== this.#next) return false;
    // There is no previous keypair to destroy: `next` was set, so `previous` is empty.
    this.#previous = this.#current;
    this.#current = keypair;
    this.#next = undefined;
    return true;
  }

  /** When the first of the keypairs will be too old to be used, if there is one (spec session 5.1). */
  get nextExpiry(): number | undefined {
    const all = [this.#previous, this.#current, this.#next].filter((keypair) => keypair !== undefined);
    return all.length === 0 ? undefined : Math.min(...all.map((keypair) => keypair.expiresAt));
  }

  /** Destroys the keypairs that are too old to be used (spec session 5.1, 8.1). */
  destroyExpired(now: number): void {
    if (this.#previous?.isExpired(now) === true) this.#previous = this.#destroy(this.#previous);
    if (this.#current?.isExpired(now) === true) this.#current = this.#destroy(this.#current);
    if (this.#next?.isExpired(now) === true) this.#next = this.#destroy(this.#next);
  }

  /** Destroys the current keypair. The previous one becomes current again, if there is one. */
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
