/** Remembers that losses ended Startup, and notices when the path turns out to have had no queue then (spec congestion 4.3).
 *
 *  How far a delay wanders shows only after several rounds, and Startup may be over by then: a random loss beside a long round trip looks
 *  like a full queue. Bbr notes the exit here and asks once a round whether to go back. */
import type { PathModel } from './path-model.js';

/** After this many rounds the exit stands. */
const MAX_ROUNDS = 32;
/** The wander explains the exit when it covers this share of the delay at that time. */
const EXPLAINED_SHARE = 0.75;

type PathView = Pick<PathModel, 'rounds' | 'wanderMs' | 'minRttMs'>;

export class StartupExit {
  #roundTripMs = 0;
  /** 0: Startup is not over, or its end no longer open to doubt. */
  #untilRound = 0;

  /** Losses ended Startup. @param roundTripMs of the packets beside them */
  note(roundTripMs: number, rounds: number): void {
    this.#roundTripMs = roundTripMs;
    this.#untilRound = rounds + MAX_ROUNDS;
  }

  /** Returns true once when what seemed a queue was the path's own wander. */
  takeRefuted({ rounds, wanderMs, minRttMs }: PathView): boolean {
    if (rounds > this.#untilRound) return false;
    if (wanderMs === 0 || wanderMs < EXPLAINED_SHARE * (this.#roundTripMs - minRttMs)) return false;
    this.#untilRound = 0;
    return true;
  }
}
