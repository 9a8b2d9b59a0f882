/** The sending direction of all streams of a connection: whose frame goes out next, and what written bytes may occupy (spec streams 5.6 to
 *  5.8).
 *
 *  It puts together the turns, the memory and the peer's connection credit: new bytes go out while the peer grants them and while the
 *  pieces to be noted are not too many. Every change of a stream's send buffer comes through here, so that the sums over all streams
 *  stay right. `StreamSet` looks up the streams and reports events. */
import type { ConnectionCredit } from './connection-credit.js';
import { SendMemory, type SendMemoryLimits } from './send-memory.js';
import { SendTurns } from './send-turns.js';
import type { ConnectionStream } from './stream.js';

export class SendScheduler {
  readonly #credit: ConnectionCredit;
  readonly #memory: SendMemory;
  readonly #turns: SendTurns;

  /** @param streams all that are open
   *  @param sendAheadBytes what one stream may buffer beyond its guaranteed share, now */
  constructor(
    streams: Iterable<ConnectionStream>,
    limits: SendMemoryLimits,
    credit: ConnectionCredit,
    sendAheadBytes: () => number,
  ) {
    this.#credit = credit;
    this.#memory = new SendMemory(limits, sendAheadBytes);
    this.#turns = new SendTurns(streams, () => this.#newBytesCredit);
  }

  /** Bytes written and not yet acknowledged. */
  get bufferedBytes(): number {
    return this.#memory.bufferedBytes;
  }
  /** Pieces of what was sent that are noted as acknowledged or lost (spec streams 5.7). */
  get notedPieces(): number {
    return this.#memory.notedPieces;
  }
  /** The limit for which DATA_BLOCKED has to go out, or undefined. */
  get dataBlockedAt(): number | undefined {
    return this.bufferedBytes === 0 ? undefined : this.#credit.blockedAt;
  }

  /** While it is set, streams of which nothing was sent yet stay unsent (spec streams 3.8). */
  get isHoldingNew(): boolean {
    return this.#turns.isHoldingNew;
  }
  set isHoldingNew(isHolding: boolean) {
    this.#turns.isHoldingNew = isHolding;
  }

  // ---- frames -----------------------------------------------------------------------------------------------

  /** The stream whose turn it is, or undefined. */
  next(): ConnectionStream | undefined {
    return this.#turns.next();
  }

  /** Writes one STREAM frame of `stream`. @returns the position behind it, or `position` when nothing fits */
  writeFrame(stream: ConnectionStream, bytes: Uint8Array, position: number, room: number): number {
    const { sending } = stream;
    const { sent, notedPieces } = sending.buffer;
    const at = sending.writeFrame(bytes, position, room, stream.id, this.#newBytesCredit);
    this.#credit.sentBytes += sending.buffer.sent - sent;
    this.#addPieces(sending.buffer.notedPieces - notedPieces);
    return at;
  }

  /** The stream whose turn it was had it. */
  rotate(): void {
    this.#turns.rotate();
  }

  onAcknowledged(stream: ConnectionStream, start: number, length: number, fin: boolean): void {
    const { buffer } = stream.sending;
    const { bufferedBytes, notedPieces } = buffer;
    stream.sending.onAcknowledged(start, length, fin);
    this.#memory.addBytes(buffer.bufferedBytes - bufferedBytes);
    this.#addPieces(buffer.notedPieces - notedPieces);
    this.#turns.join(stream); // little credit may have waited for this (spec streams 5.6)
    this.#memory.noteChange(stream);
  }

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

  /** A reset gave up this much of what was written, and so many noted pieces of it. */
  onReset(bytes: number, pieces: number): void {
    this.#memory.addBytes(-bytes);
    this.#addPieces(-pieces);
  }

  /** A stream of an earlier connection goes on in this one. */
  adopt(stream: ConnectionStream): void {
    this.#memory.addBytes(stream.bufferedBytes);
    this.#memory.noteChange(stream);
    this.#turns.join(stream);
  }

  forget(stream: ConnectionStream): void {
    this.#memory.forget(stream);
  }

  /** Reports the streams whose writers have room again. */
  announceRoom(onRoom: (stream: ConnectionStream) => void): void {
    this.#memory.announceRoom(onRoom);
  }

  // ---- the peer's limits ------------------------------------------------------------------------------------

  /** MAX_DATA. @returns false when the limit is no higher than before */
  raiseCredit(maximum: number): boolean {
    if (!this.#credit.raise(maximum)) return false;
    this.#turns.lookAgain();
    return true;
  }

  /** MAX_STREAM_DATA. @returns false when the limit is no higher than before */
  raiseLimit(stream: ConnectionStream, maximum: number): boolean {
    if (maximum <= stream.sending.limit) return false;
    stream.sending.limit = maximum;
    this.#turns.join(stream);
    this.#memory.noteChange(stream);
    return true;
  }

  /** New bytes that may go out now, over all streams. */
  get #newBytesCredit(): number {
    return this.#memory.isFullOfPieces ? 0 : this.#credit.available;
  }

  #addPieces(change: number): void {
    if (this.#memory.addPieces(change)) this.#turns.lookAgain();
  }
}
