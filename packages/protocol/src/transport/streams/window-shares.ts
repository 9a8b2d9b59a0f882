/** How the connection's window is shared out among the streams that the peer sends on (spec streams 5.3). Bytes.
 *
 *  Every stream that may be open has its first window, and nobody can take that from it. What the connection's window has beyond all
 *  first windows is the spare part, and a stream makes a claim on it. Whether somebody reads a stream shows only when he has read:
 *
 *  - before that, a stream claims all that it was granted beyond its first window, read or not; such claims have a small part of
 *    the spare one to themselves, so however many streams nobody ever reads, the rest is untouched;
 *  - after that, it claims the bytes that are there and unread, as a quiet stream that was read to the last byte takes nothing.
 *
 *  A window is at most a share of what all claims leave, so each stream that stops leaves something for the next. */
import {
  INITIAL_MAX_STREAM_DATA_BYTES,
  OPENING_WINDOW_BYTES,
  READER_PROOF_BYTES,
  SYSTEM_BUFFERS_BYTES,
} from '../limits.js';
import type { ReceiveHalf } from './receive-half.js';

/** Of the spare part, for streams of which nothing shows that they are read. */
const UNPROVEN_SHARE = 1 / 8;
/** Of what is left of it, for the next one. */
const OPENING_SHARE = 1 / 4;
/** Of what all claims leave: kept for streams that read more than the buffers of two systems take. */
const RESERVE_SHARE = 1 / 8;
/** Of what is free beyond that, for a stream that may just be filling them, ... */
const FILLING_SHARE = 1 / 8;
/** ... of all that is free, if that is more, ... */
const LEAST_SHARE = 1 / 16;
/** ... and for one that surely is read. */
const READ_SHARE = 1 / 2;

export interface WindowLimits {
  readonly connectionWindowBytes: number;
  readonly maxStreamWindowBytes: number;
  readonly maxOpenStreams: number;
}

export class WindowShares {
  readonly #maxWindowBytes: number;
  readonly #spareBytes: number;
  #claimed = 0;
  /** By streams of which nothing shows that they are read. */
  #unproven = 0;

  constructor(limits: WindowLimits) {
    const { connectionWindowBytes, maxOpenStreams } = limits;
    this.#maxWindowBytes = limits.maxStreamWindowBytes;
    // Limits that were not chosen by `transportFor` may be too small for all first windows.
    const spareBytes = connectionWindowBytes - maxOpenStreams * INITIAL_MAX_STREAM_DATA_BYTES;
    this.#spareBytes = Math.max(spareBytes, connectionWindowBytes / 2);
  }

  /** Bytes beyond the first windows that are there unread or, of streams that nobody has read yet, may come. */
  get claimedBytes(): number {
    return this.#claimed;
  }

  /** The window that a stream may have of which so much was read. */
  readWindowBytes(readBytes: number): number {
    const free = Math.max(0, this.#spareBytes - this.#claimed);
    const share =
      readBytes < SYSTEM_BUFFERS_BYTES
        ? Math.max(FILLING_SHARE * (free - RESERVE_SHARE * this.#spareBytes), LEAST_SHARE * free)
        : READ_SHARE * free;
    return Math.min(this.#maxWindowBytes, INITIAL_MAX_STREAM_DATA_BYTES + Math.floor(share));
  }

  /** The window that a stream may have before that. */
  get openingWindowBytes(): number {
    const left = Math.max(0, UNPROVEN_SHARE * this.#spareBytes - this.#unproven);
    const window = INITIAL_MAX_STREAM_DATA_BYTES + Math.floor(OPENING_SHARE * left);
    return Math.min(window, OPENING_WINDOW_BYTES, this.readWindowBytes(0));
  }

  /** To be called whenever bytes arrived or were read, a limit rose, or the direction ended. */
  update(receiving: ReceiveHalf): void {
    const claimed = claimOf(receiving);
    if (!receiving.isClaimProven) this.#unproven -= receiving.claimedBytes;
    this.#claimed += claimed - receiving.claimedBytes;
    receiving.claimedBytes = claimed;
    receiving.isClaimProven = isProven(receiving);
    if (!receiving.isClaimProven) this.#unproven += claimed;
  }
}

/** Somebody has read so much that it can hardly be the head of a request or a status. */
export function isProven({ buffer }: ReceiveHalf): boolean {
  return buffer.readOffset >= READER_PROOF_BYTES;
}

function claimOf(receiving: ReceiveHalf): number {
  if (receiving.isDiscarding) return 0;
  const end = receiving.finalSize ?? (isProven(receiving) ? receiving.largest : receiving.limit);
  return Math.max(0, end - receiving.buffer.readOffset - INITIAL_MAX_STREAM_DATA_BYTES);
}
