/** How fast the long-term bound rises while a probe finds room (draft-ietf-ccwg-bbr §5.3.3.6): by one datagram in the first round, by two
 *  in the next, by four ... Bytes. */

const MAX_GROWTH_ROUNDS = 30;

export class BoundGrowth {
  #rounds = 0;
  #acked = 0;
  #ackedPerStep = Number.POSITIVE_INFINITY;

  restart(): void {
    this.#rounds = 0;
    this.#acked = 0;
  }

  /** A round of the probe begins. */
  steepen(windowBytes: number, datagramBytes: number): void {
    const steps = 2 ** this.#rounds;
    this.#rounds = Math.min(this.#rounds + 1, MAX_GROWTH_ROUNDS);
    this.#ackedPerStep = Math.max(windowBytes / steps, datagramBytes);
  }

  /** @returns by how many datagrams the bound rises now */
  onAcked(bytes: number): number {
    this.#acked += bytes;
    if (this.#acked < this.#ackedPerStep) return 0;
    const steps = Math.floor(this.#acked / this.#ackedPerStep);
    this.#acked -= steps * this.#ackedPerStep;
    return steps;
  }
}
