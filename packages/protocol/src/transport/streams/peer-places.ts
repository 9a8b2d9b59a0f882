import type { Deadline } from '../../deadline.js';
import type { TokenBucket } from '../../token-bucket.js';
import type { FrameRequests } from './frame-requests.js';

/** Counts how many streams the peer may open (spec streams 5.4).
 *
 *  A stream of the peer takes a place, which the peer gets back when the stream is over. If the peer gave up the
 *  stream, the place comes back only as fast as a budget permits, because such a stream costs the peer next to nothing.
 *  The object counts places and requests MAX_STREAMS; StreamTable enforces the limit. */
export class PeerPlaces {
  /** What MAX_STREAMS states: how many streams the peer may have opened in all. */
  granted: number;
  readonly #budget: TokenBucket;
  readonly #requests: Pick<FrameRequests, 'requestMaxStreams'>;
  /** How many places wait for the budget. */
  #deferred = 0;

  /** @param places how many streams may be open at the same time
   *  @param budget for the places of streams that the peer gives up */
  constructor(places: number, budget: TokenBucket, requests: Pick<FrameRequests, 'requestMaxStreams'>) {
    this.granted = places;
    this.#budget = budget;
    this.#requests = requests;
  }

  /** A stream of the peer is over.
   *  @param wasGivenUp whether the peer gave it up */
  giveBack(wasGivenUp: boolean): void {
    if (wasGivenUp) this.#deferred++;
    else this.#grant();
  }

  /** Gives back as many deferred places as the budget permits. */
  replenish(now: number): void {
    while (this.#deferred > 0 && this.#budget.take(now)) {
      this.#deferred--;
      this.#grant();
    }
  }

  /** When `replenish` will have something to do. */
  pollTimeout(): Deadline | undefined {
    if (this.#deferred === 0) return undefined;
    return { at: this.#budget.readyAt, reason: 'stream budget' };
  }

  #grant(): void {
    this.granted++;
    this.#requests.requestMaxStreams();
  }
}
