import type { PathModel } from './path-model.js';

/** After this many rounds the exit is no longer in doubt. */
const MAX_ROUNDS = 32;
/** The wander explains the exit if it is at least this share of the delay beyond the shortest round trip at that
 *  time. */
const EXPLAINED_SHARE = 0.75;

type PathView = Pick<PathModel, 'rounds' | 'wanderMs' | 'minRttMs'>;

/** Remembers that losses ended Startup, and notices if the path turns out to have had no queue then
 *  (spec congestion 4.3).
 *
 *  It takes several rounds to see how far a delay wanders, and Startup may be over by then: a random loss next to a
 *  long round trip looks like a full queue. Bbr notes such an exit here, and asks once a round whether to go back. */
export class StartupExit {
  /** The round trip next to the losses that ended Startup. */
  #roundTripMs = 0;
  /** The last round in which the exit may still be refuted; 0 if Startup is not over, or its exit not in doubt. */
  #untilRound = 0;
  /** Startup was resumed once. It is not resumed again. */
  #hasResumed = false;

  /** Losses ended Startup.
   *  @param roundTripMs of the packets that the same ACK acknowledged
   *  @param rounds how many rounds there have been so far */
  note(roundTripMs: number, rounds: number): void {
    if (this.#hasResumed) return;
    this.#roundTripMs = roundTripMs;
    this.#untilRound = rounds + MAX_ROUNDS;
  }

  /** Whether what looked like a queue was the wander of the path. It returns true only once, because a Startup
   *  that ends in losses again has found what the path can carry. */
  takeRefuted({ rounds, wanderMs, minRttMs }: PathView): boolean {
    if (rounds > this.#untilRound) return false;
    if (wanderMs === 0 || wanderMs < EXPLAINED_SHARE * (this.#roundTripMs - minRttMs)) return false;
    this.#untilRound = 0;
    this.#hasResumed = true;
    return true;
  }
}
