/** Step 8: a connection that outlives its circumstances. Three small machines, each for one thing that changes underneath it. */

/** Where the peer is. A laptop changes from one network to another, and a NAT forgets: the same peer then sends from a new address.
 *
 *  Nobody announces that. The rule: the peer is where its newest authentic datagram came from. And until the new place has proved
 *  that somebody is there who answers, it gets little: else a peer could name a victim's address, and we would flood it. */
export class PeerAddress {
  address: string | undefined;
  isProven = false;
  #newestCounter = -1;
  #mayStillSend = 0;

  /** @param counter  the datagram's; call this only after its seal has been checked */
  handleDatagram(from: string, counter: number, bytes: number): void {
    // An attacker on the path can hold a datagram back, copy it, and send it later from elsewhere. An old one moves nothing.
    const isNewest = counter > this.#newestCounter;
    if (isNewest) this.#newestCounter = counter;
    if (isNewest && from !== this.address) {
      this.address = from;
      this.isProven = false;
      this.#mayStillSend = 0;
    }
    // Three times what came from there: enough to answer, too little to be worth abusing (RFC 9000, section 8.1).
    if (from === this.address) this.#mayStillSend += 3 * bytes;
  }

  /** The answer to a random challenge came from there: whoever is there reads what we send. */
  handleChallengeAnswer(from: string): void {
    if (from === this.address) this.isProven = true;
  }

  /** @returns whether so many bytes may be sent now; if so, they count as sent */
  takeAllowance(bytes: number): boolean {
    if (this.isProven) return true;
    if (bytes > this.#mayStillSend) return false;
    this.#mayStillSend -= bytes;
    return true;
  }
}

export type Verdict = 'belongs' | 'peer-restarted' | 'stale';

const MAX_FORMER_RUNS = 8;

/** Which run of each process a packet belongs to. Keys change every two minutes and streams must survive that; a restarted
 *  process has forgotten its streams, and then they must end at once, on the other side too.
 *
 *  So each process draws a random number when it starts, its epoch, and every packet says between which two runs it travels. */
export class Epochs {
  readonly #own: string;
  #peers: string | undefined;
  #former: string[] = [];

  constructor(own: string) {
    this.#own = own;
  }

  /** @param to  the run of ours that the sender believes in; undefined if it hasn't heard from us yet */
  judge(from: string, to: string | undefined): Verdict {
    // Meant for a run of ours that is over. The sender will learn that from our next packet.
    if (to !== undefined && to !== this.#own) return 'stale';
    if (from === this.#peers) return 'belongs';
    // A late packet of a run that is over must not make us believe that the peer has gone back to it.
    if (this.#former.includes(from)) return 'stale';
    const isFirst = this.#peers === undefined;
    if (this.#peers !== undefined) this.#former = [this.#peers, ...this.#former].slice(0, MAX_FORMER_RUNS);
    this.#peers = from;
    return isFirst ? 'belongs' : 'peer-restarted';
  }
}

/** Every path carries so much (RFC 9000 requires it), so a search may begin here. */
export const BASE_BYTES = 1200;
const MAX_PROBE_LOSSES = 3;
const PRECISION_BYTES = 10;
/** So many losses in a row of packets above the base: the path got smaller, and nobody told us. */
const BLACK_HOLE_LOSSES = 4;

/** How large a datagram may be. Routers drop what is too large, often without a word, so it has to be tried: a probe is a
 *  datagram of that size which carries nothing that would be missed (RFC 8899). Binary search between what has arrived and what
 *  has not. */
export class MtuSearch {
  /** What data may use: the largest size that is known to arrive. */
  current = BASE_BYTES;
  #tooLarge: number;
  #probeLosses = 0;
  #lossesInARow = 0;

  /** @param max  the largest size worth trying, for example what the local network takes */
  constructor(max: number) {
    this.#tooLarge = max + 1;
  }

  /** @returns the size of the next probe, or undefined when the search is over */
  nextProbe(): number | undefined {
    if (this.#tooLarge - this.current <= PRECISION_BYTES) return undefined;
    return Math.floor((this.current + this.#tooLarge) / 2);
  }

  handleProbeArrived(bytes: number): void {
    this.#probeLosses = 0;
    if (bytes > this.current && bytes < this.#tooLarge) this.current = bytes;
  }

  /** A lost probe may have been too large, or simply lost, as any datagram may be. Three in a row are no accident. */
  handleProbeLost(bytes: number): void {
    this.#probeLosses++;
    if (this.#probeLosses < MAX_PROBE_LOSSES) return;
    this.#probeLosses = 0;
    if (bytes > this.current) this.#tooLarge = Math.min(this.#tooLarge, bytes);
  }

  handleDataArrived(bytes: number): void {
    if (bytes > BASE_BYTES) this.#lossesInARow = 0;
  }

  handleDataLost(bytes: number): void {
    if (bytes <= BASE_BYTES) return;
    if (++this.#lossesInARow < BLACK_HOLE_LOSSES) return;
    // Go back to what every path carries, at once: data come first. Then search again, below what has just failed.
    this.#lossesInARow = 0;
    this.#tooLarge = bytes;
    this.current = BASE_BYTES;
  }
}
