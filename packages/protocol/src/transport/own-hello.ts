const NONE = -1;

/** Remembers under which keypairs our HELLO was sent and acknowledged. Until it is acknowledged, every packet under a
 *  keypair starts with a HELLO (spec streams 3.2).
 *
 *  The packet builder asks it and reports what it sent; PacketFate reports acknowledgements. One id of each kind is
 *  enough, because only the newest keypair is used for sending, and a newer keypair has a greater id.
 *
 *  A HELLO that expects no epoch may be accepted by any run of the peer. It is _open_ until that run is known: it is the
 *  one that acknowledges it, or that is met under that keypair or a newer one. */
export class OwnHello {
  #confirmedUnder = NONE;
  #sentUnder = NONE;
  #openUnder = NONE;

  /** Whether a HELLO under this keypair was acknowledged. */
  isConfirmed(keypairId: number): boolean {
    return keypairId === this.#confirmedUnder;
  }

  /** Whether no HELLO was sent under this keypair yet. One must be sent then, even in a packet of its own. */
  isFirst(keypairId: number): boolean {
    return keypairId !== this.#confirmedUnder && keypairId !== this.#sentUnder;
  }

  /** Whether an open HELLO was sent under a newer keypair than this one (spec streams 8). */
  isOpenBeyond(keypairId: number): boolean {
    return keypairId < this.#openUnder;
  }

  /** A packet with a HELLO was sent under this keypair. @param isOpen whether it expects no epoch */
  onSent(keypairId: number, isOpen: boolean): void {
    this.#sentUnder = keypairId;
    if (isOpen) this.#openUnder = keypairId;
  }

  /** A HELLO of the peer was accepted under this keypair. */
  onMet(keypairId: number): void {
    if (!this.isOpenBeyond(keypairId)) this.#openUnder = NONE;
  }

  /** A packet with a HELLO was acknowledged. @param keypairId the keypair that it was sent under */
  onAcknowledged(keypairId: number): void {
    this.#confirmedUnder = Math.max(this.#confirmedUnder, keypairId);
    this.onMet(keypairId);
  }
}
