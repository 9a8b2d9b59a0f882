/** The memory that written and unacknowledged bytes take, over all streams of a connection (spec streams 5.7, 5.8), and the writers that
 *  wait for it. Bytes.
 *
 *  A stream always has a guaranteed share. What it holds beyond that is at most a multiple of what it leaves free, so one stream alone has
 *  most of the buffer, and however many there are, the next still finds some. Separate pieces that the send buffers have to note are
 *  limited too: with more, nothing new is sent. */
import { MAX_SEND_PIECES } from '../limits.js';
import type { ConnectionStream } from './stream.js';

export interface SendMemoryLimits {
  /** Written and unacknowledged bytes over all streams. */
  readonly sendBufferBytes: number;
  readonly minStreamSendBufferBytes: number;
}

/** One stream alone has two thirds. */
const FREE_BUFFER_SHARE = 2;

export class SendMemory {
  readonly #limits: SendMemoryLimits;
  readonly #sendAheadBytes: () => number;
  #bufferedBytes = 0;
  #notedPieces = 0;
  /** Streams of which a write took less than all. */
  readonly #waiting = new Set<ConnectionStream>();

  /** @param sendAheadBytes what one stream may buffer beyond its guaranteed share, now */
  constructor(limits: SendMemoryLimits, sendAheadBytes: () => number) {
    this.#limits = limits;
    this.#sendAheadBytes = sendAheadBytes;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }
  /** Pieces of what was sent that are noted as acknowledged or lost. */
  get notedPieces(): number {
    return this.#notedPieces;
  }
  /** As many are noted as may be: nothing new is sent. */
  get isFullOfPieces(): boolean {
    return this.#notedPieces >= MAX_SEND_PIECES;
  }

  addBytes(change: number): void {
    this.#bufferedBytes += change;
  }

  /** @returns true when new bytes may go out again because of it */
  addPieces(change: number): boolean {
    const wasFull = this.isFullOfPieces;
    this.#notedPieces += change;
    return wasFull && !this.isFullOfPieces;
  }

  /** Bytes that a stream may still take. */
  room(stream: ConnectionStream): number {
    const { sendBufferBytes, minStreamSendBufferBytes } = this.#limits;
    const own = stream.sending.buffer.bufferedBytes;
    const guaranteed = minStreamSendBufferBytes - own;
    const free = sendBufferBytes - this.#bufferedBytes;
    const shared = Math.min(
      this.#permitted(stream),
      minStreamSendBufferBytes + this.#sendAheadBytes() - own,
      (FREE_BUFFER_SHARE * free - own) / (1 + FREE_BUFFER_SHARE),
    );
    return Math.floor(Math.max(0, guaranteed, shared));
  }

  // ---- writers that wait ------------------------------------------------------------------------------------

  /** Something may have made room for it. */
  noteChange(stream: ConnectionStream): void {
    if (stream.wantsRoom) this.#waiting.add(stream);
  }

  forget(stream: ConnectionStream): void {
    this.#waiting.delete(stream);
  }

  /** Reports the streams that have room again. */
  announceRoom(onRoom: (stream: ConnectionStream) => void): void {
    for (const stream of this.#waiting) {
      if (!stream.wantsRoom || !stream.sending.isOpen || this.#permitted(stream) <= 0) {
        // Of a stream at its limit nothing changes before its own next acknowledgement or MAX_STREAM_DATA.
        this.#waiting.delete(stream);
      } else if (this.room(stream) >= this.#limits.minStreamSendBufferBytes / 4) {
        stream.wantsRoom = false;
        this.#waiting.delete(stream);
        onRoom(stream);
      }
    }
  }

  /** What a stream may take before it holds more than the peer lets it send, and a little to have ready when that rises: the rest
   *  would only keep others from the buffer. */
  #permitted(stream: ConnectionStream): number {
    const { limit, buffer } = stream.sending;
    return limit + this.#limits.minStreamSendBufferBytes - buffer.written;
  }
}
