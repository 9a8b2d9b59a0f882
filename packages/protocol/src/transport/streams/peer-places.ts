/** How many streams the peer may open: a place comes back when a stream is over, and not faster than a budget when the peer gave it up
 *  (spec streams 5.4). */
import type { Deadline } from '../../deadline.js';
import type { TokenBucket } from '../../token-bucket.js';
import type { FrameRequests } from './frame-requests.js';

export class PeerPlaces {
  /** What MAX_STREAMS states: streams ever opened. */
  granted: number;
  readonly #budget: TokenBucket;
  readonly #requests: Pick<FrameRequests, 'requestMaxStreams'>;
  /** Places that wait for the budget. */
  #owed = 0;

  /** @param places streams that may be open at one time
   *  @param budget for those that the peer gives up */
  constructor(places: number, budget: TokenBucket, requests: Pick<FrameRequests, 'requestMaxStreams'>) {
    this.granted = places;
    this.#budget = budget;
    this.#requests = requests;
  }

  /** A stream of the peer's is over. @param wasGivenUp by the peer, before we did anything about it */
  giveBack(wasGivenUp: boolean): void {
    if (wasGivenUp) this.#owed++;
    else this.#grant();
  }

  /** Gives back what the budget allows. */
  pay(now: number): void {
    while (this.#owed > 0 && this.#budget.take(now)) {
      this.#owed--;
      this.#grant();
    }
  }

  /** When `pay` has something to do. */
  pollTimeout(): Deadline | undefined {
    if (this.#owed === 0) return undefined;
    return { at: this.#budget.readyAt, reason: 'stream budget' };
  }

  #grant(): void {
    this.granted++;
    this.#requests.requestMaxStreams();
  }
}
