import type { ConnectionCredit } from './connection-credit.js';
import { SendMemory, type SendMemoryLimits } from './send-memory.js';
import { SendTurns } from './send-turns.js';
import type { ConnectionStream } from './stream.js';

/** The sending direction of all streams of a connection: whose frame is sent next, and how much memory written bytes
 *  may take (spec streams 5.6 to 5.9).
 *
 *  It joins three parts: SendTurns, SendMemory and the peer's credit on the connection. New bytes are sent while there
 *  is credit and while there are not too many pieces. Every change of a stream's send buffer goes through here, so that
 *  the sums over all streams stay right. StreamSet owns it, looks up the streams that frames name, and reports
 *  events. */
export class SendScheduler {
  readonly #credit: ConnectionCredit;
  readonly #memory: SendMemory;
  readonly #turns: SendTurns;

  /** @param streams all open streams
   *  @param sendAheadBytes returns how much a stream may buffer now beyond its guaranteed share
   *  @param turnBytes returns how many bytes a stream may send in one turn */
  constructor(
    streams: Iterable<ConnectionStream>,
    limits: SendMemoryLimits,
    credit: ConnectionCredit,
    sendAheadBytes: () => number,
    turnBytes: () => number,
  ) {
    this.#credit = credit;
    this.#memory = new SendMemory(limits, sendAheadBytes);
    this.#turns = new SendTurns(streams, () => this.#newBytesCredit, turnBytes);
  }

  /** How many bytes were written and not yet acknowledged. */
  get bufferedBytes(): number {
    return this.#memory.bufferedBytes;
  }
  /** How many separate pieces are lost, or acknowledged beyond a gap (spec streams 5.7). */
  get notedPieces(): number {
    return this.#memory.notedPieces;
  }
  /** If DATA_BLOCKED is due: the limit that it states. */
  get dataBlockedAt(): number | undefined {
    return this.bufferedBytes === 0 ? undefined : this.#credit.blockedAt;
  }

  /** Whether streams of which nothing was sent yet have to wait (spec streams 3.8). */
  get isHoldingNew(): boolean {
    return this.#turns.isHoldingNew;
  }
  set isHoldingNew(isHolding: boolean) {
    this.#turns.isHoldingNew = isHolding;
  }

  // ---- frames -----------------------------------------------------------------------------------------------

  /** Returns the stream whose turn it is, if there is one. */
  next(): ConnectionStream | undefined {
    return this.#turns.next();
  }

  /** Writes one STREAM frame of `stream`.
   *  @returns the position after it, or `position` if nothing fits. If it fits, `onSent` must follow */
  writeFrame(stream: ConnectionStream, bytes: Uint8Array, position: number, room: number): number {
    const { sending } = stream;
    const { sent, notedPieces } = sending.buffer;
    const at = sending.writeFrame(bytes, position, room, stream.id, this.#newBytesCredit);
    this.#credit.sentBytes += sending.buffer.sent - sent;
    this.#addPieces(sending.buffer.notedPieces - notedPieces);
    return at;
  }

  /** The frame of `stream` that was written last is in the packet. */
  onSent(stream: ConnectionStream): void {
    this.#turns.onSent(stream, stream.sending.frameLength);
  }

  /** A STREAM frame was acknowledged. */
  onAcknowledged(stream: ConnectionStream, start: number, length: number, fin: boolean): void {
    const { buffer } = stream.sending;
    const { bufferedBytes, notedPieces } = buffer;
    stream.sending.onAcknowledged(start, length, fin);
    this.#memory.addBytes(buffer.bufferedBytes - bufferedBytes);
    this.#addPieces(buffer.notedPieces - notedPieces);
    this.#turns.join(stream); // A little credit may have waited for this (spec streams 5.6).
    this.#memory.noteChange(stream);
  }

  /** A STREAM frame was lost. */
  onLost(stream: ConnectionStream, start: number, length: number, fin: boolean): void {
    const { notedPieces } = stream.sending.buffer;
    stream.sending.onLost(start, length, fin);
    this.#addPieces(stream.sending.buffer.notedPieces - notedPieces);
    this.#turns.joinFirst(stream);
  }

  // ---- the writer -------------------------------------------------------------------------------------------

  /** Bytes that a stream may still take. */
  room(stream: ConnectionStream): number {
    return this.#memory.room(stream);
  }

  onWritten(stream: ConnectionStream, bytes: number): void {
    this.#memory.addBytes(bytes);
    this.#turns.join(stream);
  }

  onFinished(stream: ConnectionStream): void {
    this.#turns.join(stream);
  }

  /** A stream was reset, and its buffer has given up these bytes and pieces. */
  onReset(bytes: number, pieces: number): void {
    this.#memory.addBytes(-bytes);
    this.#addPieces(-pieces);
  }

  /** A stream of an earlier connection starts over in this one. */
  adopt(stream: ConnectionStream): void {
    this.#memory.addBytes(stream.bufferedBytes);
    this.#memory.noteChange(stream);
    this.#turns.join(stream);
  }

  /** The stream is over, or leaves the connection. */
  forget(stream: ConnectionStream): void {
    this.#memory.forget(stream);
  }

  /** Calls `onRoom` with the streams whose writers have room again. */
  announceRoom(onRoom: (stream: ConnectionStream) => void): void {
    this.#memory.announceRoom(onRoom);
  }

  // ---- the peer's limits ------------------------------------------------------------------------------------

  /** MAX_DATA arrived.
   *  @returns false if the limit is not higher than before */
  raiseCredit(maximum: number): boolean {
    if (!this.#credit.raise(maximum)) return false;
    this.#turns.lookAgain();
    return true;
  }

  /** MAX_STREAM_DATA arrived.
   *  @returns false if the limit is not higher than before */
  raiseLimit(stream: ConnectionStream, maximum: number): boolean {
    if (maximum <= stream.sending.limit) return false;
    stream.sending.limit = maximum;
    this.#turns.join(stream);
    this.#memory.noteChange(stream);
    return true;
  }

  /** How many new bytes may be sent now, over all streams. */
  get #newBytesCredit(): number {
    return this.#memory.isFullOfPieces ? 0 : this.#credit.available;
  }

  #addPieces(change: number): void {
    if (this.#memory.addPieces(change)) this.#turns.lookAgain();
  }
}
