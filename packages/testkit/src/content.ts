/** What streams of a simulation carry: bytes that are known by their offset, so that nobody has to store them. */
import { Digest } from './digest.js';
import type { SeededRandom } from './seeded-random.js';

/** A prime, so that the pattern lines up with no power of two: no block, window or datagram. */
const PERIOD_BYTES = 65_521;
/** The longest piece that `bytes` gives. */
export const MAX_PIECE_BYTES = 65_536;

/** Random bytes shared by all streams; each stream begins somewhere else in them. */
export class Content {
  readonly #pattern: Uint8Array;
  readonly #digest: string;

  constructor(random: SeededRandom) {
    const period = random.bytes(PERIOD_BYTES);
    this.#pattern = new Uint8Array(PERIOD_BYTES + MAX_PIECE_BYTES);
    for (let at = 0; at < this.#pattern.length; at += PERIOD_BYTES) {
      this.#pattern.set(period.subarray(0, this.#pattern.length - at), at);
    }
    this.#digest = this.#digestNow();
  }

  /** The bytes of stream `start` from `offset`, as a view: whoever changes it shows up in `isUntouched`. */
  bytes(start: number, offset: number, length: number): Uint8Array {
    const from = (start + offset) % PERIOD_BYTES;
    return this.#pattern.subarray(from, from + length);
  }

  /** @returns the index of the first of `bytes` that is not the stream's byte at its offset, or -1 */
  firstDifference(start: number, offset: number, bytes: Uint8Array): number {
    let at = (start + offset) % PERIOD_BYTES;
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] !== this.#pattern[at]) return i;
      if (++at === PERIOD_BYTES) at = 0;
    }
    return -1;
  }

  /** The protocol promises to change nothing that was given to it. */
  get isUntouched(): boolean {
    return this.#digestNow() === this.#digest;
  }

  #digestNow(): string {
    const digest = new Digest();
    digest.bytes(this.#pattern);
    return digest.value;
  }
}
