import { copyBytes } from '../copy-bytes.js';
import { MAX_STAMPS_AHEAD } from './constants.js';
import { compareTai64n, encodeTai64n, tai64nFromUnixMs } from './tai64n.js';

/** Timestamps from `low` to `high`, both included. Usually they are the same. */
interface StampRange {
  readonly low: Uint8Array;
  high: Uint8Array;
}

/** Remembers the timestamps of the initiations that were accepted from one peer, so that none is accepted twice
 *  (spec handshake 3.3).
 *
 *  WireGuard keeps only the greatest timestamp, and refuses every one that is not greater. A client whose clock was
 *  once a year ahead is then locked out for a year. So here the greatest timestamp, the _floor_, rises only to
 *  timestamps that our own clock has reached. Those that are ahead of our clock are remembered one by one, and do not
 *  count against timestamps that are not ahead. As our clock passes them, they raise the floor like all others.
 *
 *  There are at most 64 entries for timestamps ahead. When there would be more, the two lowest are merged into one
 *  range, and whatever lies between them is refused too.
 *
 *  Responder owns this object, and calls it only with timestamps that have authenticated. Timestamps are encoded
 *  TAI64N, 12 bytes. Our own clock is an argument, and may go back: the floor never does. */
export class SeenStamps {
  #floor: Uint8Array | undefined;
  /** Accepted timestamps that are ahead of our clock, in ascending order and without overlaps. */
  readonly #ahead: StampRange[] = [];

  /** The greatest accepted timestamp that our clock has reached. All timestamps up to it are refused. */
  get floor(): Uint8Array | undefined {
    return this.#floor;
  }
  /** How many entries are kept because they are ahead of our clock. */
  get aheadCount(): number {
    return this.#ahead.length;
  }

  /** Whether a timestamp may be accepted.
   *  @param unixTimeMs our own wall clock */
  isNew(stamp: Uint8Array, unixTimeMs: number): boolean {
    this.#raiseFloor(encodeTai64n(tai64nFromUnixMs(unixTimeMs)));
    if (this.#floor !== undefined && compareTai64n(stamp, this.#floor) <= 0) return false;
    return !this.#ahead.some(
      ({ low, high }) => compareTai64n(stamp, low) >= 0 && compareTai64n(stamp, high) <= 0,
    );
  }

  /** Remembers a timestamp as accepted. `isNew` must have returned true for it, at the same time. */
  add(stamp: Uint8Array, unixTimeMs: number): void {
    const clock = encodeTai64n(tai64nFromUnixMs(unixTimeMs));
    if (compareTai64n(stamp, clock) <= 0) {
      this.#floor = copyBytes(stamp);
      return;
    }
    const kept = copyBytes(stamp);
    const at = this.#ahead.findIndex(({ low }) => compareTai64n(low, stamp) > 0);
    this.#ahead.splice(at < 0 ? this.#ahead.length : at, 0, { low: kept, high: kept });
    if (this.#ahead.length > MAX_STAMPS_AHEAD) {
      const [lowest, next] = this.#ahead as [StampRange, StampRange];
      lowest.high = next.high;
      this.#ahead.splice(1, 1);
    }
  }

  /** Moves entries that our clock has passed to the floor. */
  #raiseFloor(clock: Uint8Array): void {
    let passed = 0;
    for (const { high } of this.#ahead) {
      if (compareTai64n(high, clock) > 0) break;
      this.#floor = high;
      passed++;
    }
    this.#ahead.splice(0, passed);
  }
}
