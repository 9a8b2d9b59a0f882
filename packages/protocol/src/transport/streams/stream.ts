/** One bidirectional stream: the application's face, and the two halves behind it. */
import { assert } from '../../assert.js';
import type { ReceiveHalf } from './receive-half.js';
import type { SendHalf } from './send-half.js';

/** What an application does with a stream. Nothing here sends: the endpoint's next poll does. */
export interface Stream {
  readonly id: number;
  /** True when the other side opened it. */
  readonly incoming: boolean;

  /** Takes as many bytes of `chunk` as the send buffer has room for and keeps a reference to them until they are
   *  acknowledged: the caller must not change them.
   *
   *  A direction that was reset takes nothing more, and `stream-stopped` or `stream-reset` says so: the peer's
   *  STOP_SENDING may have come before the caller could know. Writing after `finish` is the caller's bug and throws.
   *  @returns how many; when fewer than all, a `stream-writable` event follows once there is room, unless the direction was reset */
  write(chunk: Uint8Array): number;

  /** No more writes: FIN goes out after what was written. */
  finish(): void;

  /** The next bytes in order, as a view that the caller may keep; reading gives the sender credit.
   *  `undefined`: nothing now; a `stream-readable` event follows when that changes. */
  read(): Uint8Array | undefined;

  /** All bytes up to the FIN have been read. */
  readonly readFinished: boolean;

  /** Ends our sending direction early: the peer's reader sees `stream-reset`. No effect once all was acknowledged. */
  reset(code: number): void;

  /** Says that we will not read on; the peer answers with a reset. What still arrives is thrown away. */
  stopSending(code: number): void;

  /** Bytes written and not yet acknowledged. */
  readonly bufferedBytes: number;
}

/** What a stream asks of the set that it lives in. */
export interface StreamOwner {
  /** Bytes that the stream may still take into its send buffer. */
  sendRoom(stream: ConnectionStream): number;
  onWritten(stream: ConnectionStream, bytes: number): void;
  /** FIN is due. */
  onFinished(stream: ConnectionStream): void;
  /** RESET_STREAM is due; it gave up this much of what was written, and so many noted pieces of it. */
  onReset(stream: ConnectionStream, bytes: number, pieces: number): void;
  readBytes(stream: ConnectionStream): Uint8Array | undefined;
  /** STOP_SENDING is due, unless all has arrived; so many bytes that were there will not be read. */
  onStopped(stream: ConnectionStream, unreadBytes: number): void;
}

/** No keypair: ids count from 1. */
const NOTHING_SENT = 0;

export class ConnectionStream implements Stream {
  id: number;
  readonly incoming: boolean;
  sending: SendHalf;
  receiving: ReceiveHalf;
  /** In the set's queue of streams that have a frame to send. */
  isQueued = false;
  /** A write took less than all: tell when there is room. */
  wantsRoom = false;
  /** A `stream-readable` event waits to be polled. */
  readableQueued = false;
  isClosed = false;
  /** The peer ended it before it was answered with a byte or an end (spec streams 5.4). */
  wasGivenUp = false;
  #owner: StreamOwner;
  #firstSentUnder = NOTHING_SENT;

  constructor(id: number, incoming: boolean, sending: SendHalf, receiving: ReceiveHalf, owner: StreamOwner) {
    this.id = id;
    this.incoming = incoming;
    this.sending = sending;
    this.receiving = receiving;
    this.#owner = owner;
  }

  /** Nothing of it has ever been in a packet. */
  get isUnsent(): boolean {
    return this.#firstSentUnder === NOTHING_SENT;
  }

  /** A packet carries something of it. */
  noteSent(keypairId: number): void {
    if (this.#firstSentUnder === NOTHING_SENT) this.#firstSentUnder = keypairId;
  }

  /** Nobody can have acted on it (spec streams 3.8). @param keypairId the first one that the present run of the peer has */
  isUnheard(keypairId: number): boolean {
    if (this.incoming || this.sending.isReset || this.receiving.stopCode !== undefined) return false;
    return this.isUnsent || this.#firstSentUnder >= keypairId;
  }

  /** Begins again in another connection. */
  reopen(id: number, owner: StreamOwner, sendLimit: number, receiving: ReceiveHalf): void {
    this.id = id;
    this.#owner = owner;
    this.sending = this.sending.reopened(sendLimit);
    this.receiving = receiving;
    this.#firstSentUnder = NOTHING_SENT;
    this.isQueued = false;
  }

  write(chunk: Uint8Array): number {
    assert(!this.sending.isFinished, 'nothing is written after finish');
    if (!this.sending.isOpen) return 0;
    const length = Math.min(chunk.length, this.#owner.sendRoom(this));
    if (length < chunk.length) this.wantsRoom = true;
    if (length <= 0) return 0;
    this.sending.buffer.write(length === chunk.length ? chunk : chunk.subarray(0, length));
    this.#owner.onWritten(this, length);
    return length;
  }

  finish(): void {
    if (!this.sending.isOpen) return;
    this.sending.finish();
    this.#owner.onFinished(this);
  }

  read(): Uint8Array | undefined {
    if (!this.receiving.isReadable) return undefined;
    return this.#owner.readBytes(this);
  }

  get readFinished(): boolean {
    return this.receiving.state === 'data-read';
  }

  reset(code: number): void {
    const { bufferedBytes, notedPieces } = this.sending.buffer;
    if (this.sending.reset(code)) this.#owner.onReset(this, bufferedBytes, notedPieces);
  }

  stopSending(code: number): void {
    const unread = this.receiving.largest - this.receiving.buffer.readOffset;
    if (this.receiving.stop(code)) this.#owner.onStopped(this, unread);
  }

  get bufferedBytes(): number {
    return this.sending.buffer.bufferedBytes;
  }
}
