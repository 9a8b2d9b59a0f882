/** The receiving direction of a stream (spec streams 4.3 to 4.6, 5.1, 5.2). */
import { ConnectionErrorCode } from '../../failure.js';
import { INITIAL_MAX_STREAM_DATA_BYTES, MIN_USEFUL_CREDIT_BYTES } from '../limits.js';
import { ReadPace } from './read-pace.js';
import { ReceiveBuffer } from './receive-buffer.js';
import { RECEIVE_TRANSITIONS, type ReceiveEvent, type ReceiveState } from './states.js';

/** What a frame did: `later` means that it must come again and the packet goes unacknowledged. */
export type ReceiveOutcome = 'ok' | 'later' | 'over-limit' | 'final-size';

/** However little the connection's window can spare. */
const MIN_WINDOW_BYTES = INITIAL_MAX_STREAM_DATA_BYTES;

/** A new limit goes out when it adds this part of the window ... */
const CREDIT_STEPS = 8;
/** ... and so much. */
const MIN_STEP_BYTES = MIN_WINDOW_BYTES / 2;

export class ReceiveHalf {
  state: ReceiveState = 'receive';
  readonly buffer = new ReceiveBuffer();
  /** Greatest offset that the peer may send to. */
  limit: number;
  /** Credit beyond what was read. */
  windowBytes: number;
  /** Greatest offset that arrived. */
  largest = 0;
  finalSize: number | undefined;
  resetCode = 0;
  /** What STOP_SENDING states, once it was asked for. */
  stopCode: number | undefined;
  /** What `WindowShares` has counted for it: bytes beyond the first window, and whether it was seen to be read. */
  claimedBytes = 0;
  isClaimProven = false;

  readonly #pace = new ReadPace();

  constructor(windowBytes: number) {
    this.limit = windowBytes;
    this.windowBytes = windowBytes;
  }

  get isOver(): boolean {
    return this.state === 'data-read' || this.state === 'reset-read';
  }
  /** What arrives is thrown away, or nothing more will. */
  get isDiscarding(): boolean {
    return this.stopCode !== undefined || this.isOver || this.state === 'reset-received';
  }
  /** Bytes or the FIN wait for the reader. */
  get isReadable(): boolean {
    if (this.isDiscarding) return false;
    return this.buffer.contiguousEnd > this.buffer.readOffset || this.state === 'data-received';
  }

  /** One STREAM frame. The connection counts how `largest` grew. */
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

  onReset(code: number, finalSize: number): ReceiveOutcome {
    const outcome = this.#checkFinalSize(finalSize, true);
    if (outcome !== 'ok') return outcome;
    if (finalSize > this.limit) return 'over-limit';
    if (this.isOver || this.state === 'data-received') return 'ok'; // all bytes are here: the reset changes nothing
    this.largest = finalSize;
    this.finalSize = finalSize;
    this.resetCode = code;
    this.#handle('reset');
    return 'ok';
  }

  read(): Uint8Array | undefined {
    const bytes = this.buffer.read();
    this.#noteAllRead();
    return bytes;
  }

  /** Gives credit for what was read (spec streams 5.2).
   *  @param maxWindowBytes what the connection's window can spare for this stream now */
  replenish(now: number, roundTripMs: number, maxWindowBytes: number): void {
    if (this.isDiscarding || this.finalSize !== undefined) return;
    const read = this.buffer.readOffset;
    const wanted = this.#pace.windowBytes(now, roundTripMs, read);
    this.windowBytes = Math.max(Math.min(wanted, maxWindowBytes), MIN_WINDOW_BYTES);
    // spec streams 5.1: limits only rise
    const gain = read + this.windowBytes - this.limit;
    if (gain >= Math.max(this.windowBytes / CREDIT_STEPS, MIN_STEP_BYTES)) this.limit += gain;
  }

  /** Raises the window to so much, for what it is worth: a few bytes more are not (spec streams 5.6). */
  widen(windowBytes: number): void {
    if (this.isDiscarding || this.finalSize !== undefined) return;
    const limit = this.buffer.readOffset + windowBytes;
    if (windowBytes <= this.windowBytes || limit < this.limit + MIN_USEFUL_CREDIT_BYTES) return;
    this.windowBytes = windowBytes;
    this.limit = limit;
  }

  /** The application does not want more. @returns false when nothing more would come anyway */
  stop(code: number): boolean {
    if (this.isDiscarding) return false;
    this.stopCode = code;
    this.buffer.clear();
    if (this.finalSize !== undefined) this.#handle('told');
    return true;
  }

  /** The application saw the reset. */
  tell(): void {
    this.buffer.clear();
    this.#handle('told');
  }

  lose(): void {
    this.buffer.clear();
    this.#handle('lost');
  }

  /** An empty stream's FIN counts as read without a read. */
  #noteAllRead(): void {
    if (this.state !== 'data-received' || this.buffer.readOffset !== this.finalSize) return;
    this.#handle('all-read');
    this.buffer.clear(); // the other direction may last for hours
  }

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

/** The connection error that an outcome stands for. */
export function errorOf(outcome: 'over-limit' | 'final-size'): number {
  return outcome === 'over-limit' ? ConnectionErrorCode.flowControl : ConnectionErrorCode.finalSize;
}
