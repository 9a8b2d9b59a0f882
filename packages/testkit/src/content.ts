/** The content of simulated streams: bytes that follow from their offset, so that nobody has to store them. */
import { Digest } from './simulation/digest.js';
import type { SeededRandom } from './simulation/seeded-random.js';

/** A prime, so that the pattern never lines up with a block, window or datagram, whose sizes are powers of two. */
const PERIOD_BYTES = 65_521;
/** The longest piece that `bytes` returns. */
export const MAX_PIECE_BYTES = 65_536;

/** Random bytes that all streams share. Each stream starts at a different place in them. Applications write views of
 *  them and compare what they read; `isUntouched` checks at the end that the protocol has not modified any. */
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

  /** The bytes of a stream from `offset` on, as a view. The protocol must not modify them. */
  bytes(start: number, offset: number, length: number): Uint8Array {
    const from = (start + offset) % PERIOD_BYTES;
    return this.#pattern.subarray(from, from + length);
  }

  /** @returns the index of the first byte that differs from the stream's content, or -1 */
  firstDifference(start: number, offset: number, bytes: Uint8Array): number {
    let at = (start + offset) % PERIOD_BYTES;
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] !== this.#pattern[at]) return i;
      if (++at === PERIOD_BYTES) at = 0;
    }
    return -1;
  }

  /** Whether nobody has modified the content. */
  get isUntouched(): boolean {
    return this.#digestNow() === this.#digest;
  }

  #digestNow(): string {
    const digest = new Digest();
    digest.bytes(this.#pattern);
    return digest.value;
  }
}
