import { assert } from '../../assert.js';
import type { DatagramOutcome, FlowDatagrams } from './flow-datagrams.js';
import type { ReceiveHalf } from './receive-half.js';
import type { SendHalf } from './send-half.js';

/** A stream, as the application uses it. No method sends anything: that happens with the endpoint's next poll. */
export interface Stream {
  /** The id of the stream in its connection (spec streams 4.1). It changes if the stream starts over in another one. */
  readonly id: number;
  /** Whether the other side opened the stream. */
  readonly incoming: boolean;

  /** Writes as much of `chunk` as there is room for. The stream keeps a reference to the bytes, so the caller must not
   *  change them until they are acknowledged.
   *
   *  If the sending direction was reset, nothing is written, and an event `stream-stopped` or `stream-reset` reports
   *  that. The peer may have sent STOP_SENDING before the caller could know. To write after `finish` is a bug of the
   *  caller.
   *  @returns how many bytes were written. If these are fewer than all, a `stream-writable` event follows once there is
   *  room,
   *    unless the direction was reset.
   *  @throws AssertionError after `finish` */
  write(chunk: Uint8Array): number;

  /** Ends the sending direction: FIN is sent after everything that was written. */
  finish(): void;

  /** Reads the next bytes in order. Reading gives the peer new credit.
   *  @returns a view that the caller may keep, or undefined if there is nothing to read now; a `stream-readable` event
   *  follows
   *    when that changes */
  read(): Uint8Array | undefined;

  /** Reads the next bytes in order, as `read` does, but copies them to the beginning of `target`. Fast readers use it,
   *  because it allocates nothing.
   *  @returns how many: all that there are, or as many as fit */
  readInto(target: Uint8Array): number;

  /** Whether all bytes up to FIN were read. */
  readonly readFinished: boolean;

  /** Ends the sending direction early, so that the peer's reader gets `stream-reset`. It has no effect once everything
   *  was acknowledged.
   *  @param code a StreamErrorCode */
  reset(code: number): void;

  /** Asks the peer to end its sending direction. Bytes that still arrive are discarded.
   *  @param code a StreamErrorCode */
  stopSending(code: number): void;

  /** How many bytes were written and not yet acknowledged. */
  readonly bufferedBytes: number;

  // ---- messages of a flow, whose control stream this is (spec datagrams) ------------------------------------

  /** Sends a message beside the stream's bytes: it arrives whole and once, or not at all. The stream keeps a reference
   *  to the bytes until they are sent. The caller must know that the peer understands messages (see
   *  `peerKnowsDatagrams`).
   *  @returns what became of it. Anything but 'queued' means that it was dropped. */
  sendDatagram(now: number, message: Uint8Array): DatagramOutcome;

  /** Reads the next message that has arrived.
   *  @returns bytes that the caller may keep, or undefined if there is none; a `stream-datagrams` event follows when
   *    that changes */
  readDatagram(): Uint8Array | undefined;

  /** The size of the largest message that the path carries now. */
  readonly maxDatagramBytes: number;

  /** Whether the peer has sent messages in this connection, and so understands them. If it has not, the status of the
   *  request shows that it does (spec datagrams 1.2). */
  readonly peerKnowsDatagrams: boolean;
}

/** Takes received bytes, and gives the peer credit for them. */
export interface StreamReader {
  read(stream: ConnectionStream): Uint8Array | undefined;
  /** @returns how many bytes were copied to `target` */
  readInto(stream: ConnectionStream, target: Uint8Array): number;
}

/** What a stream asks of the StreamSet that it belongs to, and reports to it. */
export interface StreamOwner {
  /** How many more bytes the stream may have written to it. */
  sendRoom(stream: ConnectionStream): number;
  /** Bytes were written. */
  onWritten(stream: ConnectionStream, bytes: number): void;
  /** The writer has finished, so FIN is due. */
  onFinished(stream: ConnectionStream): void;
  /** The sending direction was reset, so RESET_STREAM is due. The send buffer has given up these bytes and noted
   *  pieces. */
  onReset(stream: ConnectionStream, bytes: number, pieces: number): void;
  /** Takes bytes out of receive buffers. */
  readonly windows: StreamReader;
  /** Bytes were read, or FIN. */
  onRead(stream: ConnectionStream): void;
  /** The reader has stopped, so STOP_SENDING is due unless everything has arrived. These bytes will not be read. */
  onStopped(stream: ConnectionStream, unreadBytes: number): void;
  /** The messages of all streams. */
  readonly datagrams: FlowDatagrams;
}

/** No keypair. Their ids count from 1. */
const NOTHING_SENT = 0;

/** One bidirectional stream: what the application uses, and the two halves behind it.
 *
 *  The stream owns its halves, which own the states and the bytes. It adds what concerns both: whether it is queued for
 *  sending, which events wait, and whether anybody can have acted on it. Whatever concerns all streams of a connection,
 *  such as memory, credit and turns, is up to the StreamSet, which it calls through StreamOwner. A stream may move to
 *  the StreamSet of another connection (see `reopen`). */
export class ConnectionStream implements Stream {
  id: number;
  readonly incoming: boolean;
  sending: SendHalf;
  receiving: ReceiveHalf;
  /** Whether it waits for its turn to send (SendTurns, like the next two). */
  isQueued = false;
  /** How many bytes it has sent in the turn that it is having. */
  turnBytes = 0;
  /** How many turns of the queue had ended when its last turn did. */
  sentAtTurn = Number.NEGATIVE_INFINITY;
  /** A write took less than it was given, so `stream-writable` is due once there is room. */
  wantsRoom = false;
  /** Whether a `stream-readable` event waits to be polled. */
  readableQueued = false;
  /** Whether a `stream-datagrams` event waits to be polled. */
  datagramsQueued = false;
  /** Whether both directions are over. */
  isClosed = false;
  /** The peer ended the stream before we had written, ended or stopped anything (spec streams 5.4). */
  wasGivenUp = false;
  #owner: StreamOwner;
  /** The keypair of the first packet that carried anything of the stream. */
  #firstSentUnder = NOTHING_SENT;

  constructor(id: number, incoming: boolean, sending: SendHalf, receiving: ReceiveHalf, owner: StreamOwner) {
    this.id = id;
    this.incoming = incoming;
    this.sending = sending;
    this.receiving = receiving;
    this.#owner = owner;
  }

  /** Whether we have neither written anything to it nor ended it (spec streams 5.4). */
  get isUnanswered(): boolean {
    return this.sending.isOpen && this.sending.buffer.written === 0;
  }
  /** Whether nothing of the stream was ever put into a packet. */
  get isUnsent(): boolean {
    return this.#firstSentUnder === NOTHING_SENT;
  }

  /** A packet carries something of the stream. */
  noteSent(keypairId: number): void {
    if (this.#firstSentUnder === NOTHING_SENT) this.#firstSentUnder = keypairId;
  }

  /** Whether nobody can have acted on the stream, neither on its request nor on an answer (spec streams 3.8).
   *  @param keypairId the first keypair of the peer's current run */
  isUnheard(keypairId: number): boolean {
    if (this.incoming || this.sending.isReset || !this.receiving.isUntouched) return false;
    return this.isUnsent || this.#firstSentUnder >= keypairId;
  }

  /** Starts the stream over in another connection. */
  reopen(id: number, owner: StreamOwner, sendLimit: number, receiving: ReceiveHalf): void {
    this.id = id;
    this.#owner = owner;
    this.sending = this.sending.reopened(sendLimit);
    this.receiving = receiving;
    this.#firstSentUnder = NOTHING_SENT;
    this.isQueued = false;
    this.turnBytes = 0;
    this.sentAtTurn = Number.NEGATIVE_INFINITY;
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
    const bytes = this.#owner.windows.read(this);
    this.#owner.onRead(this);
    return bytes;
  }

  readInto(target: Uint8Array): number {
    if (!this.receiving.isReadable) return 0;
    const length = this.#owner.windows.readInto(this, target);
    this.#owner.onRead(this);
    return length;
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

  sendDatagram(now: number, message: Uint8Array): DatagramOutcome {
    if (this.isClosed || this.sending.isFinished || !this.sending.isOpen) return 'ended';
    return this.#owner.datagrams.send(this, now, message);
  }

  readDatagram(): Uint8Array | undefined {
    return this.#owner.datagrams.read(this);
  }

  get maxDatagramBytes(): number {
    return this.#owner.datagrams.maxBytes;
  }

  get peerKnowsDatagrams(): boolean {
    return this.#owner.datagrams.isKnownToPeer;
  }
}
