/** More doublings than any window needs. */
const MAX_GROWTH_ROUNDS = 30;

/** How fast the long-term bound rises while a probe finds room (draft-ietf-ccwg-bbr §5.3.3.6): by one datagram in the
 *  first round of the probe, by two in the next, by four in the one after that, and so on.
 *
 *  BandwidthProbe owns it, and has it count acknowledged bytes. It says by how much to raise the bound, and leaves that
 *  to Bbr. Sizes are in bytes. */
export class BoundGrowth {
  #rounds = 0;
  /** Bytes acknowledged since the bound last rose. */
  #acked = 0;
  /** How many bytes have to be acknowledged for the bound to rise by one datagram. */
  #ackedPerStep = Number.POSITIVE_INFINITY;

  /** A new probe begins: the next round is its first. */
  restart(): void {
    this.#rounds = 0;
    this.#acked = 0;
  }

  /** A round of the probe begins: the bound rises twice as fast as in the last. */
  steepen(windowBytes: number, datagramBytes: number): void {
    const steps = 2 ** this.#rounds;
    this.#rounds = Math.min(this.#rounds + 1, MAX_GROWTH_ROUNDS);
    this.#ackedPerStep = Math.max(windowBytes / steps, datagramBytes);
  }

  /** Counts acknowledged bytes.
   *  @returns by how many datagrams to raise the bound now */
  onAcked(bytes: number): number {
    this.#acked += bytes;
    if (this.#acked < this.#ackedPerStep) return 0;
    const steps = Math.floor(this.#acked / this.#ackedPerStep);
    this.#acked -= steps * this.#ackedPerStep;
    return steps;
  }
}
