const NONE = -1;

/** Remembers under which keypairs our HELLO was sent and acknowledged. Until it is acknowledged, every packet under a
 *  keypair starts with a HELLO (spec streams 3.2).
 *
 *  The packet builder asks it and reports what it sent; PacketFate reports acknowledgements. Two ids are enough,
 *  because only the newest keypair is used for sending, and a newer keypair has a greater id. */
export class OwnHello {
  #confirmedUnder = NONE;
  #sentUnder = NONE;

  /** Whether a HELLO under this keypair was acknowledged. */
  isConfirmed(keypairId: number): boolean {
    return keypairId === this.#confirmedUnder;
  }

  /** Whether no HELLO was sent under this keypair yet. One must be sent then, even in a packet of its own. */
  isFirst(keypairId: number): boolean {
    return keypairId !== this.#confirmedUnder && keypairId !== this.#sentUnder;
  }

  /** A packet with a HELLO was sent under this keypair. */
  onSent(keypairId: number): void {
    this.#sentUnder = keypairId;
  }

  /** A packet with a HELLO was acknowledged. @param keypairId the keypair that it was sent under */
  onAcknowledged(keypairId: number): void {
    this.#confirmedUnder = Math.max(this.#confirmedUnder, keypairId);
  }
}
