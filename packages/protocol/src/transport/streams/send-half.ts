/** The sending direction of a stream (spec streams 4.2). */
import { MIN_USEFUL_CREDIT_BYTES } from '../limits.js';
import { streamHeaderLength, writeStreamHeader } from '../wire/frames.js';
import { SendBuffer } from './send-buffer.js';
import { SEND_TRANSITIONS, type SendEvent, type SendState } from './states.js';

export class SendHalf {
  state: SendState = 'ready';
  readonly buffer: SendBuffer;
  /** The greatest offset that the peer allows. */
  limit: number;
  /** The limit for which STREAM_DATA_BLOCKED was sent. */
  blockedSentFor = -1;
  resetCode = 0;

  /** What the last `writeFrame` put into the packet. */
  frameStart = 0;
  frameLength = 0;
  frameFin = false;

  #finWanted = false;
  #finLost = false;
  #finAcknowledged = false;

  constructor(limit: number, buffer = new SendBuffer()) {
    this.limit = limit;
    this.buffer = buffer;
  }

  /** The same bytes, and FIN if it was written, for a stream that is opened again (spec streams 3.8). This half is of no use any more. */
  reopened(limit: number): SendHalf {
    this.buffer.rewind();
    const half = new SendHalf(limit, this.buffer);
    if (this.#finWanted) half.finish();
    return half;
  }

  get isOpen(): boolean {
    return (this.state === 'ready' || this.state === 'send') && !this.#finWanted;
  }
  /** The writer has said that nothing follows. */
  get isFinished(): boolean {
    return this.#finWanted;
  }
  get isOver(): boolean {
    return this.state === 'data-received' || this.state === 'reset-received';
  }
  get isReset(): boolean {
    return this.state === 'reset-sent' || this.state === 'reset-received';
  }

  /** Something can go out. @param connectionCredit new bytes that the connection's limit still allows */
  hasFrame(connectionCredit: number): boolean {
    if (this.isReset || this.state === 'data-received') return false;
    const { buffer } = this;
    if (buffer.hasLost || this.#finLost || this.#isFinDue) return true;
    return this.#newBytes(connectionCredit) > 0;
  }

  /** Bytes wait that only the peer's stream limit holds back. */
  get isBlocked(): boolean {
    return !this.isReset && this.buffer.sent < this.buffer.written && this.buffer.sent >= this.limit;
  }

  finish(): void {
    this.#finWanted = true;
  }

  /** Writes one STREAM frame, lost bytes before new ones.
   *  @returns the position behind it, or `position` when nothing fits */
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
    this.#handle(fin ? 'fin-sent' : 'data-sent');
    return at + length;
  }

  onAcknowledged(start: number, length: number, fin: boolean): void {
    if (this.isReset) return;
    if (length > 0) this.buffer.onAcknowledged(start, start + length);
    if (fin) {
      this.#finAcknowledged = true;
      this.#finLost = false;
    }
    if (this.#finAcknowledged && this.buffer.isAllAcknowledged) this.#handle('all-acknowledged');
  }

  onLost(start: number, length: number, fin: boolean): void {
    if (this.isReset || this.state === 'data-received') return;
    if (length > 0) this.buffer.onLost(start, start + length);
    if (fin && !this.#finAcknowledged) this.#finLost = true;
  }

  /** @returns false when there was nothing left to reset */
  reset(code: number): boolean {
    if (this.isReset || this.state === 'data-received') return false;
    this.#handle('reset');
    this.resetCode = code;
    this.#finalSize = this.buffer.sent;
    this.buffer.clear();
    return true;
  }

  /** What RESET_STREAM states: the bytes that were sent (spec streams 4.4). */
  get finalSize(): number {
    return this.#finalSize;
  }
  #finalSize = 0;

  onResetAcknowledged(): void {
    this.#handle('reset-acknowledged');
  }

  /** The connection is over. */
  lose(): void {
    this.#handle('lost');
    this.buffer.clear();
  }

  /** How many bytes may go out for the first time now. */
  #newBytes(connectionCredit: number): number {
    const { buffer } = this;
    const waiting = buffer.written - buffer.sent;
    const credit = Math.max(0, Math.min(this.limit - buffer.sent, connectionCredit));
    if (credit >= waiting) return waiting;
    // spec streams 5.6
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
