/** Under which keypairs our HELLO went out and was acknowledged (spec streams 3.3): until it is, every packet under a keypair begins with
 *  one. Keypair ids only grow. */
const NONE = -1;

export class OwnHello {
  #confirmedUnder = NONE;
  #sentUnder = NONE;

  isConfirmed(keypairId: number): boolean {
    return keypairId === this.#confirmedUnder;
  }

  /** None has gone out under this keypair: one must, even in a packet of its own. */
  isFirst(keypairId: number): boolean {
    return keypairId !== this.#confirmedUnder && keypairId !== this.#sentUnder;
  }

  onSent(keypairId: number): void {
    this.#sentUnder = keypairId;
  }

  onAcknowledged(keypairId: number): void {
    this.#confirmedUnder = Math.max(this.#confirmedUnder, keypairId);
  }
}
