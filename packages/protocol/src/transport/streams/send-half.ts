import { MIN_USEFUL_CREDIT_BYTES } from '../limits.js';
import { streamHeaderLength, writeStreamHeader } from '../wire/frames.js';
import { SendBuffer } from './send-buffer.js';
import { SEND_TRANSITIONS, type SendEvent, type SendState } from './states.js';

/** The sending direction of a stream (spec streams 4.2).
 *
 *  It owns the state, the bytes that were written and are not acknowledged, the peer's limit on the stream, and what
 *  became of FIN. It writes STREAM frames when it is its turn, lost bytes before new ones. SendScheduler decides whose
 *  turn it is, and reports what was acknowledged and lost. Control frames are written by the packet builder. */
export class SendHalf {
  state: SendState = 'ready';
  readonly buffer: SendBuffer;
  /** How many bytes the peer permits on this stream. */
  limit: number;
  /** The limit for which STREAM_DATA_BLOCKED was sent last. */
  blockedSentFor = -1;
  /** The code in RESET_STREAM. */
  resetCode = 0;

  // What the last `writeFrame` wrote.

  frameStart = 0;
  frameLength = 0;
  frameFin = false;

  /** The writer has finished. */
  #finWanted = false;
  /** FIN was lost and has to be sent again. */
  #finLost = false;
  #finAcknowledged = false;

  constructor(limit: number, buffer = new SendBuffer()) {
    this.limit = limit;
    this.buffer = buffer;
  }

  /** Returns a half that sends the same bytes, and FIN if the writer has finished, for a stream that starts over
   *  (spec streams 3.8). This half must not be used any more. */
  reopened(limit: number): SendHalf {
    this.buffer.rewind();
    const half = new SendHalf(limit, this.buffer);
    if (this.#finWanted) half.finish();
    return half;
  }

  /** Whether more may be written. */
  get isOpen(): boolean {
    return (this.state === 'ready' || this.state === 'send') && !this.#finWanted;
  }
  /** Whether the writer has finished. */
  get isFinished(): boolean {
    return this.#finWanted;
  }
  /** Whether this direction has reached a final state. */
  get isOver(): boolean {
    return this.state === 'data-received' || this.state === 'reset-received';
  }
  /** Whether this direction was reset. */
  get isReset(): boolean {
    return this.state === 'reset-sent' || this.state === 'reset-received';
  }

  /** Whether there is a STREAM frame to send.
   *  @param connectionCredit how many new bytes the connection may send */
  hasFrame(connectionCredit: number): boolean {
    if (this.isReset || this.state === 'data-received') return false;
    const { buffer } = this;
    if (buffer.hasLost || this.#finLost || this.#isFinDue) return true;
    return this.#newBytes(connectionCredit) > 0;
  }

  /** Whether bytes wait because of the peer's limit on this stream. */
  get isBlocked(): boolean {
    return !this.isReset && this.buffer.sent < this.buffer.written && this.buffer.sent >= this.limit;
  }

  /** The writer has finished: FIN follows the last byte. */
  finish(): void {
    this.#finWanted = true;
  }

  /** Writes one STREAM frame, with lost bytes before new ones.
   *  @param id the id of the stream
   *  @param connectionCredit how many new bytes the connection may send
   *  @returns the position after the frame, or `position` if nothing fits */
  writeFrame(
    bytes: Uint8Array,
    position: number,
    room: number,
    id: number,
    connectionCredit: number,
  ): number {
    const { buffer } = this;
    const again = buffer.hasLost;
    const start = again ? buffer.lostStart : buffer.sent;
    const available = again ? buffer.lostEnd - start : this.#newBytes(connectionCredit);
    const space = room - streamHeaderLength(id, start, Math.min(available, room));
    const length = Math.min(available, space);
    const fin =
      this.#finWanted && start + length === buffer.written && (again || !this.#finSent || this.#finLost);
    if (space < 0 || (length <= 0 && !fin)) return position;
    const at = writeStreamHeader(bytes, position, id, start, length, fin);
    if (length > 0) buffer.copyToPacket(start, length, bytes, at);
    this.frameStart = start;
    this.frameLength = length;
    this.frameFin = fin;
    if (fin) this.#finLost = false;
    if (fin) this.#handle('fin-sent');
    // A transfer writes a frame into each packet, and looking into the table costs as much as the frame's header.
    else if (this.state !== 'send') this.#handle('data-sent');
    return at + length;
  }

  /** A STREAM frame was acknowledged. */
  onAcknowledged(start: number, length: number, fin: boolean): void {
    if (this.isReset) return;
    if (length > 0) this.buffer.onAcknowledged(start, start + length);
    if (fin) {
      this.#finAcknowledged = true;
      this.#finLost = false;
    }
    if (this.#finAcknowledged && this.buffer.isAllAcknowledged) this.#handle('all-acknowledged');
  }

  /** A STREAM frame was lost. */
  onLost(start: number, length: number, fin: boolean): void {
    if (this.isReset || this.state === 'data-received') return;
    if (length > 0) this.buffer.onLost(start, start + length);
    if (fin && !this.#finAcknowledged) this.#finLost = true;
  }

  /** Resets this direction, and discards its bytes.
   *  @returns false if there was nothing left to reset */
  reset(code: number): boolean {
    if (this.isReset || this.state === 'data-received') return false;
    this.#handle('reset');
    this.resetCode = code;
    this.#finalSize = this.buffer.sent;
    this.buffer.clear();
    return true;
  }

  /** The final size in RESET_STREAM: how many bytes were sent (spec streams 4.4). */
  get finalSize(): number {
    return this.#finalSize;
  }
  #finalSize = 0;

  /** RESET_STREAM was acknowledged. */
  onResetAcknowledged(): void {
    this.#handle('reset-acknowledged');
  }

  /** The connection has ended. */
  lose(): void {
    this.#handle('lost');
    this.buffer.clear();
  }

  /** How many new bytes may be sent now. */
  #newBytes(connectionCredit: number): number {
    const { buffer } = this;
    const waiting = buffer.written - buffer.sent;
    const credit = Math.max(0, Math.min(this.limit - buffer.sent, connectionCredit));
    if (credit >= waiting) return waiting;
    // Little credit waits for more while bytes are unacknowledged (spec streams 5.6).
    return credit < MIN_USEFUL_CREDIT_BYTES && !buffer.isSentAcknowledged ? 0 : credit;
  }

  get #finSent(): boolean {
    return this.state === 'data-sent' || this.state === 'data-received';
  }
  get #isFinDue(): boolean {
    return this.#finWanted && !this.#finSent && this.buffer.sent === this.buffer.written;
  }

  #handle(event: SendEvent): void {
    this.state = SEND_TRANSITIONS[this.state][event] ?? this.state;
  }
}
