/** Which initiations of one peer were accepted, by their timestamps (spec handshake 3.3).
 *
 *  WireGuard keeps the greatest stamp and refuses all that is not greater. Then a client whose clock was a year ahead, once, is refused for a year.
 *  Here the floor rises only to stamps that our own clock has reached. Stamps ahead of it are remembered one by one, so that none is accepted
 *  twice, and do not count against a stamp that is not ahead. As our clock passes them they raise the floor like all others.
 *
 *  Stamps are encoded TAI64N, 12 bytes. The list of those ahead is bounded: when it is full its two lowest entries become one range, and
 *  what lies between them is refused too. */

import { copyBytes } from '../copy-bytes.js';
import { MAX_STAMPS_AHEAD } from './constants.js';
import { compareTai64n, encodeTai64n, tai64nFromUnixMs } from './tai64n.js';

interface StampRange {
  readonly low: Uint8Array;
  high: Uint8Array;
}

export class SeenStamps {
  #floor: Uint8Array | undefined;
  /** Accepted ahead of our clock, in ascending order, without overlaps. */
  readonly #ahead: StampRange[] = [];

  /** Everything up to it is refused: the greatest stamp accepted so far that was not ahead of our clock. */
  get floor(): Uint8Array | undefined {
    return this.#floor;
  }
  /** Entries that are kept because they are ahead of our clock. */
  get aheadCount(): number {
    return this.#ahead.length;
  }

  /** @param unixTimeMs our own wall clock */
  isNew(stamp: Uint8Array, unixTimeMs: number): boolean {
    this.#raiseFloor(encodeTai64n(tai64nFromUnixMs(unixTimeMs)));
    if (this.#floor !== undefined && compareTai64n(stamp, this.#floor) <= 0) return false;
    return !this.#ahead.some(
      ({ low, high }) => compareTai64n(stamp, low) >= 0 && compareTai64n(stamp, high) <= 0,
    );
  }

  /** Notes a stamp that `isNew` called new just now. */
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
