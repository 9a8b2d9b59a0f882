import {
  INITIAL_MAX_STREAM_DATA_BYTES,
  OPENING_WINDOW_BYTES,
  READER_PROOF_BYTES,
  SYSTEM_BUFFERS_BYTES,
} from '../limits.js';
import type { ReceiveHalf } from './receive-half.js';

/** The share of the spare part for streams that have not been shown to be read. */
const UNPROVEN_SHARE = 1 / 8;
/** The share of what is left of that for the next such stream. */
const OPENING_SHARE = 1 / 4;
/** The share of the spare part that is kept for streams of which more was read than the buffers of two systems take. */
const RESERVE_SHARE = 1 / 8;
/** The share of what is free beyond that for a stream that may just be filling these buffers, ... */
const FILLING_SHARE = 1 / 8;
/** ... or this share of everything that is free, if that is more. */
const LEAST_SHARE = 1 / 16;
/** The share of everything that is free for a stream that is certainly being read. */
const READ_SHARE = 1 / 2;

/** The limits of TransportConfig that windows depend on. */
export interface WindowLimits {
  readonly connectionWindowBytes: number;
  readonly maxStreamWindowBytes: number;
  readonly maxOpenStreams: number;
}

/** Divides the connection's window among the streams that the peer sends on (spec streams 5.3).
 *
 *  Every stream that may be open has a first window of its own, which nobody can take from it. The rest of the
 *  connection's window is the _spare part_. A stream that may send more than its first window has a _claim_ on the
 *  spare part. How large the claim is depends on whether anybody reads the stream, and only reading shows that:
 *
 *  - Before that, a stream claims everything it was granted beyond its first window, read or not. All such claims
 *  together
 *    get only a small part of the spare part. However many streams nobody ever reads, the rest is untouched.
 *  - After that, it claims the bytes that have arrived and were not read. A quiet stream that was read to the last byte
 *    claims nothing.
 *
 *  A stream's window is at most a share of what all claims leave free, so each stream that stops leaves something for
 *  the next.
 *
 *  There is one of these per connection. Every change of a receiving half is reported to it, and it keeps only the sums
 *  of the claims. It never sends a limit. Sizes are in bytes. */
export class WindowShares {
  readonly #maxWindowBytes: number;
  readonly #spareBytes: number;
  /** The sum of all claims. */
  #claimed = 0;
  /** The sum of the claims of streams that have not been shown to be read. */
  #unproven = 0;

  constructor(limits: WindowLimits) {
    const { connectionWindowBytes, maxOpenStreams } = limits;
    this.#maxWindowBytes = limits.maxStreamWindowBytes;
    // Limits that `transportFor` has not chosen may be too small for all first windows.
    const spareBytes = connectionWindowBytes - maxOpenStreams * INITIAL_MAX_STREAM_DATA_BYTES;
    this.#spareBytes = Math.max(spareBytes, connectionWindowBytes / 2);
  }

  /** The sum of all claims. */
  get claimedBytes(): number {
    return this.#claimed;
  }

  /** The largest window for a stream of which this much was read. */
  readWindowBytes(readBytes: number): number {
    const free = Math.max(0, this.#spareBytes - this.#claimed);
    const share =
      readBytes < SYSTEM_BUFFERS_BYTES
        ? Math.max(FILLING_SHARE * (free - RESERVE_SHARE * this.#spareBytes), LEAST_SHARE * free)
        : READ_SHARE * free;
    return Math.min(this.#maxWindowBytes, INITIAL_MAX_STREAM_DATA_BYTES + Math.floor(share));
  }

  /** The largest window for a stream that has not been shown to be read. */
  get openingWindowBytes(): number {
    const left = Math.max(0, UNPROVEN_SHARE * this.#spareBytes - this.#unproven);
    const window = INITIAL_MAX_STREAM_DATA_BYTES + Math.floor(OPENING_SHARE * left);
    return Math.min(window, OPENING_WINDOW_BYTES, this.readWindowBytes(0));
  }

  /** Updates the claim of a stream. It must be called whenever bytes have arrived or were read, the stream's limit has
   *  risen, or the direction has ended. */
  update(receiving: ReceiveHalf): void {
    const claimed = claimOf(receiving);
    if (!receiving.isClaimProven) this.#unproven -= receiving.claimedBytes;
    this.#claimed += claimed - receiving.claimedBytes;
    receiving.claimedBytes = claimed;
    receiving.isClaimProven = isProven(receiving);
    if (!receiving.isClaimProven) this.#unproven += claimed;
  }
}

/** Whether so much was read that it can hardly have been only the head of a request or a status. */
export function isProven({ buffer }: ReceiveHalf): boolean {
  return buffer.readOffset >= READER_PROOF_BYTES;
}

/** How many bytes the stream claims from the spare part. */
function claimOf(receiving: ReceiveHalf): number {
  if (receiving.isDiscarding) return 0;
  const end = receiving.finalSize ?? (isProven(receiving) ? receiving.largest : receiving.limit);
  return Math.max(0, end - receiving.buffer.readOffset - INITIAL_MAX_STREAM_DATA_BYTES);
}
