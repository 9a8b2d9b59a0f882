import { MAX_SEND_PIECES } from '../limits.js';
import type { ConnectionStream } from './stream.js';

/** The limits of TransportConfig that send buffers depend on. */
export interface SendMemoryLimits {
  /** How many written and unacknowledged bytes all streams together may have. */
  readonly sendBufferBytes: number;
  /** How many of them a stream may always have. */
  readonly minStreamSendBufferBytes: number;
}

/** How many times what a stream leaves free it may hold. A stream alone may then hold two thirds of the buffer. */
const FREE_BUFFER_SHARE = 2;

/** The memory that written and unacknowledged bytes take, over all streams of a connection, and the writers that wait
 *  for it (spec streams 5.7, 5.8).
 *
 *  A stream always has a guaranteed share. What it may hold beyond that is a multiple of what it leaves free. So a
 *  stream alone may use most of the buffer, and however many streams there are, the next one still finds some room. The
 *  separate pieces that send buffers have to remember are limited too: when there are too many, nothing new is sent.
 *
 *  SendScheduler owns this object and reports every change to it. It holds sums and the set of waiting streams, but no
 *  bytes. Sizes are in bytes. */
export class SendMemory {
  readonly #limits: SendMemoryLimits;
  readonly #sendAheadBytes: () => number;
  #bufferedBytes = 0;
  #notedPieces = 0;
  /** Streams that may have room again, and whose last write took less than it was given. */
  readonly #waiting = new Set<ConnectionStream>();

  /** @param sendAheadBytes returns how much a stream may buffer now beyond its guaranteed share */
  constructor(limits: SendMemoryLimits, sendAheadBytes: () => number) {
    this.#limits = limits;
    this.#sendAheadBytes = sendAheadBytes;
  }

  /** How many bytes were written and not yet acknowledged. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }
  /** How many separate pieces are lost, or acknowledged beyond a gap. */
  get notedPieces(): number {
    return this.#notedPieces;
  }
  /** Whether there are too many of them, so that nothing new may be sent. */
  get isFullOfPieces(): boolean {
    return this.#notedPieces >= MAX_SEND_PIECES;
  }

  /** Adds a change to the number of buffered bytes. */
  addBytes(change: number): void {
    this.#bufferedBytes += change;
  }

  /** Adds a change to the number of pieces.
   *  @returns whether new bytes may be sent again because of it */
  addPieces(change: number): boolean {
    const wasFull = this.isFullOfPieces;
    this.#notedPieces += change;
    return wasFull && !this.isFullOfPieces;
  }

  /** How many more bytes may be written to a stream. */
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

  /** The stream may have room again. */
  noteChange(stream: ConnectionStream): void {
    if (stream.wantsRoom) this.#waiting.add(stream);
  }

  /** The stream is over, or leaves the connection. */
  forget(stream: ConnectionStream): void {
    this.#waiting.delete(stream);
  }

  /** Calls `onRoom` with the streams that have enough room again. */
  announceRoom(onRoom: (stream: ConnectionStream) => void): void {
    for (const stream of this.#waiting) {
      if (!stream.wantsRoom || !stream.sending.isOpen || this.#permitted(stream) <= 0) {
        // A stream at its limit gets room only by an acknowledgement or MAX_STREAM_DATA of its own.
        this.#waiting.delete(stream);
      } else if (this.room(stream) >= this.#limits.minStreamSendBufferBytes / 4) {
        stream.wantsRoom = false;
        this.#waiting.delete(stream);
        onRoom(stream);
      }
    }
  }

  /** How much more a stream may take until it holds a little more than the peer permits it to send. That little is
   *  ready when the limit rises. More would only keep other streams from the buffer. */
  #permitted(stream: ConnectionStream): number {
    const { limit, buffer } = stream.sending;
    return limit + this.#limits.minStreamSendBufferBytes - buffer.written;
  }
}
