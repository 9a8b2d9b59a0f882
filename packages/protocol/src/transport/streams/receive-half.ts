import { ConnectionErrorCode } from '../../failure.js';
import { INITIAL_MAX_STREAM_DATA_BYTES, MIN_USEFUL_CREDIT_BYTES } from '../limits.js';
import type { BlockPool } from './block-pool.js';
import { ReadPace } from './read-pace.js';
import { ReceiveBuffer } from './receive-buffer.js';
import { RECEIVE_TRANSITIONS, type ReceiveEvent, type ReceiveState } from './states.js';

/** What became of a frame. `later` means that the packet must not be acknowledged, so that the frame is sent again. */
export type ReceiveOutcome = 'ok' | 'later' | 'over-limit' | 'final-size';

/** The window of a stream is never smaller, however little the connection's window can spare. */
const MIN_WINDOW_BYTES = INITIAL_MAX_STREAM_DATA_BYTES;

/** A new limit is sent if it adds at least this fraction of the window, one in ..., */
const CREDIT_STEPS = 8;
/** ... and at least this much. */
const MIN_STEP_BYTES = MIN_WINDOW_BYTES / 2;

/** The receiving direction of a stream (spec streams 4.3 to 4.6, 5.1, 5.2).
 *
 *  It owns the state, the bytes that have arrived and were not read, the limit that the peer has to keep, and the
 *  window from which the next limit follows. It decides what window its reader needs. StreamSet passes frames in.
 *  ReceiveWindows reads, and says how much the connection can spare. The half never sends: limits and STOP_SENDING are
 *  requested by these two. */
export class ReceiveHalf {
  state: ReceiveState = 'receive';
  readonly buffer: ReceiveBuffer;
  /** The highest offset that the peer may send up to. */
  limit: number;
  /** How far the limit may be beyond what was read. */
  windowBytes: number;
  /** The highest offset that has arrived. */
  largest = 0;
  /** The size of this direction, once FIN or RESET_STREAM has stated it. */
  finalSize: number | undefined;
  /** The code in STOP_SENDING, once the reader has stopped. */
  stopCode: number | undefined;
  /** The claim that WindowShares has counted for this stream. */
  claimedBytes = 0;
  /** Whether it was counted as a stream that is being read. */
  isClaimProven = false;

  readonly #pace = new ReadPace();

  constructor(windowBytes: number, blocks?: BlockPool) {
    this.buffer = new ReceiveBuffer(blocks);
    this.limit = windowBytes;
    this.windowBytes = windowBytes;
  }

  /** Whether this direction has reached a final state. */
  get isOver(): boolean {
    return this.state === 'data-read' || this.state === 'reset-read';
  }
  /** Whether nothing of this direction has arrived, and the reader still wants it. */
  get isUntouched(): boolean {
    return this.state === 'receive' && this.largest === 0 && this.stopCode === undefined;
  }
  /** Whether bytes that arrive are discarded, or none can arrive any more. */
  get isDiscarding(): boolean {
    return this.stopCode !== undefined || this.isOver || this.state === 'reset-received';
  }
  /** Whether bytes or FIN wait for the reader. */
  get isReadable(): boolean {
    if (this.isDiscarding) return false;
    return this.buffer.contiguousEnd > this.buffer.readOffset || this.state === 'data-received';
  }

  /** A STREAM frame arrived. Its bytes are copied. */
  onData(offset: number, bytes: Uint8Array, start: number, length: number, fin: boolean): ReceiveOutcome {
    if (this.isOver || this.state === 'reset-received') return this.#checkFinalSize(offset + length, fin);
    const end = offset + length;
    const outcome = this.#checkFinalSize(end, fin);
    if (outcome !== 'ok') return outcome;
    if (end > this.limit) return 'over-limit';
    if (this.stopCode === undefined && length > 0 && !this.buffer.write(offset, bytes, start, length))
      return 'later';
    if (end > this.largest) this.largest = end;
    if (fin && this.finalSize === undefined) {
      this.finalSize = end;
      this.#handle('fin');
    }
    if (this.stopCode !== undefined) {
      if (this.finalSize !== undefined) this.#handle('told');
    } else if (this.finalSize !== undefined && this.buffer.contiguousEnd === this.finalSize) {
      this.#handle('all-arrived');
    }
    return 'ok';
  }

  /** RESET_STREAM arrived. */
  onReset(finalSize: number): ReceiveOutcome {
    const outcome = this.#checkFinalSize(finalSize, true);
    if (outcome !== 'ok') return outcome;
    if (finalSize > this.limit) return 'over-limit';
    if (this.isOver || this.state === 'data-received') return 'ok'; // All bytes are here, so the reset changes nothing.
    this.largest = finalSize;
    this.finalSize = finalSize;
    this.#handle('reset');
    return 'ok';
  }

  /** Takes the next bytes in order. */
  read(): Uint8Array | undefined {
    const bytes = this.buffer.read();
    this.#noteAllRead();
    return bytes;
  }

  /** Copies the next bytes in order. @returns how many */
  readInto(target: Uint8Array): number {
    const length = this.buffer.readInto(target);
    this.#noteAllRead();
    return length;
  }

  /** Raises the limit for what was read, if that adds enough (spec streams 5.2).
   *  @param maxWindowBytes the largest window that the connection can spare for this stream now */
  replenish(now: number, roundTripMs: number, maxWindowBytes: number): void {
    if (this.isDiscarding || this.finalSize !== undefined) return;
    const read = this.buffer.readOffset;
    const wanted = this.#pace.windowBytes(now, roundTripMs, read);
    this.windowBytes = Math.max(Math.min(wanted, maxWindowBytes), MIN_WINDOW_BYTES);
    // Limits only rise (spec streams 5.1).
    const gain = read + this.windowBytes - this.limit;
    if (gain >= Math.max(this.windowBytes / CREDIT_STEPS, MIN_STEP_BYTES)) this.limit += gain;
  }

  /** Raises the window and the limit, unless that would add only a few bytes (spec streams 5.6). */
  widen(windowBytes: number): void {
    if (this.isDiscarding || this.finalSize !== undefined) return;
    const limit = this.buffer.readOffset + windowBytes;
    if (windowBytes <= this.windowBytes || limit < this.limit + MIN_USEFUL_CREDIT_BYTES) return;
    this.windowBytes = windowBytes;
    this.limit = limit;
  }

  /** The reader has stopped.
   *  @param code for STOP_SENDING
   *  @returns false if nothing more would come anyway */
  stop(code: number): boolean {
    if (this.isDiscarding) return false;
    this.stopCode = code;
    this.buffer.clear();
    if (this.finalSize !== undefined) this.#handle('told');
    return true;
  }

  /** The reset was reported to the application. */
  acknowledgeReset(): void {
    this.buffer.clear();
    this.#handle('told');
  }

  /** The connection has ended. */
  lose(): void {
    this.buffer.clear();
    this.#handle('lost');
  }

  /** Notes that everything was read, if it was. */
  #noteAllRead(): void {
    if (this.state !== 'data-received' || this.buffer.readOffset !== this.finalSize) return;
    this.#handle('all-read');
    this.buffer.clear(); // The other direction may last for hours.
  }

  /** Checks a frame against the final size (spec streams 4.4). */
  #checkFinalSize(end: number, isFinal: boolean): ReceiveOutcome {
    if (this.finalSize !== undefined) {
      return end > this.finalSize || (isFinal && end !== this.finalSize) ? 'final-size' : 'ok';
    }
    return isFinal && end < this.largest ? 'final-size' : 'ok';
  }

  #handle(event: ReceiveEvent): void {
    this.state = RECEIVE_TRANSITIONS[this.state][event] ?? this.state;
  }
}

/** Returns the ConnectionErrorCode for an outcome. */
export function errorOf(outcome: 'over-limit' | 'final-size'): number {
  return outcome === 'over-limit' ? ConnectionErrorCode.flowControl : ConnectionErrorCode.finalSize;
}
