/** All streams of a connection: identifiers, limits, and whose turn it is to send (spec streams 4.1, 4.7, 5). */
import { assert } from '../../assert.js';
import { ConnectionErrorCode, StreamErrorCode } from '../../failure.js';
import type { TokenBucket } from '../../token-bucket.js';
import {
  INITIAL_MAX_STREAM_DATA_BYTES,
  INITIAL_MAX_STREAMS,
  MAX_SEND_PIECES,
  OPENING_BYTES,
} from '../limits.js';
import type { FrameReader } from '../wire/frame-reader.js';
import { ConnectionCredit } from './connection-credit.js';
import { PeerPlaces } from './peer-places.js';
import { errorOf, ReceiveHalf, type ReceiveOutcome } from './receive-half.js';
import { SendHalf } from './send-half.js';
import { ConnectionStream, type StreamOwner } from './stream.js';
import { WindowShares } from './window-shares.js';

export type StreamEvent =
  /** A stream can be opened, after one could not. */
  | { readonly type: 'streams-available' }
  | { readonly type: 'stream-opened'; readonly stream: ConnectionStream }
  | { readonly type: 'stream-readable'; readonly stream: ConnectionStream }
  | { readonly type: 'stream-writable'; readonly stream: ConnectionStream }
  | { readonly type: 'stream-reset'; readonly stream: ConnectionStream; readonly code: number }
  | { readonly type: 'stream-stopped'; readonly stream: ConnectionStream; readonly code: number }
  | { readonly type: 'stream-closed'; readonly stream: ConnectionStream };

export interface StreamLimits {
  /** The peer's share of memory: what MAX_DATA grants beyond what was read. */
  readonly connectionWindowBytes: number;
  readonly maxStreamWindowBytes: number;
  /** The peer's streams that may be open at one time. */
  readonly maxOpenStreams: number;
  /** Written and unacknowledged bytes over all streams. */
  readonly sendBufferBytes: number;
  readonly minStreamSendBufferBytes: number;
}

export interface StreamError {
  readonly code: number;
  readonly reason: string;
}

/** What a frame did: undefined is well, 'later' leaves the packet unacknowledged, an error ends the connection. */
export type FrameOutcome = undefined | 'later' | StreamError;

/** A stream holds at most so many times what it leaves free in the send buffer: one alone has two thirds, and however many there are,
 *  the next still finds a share (spec streams 5.8). */
const FREE_BUFFER_SHARE = 2;

export class StreamSet implements StreamOwner {
  /** Set by the connection at each call that brings the time. */
  now = 0;
  roundTripMs = 0;
  /** What one stream may buffer for sending beyond its guaranteed share, follows the congestion window. */
  sendAheadBytes = 0;

  /** Frames that changed something (spec streams 2.5). */
  effects = 0;

  readonly credit: ConnectionCredit;
  readonly places: PeerPlaces;
  readonly #shares: WindowShares;
  readonly #limits: StreamLimits;
  readonly #onCommand: () => void;
  /** 0 for the client's ids, 1 for the relay's. */
  readonly #ownBit: number;
  readonly #streams = new Map<number, ConnectionStream>();
  readonly #events: StreamEvent[] = [];
  /** Streams with something to send, in turn. */
  #queue: ConnectionStream[] = [];
  /** Streams with RESET_STREAM, STOP_SENDING or MAX_STREAM_DATA to send. */
  readonly #controlDue = new Set<ConnectionStream>();
  readonly #waitingForRoom = new Set<ConnectionStream>();

  #openedByUs = 0;
  /** Of these, the ones that are not over. */
  #ownOpen = 0;
  #openedByPeer = 0;
  #maxStreamsOfPeer = INITIAL_MAX_STREAMS; // how many we may open
  /** One could not be opened. */
  #wantsStream = false;
  #initialSendLimit = INITIAL_MAX_STREAM_DATA_BYTES;

  #buffered = 0;
  /** Pieces that the send buffers note (spec streams 5.7). */
  #pieces = 0;
  #isHoldingNew = false;
  /** New bytes may go out again: streams that were held back have to be looked for. */
  #isCreditNew = false;

  /** @param givenUpBudget for streams that the peer gives up; it outlives the connection (spec streams 5.4)
   *  @param onCommand called when a command on a stream may have given the set something to send or to report */
  constructor(
    role: 'client' | 'relay',
    limits: StreamLimits,
    givenUpBudget: TokenBucket,
    onCommand: () => void,
  ) {
    this.#onCommand = onCommand;
    this.#ownBit = role === 'client' ? 0 : 1;
    this.#limits = limits;
    this.credit = new ConnectionCredit(limits.connectionWindowBytes);
    this.#shares = new WindowShares(limits);
    this.places = new PeerPlaces(limits.maxOpenStreams, givenUpBudget);
  }

  // ---- getters ----------------------------------------------------------------------------------------------

  get openStreams(): number {
    return this.#streams.size;
  }
  /** What every stream of the peer may send before more is granted. */
  get initialStreamWindow(): number {
    return INITIAL_MAX_STREAM_DATA_BYTES;
  }
  /** Pieces of what was sent that are noted as acknowledged or lost (spec streams 5.7). */
  get notedPieces(): number {
    return this.#pieces;
  }
  get bufferedBytes(): number {
    return this.#buffered;
  }
  /** What received data occupies. Looks at every stream. */
  get allocatedBytes(): number {
    let bytes = 0;
    for (const stream of this.#streams.values()) bytes += stream.receiving.buffer.allocatedBytes;
    return bytes;
  }

  // ---- commands ---------------------------------------------------------------------------------------------

  open(): ConnectionStream | undefined {
    this.#wantsStream = !this.#mayOpen;
    if (this.#wantsStream) return undefined;
    const id = 2 * this.#openedByUs++ + this.#ownBit;
    this.#ownOpen++;
    this.#onCommand();
    return this.#add(id, false);
  }

  pollEvent(): StreamEvent | undefined {
    const event = this.#events.shift();
    if (event?.type === 'stream-readable') event.stream.readableQueued = false;
    return event;
  }

  /** Takes out streams that we opened and on which nobody can have acted, the oldest first (spec streams 3.8).
   *  @param keypairId the first one that the present run of the peer has */
  takeUnheard(keypairId: number, most: number): ConnectionStream[] {
    const taken = [...this.#streams.values()].filter((stream) => stream.isUnheard(keypairId)).slice(0, most);
    for (const stream of taken) {
      this.#streams.delete(stream.id);
      this.#ownOpen--;
      this.#controlDue.delete(stream);
      this.#waitingForRoom.delete(stream);
    }
    return taken;
  }

  /** Opens a stream again that `takeUnheard` of an earlier connection gave. There must be a place for it. */
  reopen(stream: ConnectionStream): void {
    assert(this.#openedByUs < this.#maxStreamsOfPeer, 'there is a place for it');
    const receiving = new ReceiveHalf(INITIAL_MAX_STREAM_DATA_BYTES);
    stream.reopen(2 * this.#openedByUs++ + this.#ownBit, this, this.#initialSendLimit, receiving);
    this.#streams.set(stream.id, stream);
    this.#ownOpen++;
    this.#buffered += stream.bufferedBytes;
    if (stream.wantsRoom) this.#waitingForRoom.add(stream);
    this.#enqueue(stream);
  }

  /** While it holds, streams of which nothing was sent yet stay unsent (spec streams 3.8). */
  get isHoldingNew(): boolean {
    return this.#isHoldingNew;
  }
  set isHoldingNew(isHolding: boolean) {
    if (this.#isHoldingNew && !isHolding) this.#isCreditNew = true;
    this.#isHoldingNew = isHolding;
  }

  /** The connection is over: every stream ends, at once. */
  loseAll(): void {
    for (const stream of this.#streams.values()) {
      stream.sending.lose();
      stream.receiving.lose();
      stream.isClosed = true;
      this.#events.push({ type: 'stream-reset', stream, code: StreamErrorCode.connectionLost });
      this.#events.push({ type: 'stream-closed', stream });
    }
    this.#streams.clear();
    this.#queue = [];
    this.#controlDue.clear();
    this.#waitingForRoom.clear();
  }

  // ---- what streams ask (StreamOwner) -----------------------------------------------------------------------

  sendRoom(stream: ConnectionStream): number {
    const { sendBufferBytes, minStreamSendBufferBytes } = this.#limits;
    const own = stream.sending.buffer.bufferedBytes;
    const guaranteed = minStreamSendBufferBytes - own;
    const free = sendBufferBytes - this.#buffered;
    const shared = Math.min(
      this.#permitted(stream),
      minStreamSendBufferBytes + this.sendAheadBytes - own,
      (FREE_BUFFER_SHARE * free - own) / (1 + FREE_BUFFER_SHARE),
    );
    return Math.floor(Math.max(0, guaranteed, shared));
  }

  /** What a stream may take before it holds more than the peer lets it send, and a little to have ready when that rises: the rest
   *  would only keep others from the buffer (spec streams 5.8). */
  #permitted(stream: ConnectionStream): number {
    const { limit, buffer } = stream.sending;
    return limit + this.#limits.minStreamSendBufferBytes - buffer.written;
  }

  onWritten(stream: ConnectionStream, bytes: number): void {
    this.#buffered += bytes;
    this.#enqueue(stream);
    this.#onCommand();
  }

  onSendBufferCleared(bytes: number, pieces: number): void {
    this.#buffered -= bytes;
    this.#notePieces(-pieces);
  }

  onControlDue(stream: ConnectionStream): void {
    if (stream.isClosed) return;
    this.#onCommand();
    if (stream.sending.resetDue || stream.receiving.stopDue) this.#controlDue.add(stream);
    this.#enqueue(stream);
    this.#closeIfOver(stream);
  }

  readBytes(stream: ConnectionStream): Uint8Array | undefined {
    const { receiving } = stream;
    const mostBytes = this.#shares.readWindowBytes(receiving.buffer.readOffset);
    const bytes = receiving.read(this.now, this.roundTripMs, mostBytes);
    this.#onCommand();
    if (bytes !== undefined) this.credit.consume(bytes.length);
    this.#shares.update(receiving);
    if (receiving.limitDue) this.#controlDue.add(stream);
    this.#closeIfOver(stream);
    return bytes;
  }

  onDiscarded(stream: ConnectionStream, bytes: number): void {
    this.credit.consume(bytes);
    this.#shares.update(stream.receiving);
  }

  // ---- what arrives -----------------------------------------------------------------------------------------

  /** The peer's HELLO: its limits take effect where they are higher (spec streams 3.5). */
  onHello(maxData: number, maxStreamData: number, maxStreams: number): void {
    this.onMaxData(maxData);
    this.onMaxStreams(maxStreams);
    if (maxStreamData <= this.#initialSendLimit) return;
    this.#initialSendLimit = maxStreamData;
    for (const stream of this.#streams.values()) this.#raiseSendLimit(stream, maxStreamData);
  }

  onMaxData(maximum: number): void {
    if (!this.credit.raise(maximum)) return;
    this.#isCreditNew = true;
    this.effects++;
  }

  onMaxStreams(maximum: number): void {
    if (maximum <= this.#maxStreamsOfPeer) return;
    this.#maxStreamsOfPeer = maximum;
    this.effects++;
    this.#announcePlaces();
  }

  onMaxStreamData(id: number, maximum: number): FrameOutcome {
    const stream = this.#lookup(id);
    if (stream instanceof ConnectionStream) this.#raiseSendLimit(stream, maximum);
    return errorOrNothing(stream);
  }

  onStreamFrame(frame: FrameReader, fin: boolean): FrameOutcome {
    const stream = this.#lookup(frame.streamId);
    if (!(stream instanceof ConnectionStream)) return stream;
    const { receiving } = stream;
    const before = receiving.largest;
    const { state } = receiving;
    const { arrivedBytes } = receiving.buffer;
    const growth = Math.max(0, frame.offset + frame.dataLength - before);
    if (!this.credit.permits(growth)) return connectionLimit();
    const outcome = receiving.onData(frame.offset, frame.bytes, frame.dataStart, frame.dataLength, fin);
    if (outcome !== 'ok') return problem(outcome);
    const { largest } = receiving;
    if (receiving.buffer.arrivedBytes > arrivedBytes || largest > before || receiving.state !== state) {
      this.effects++;
    }
    this.credit.receive(largest - before);
    if (receiving.stopCode !== undefined) this.credit.consume(largest - before);
    if (before < OPENING_BYTES && largest >= OPENING_BYTES) this.#widen(stream);
    else this.#shares.update(receiving);
    this.#announceReadable(stream);
    this.#closeIfOver(stream);
    return undefined;
  }

  onResetStream(id: number, code: number, finalSize: number): FrameOutcome {
    const stream = this.#lookup(id);
    if (!(stream instanceof ConnectionStream)) return stream;
    const { receiving } = stream;
    const before = receiving.largest;
    if (!this.credit.permits(Math.max(0, finalSize - before))) return connectionLimit();
    const wasStopped = receiving.stopCode !== undefined;
    const wasReset = receiving.state === 'reset-received' || receiving.isOver;
    const outcome = receiving.onReset(code, finalSize);
    if (outcome !== 'ok') return problem(outcome);
    if (wasReset || receiving.state !== 'reset-received') return undefined;
    this.effects++;
    if (!wasStopped && isUnanswered(stream)) stream.wasGivenUp = true;
    this.credit.receive(receiving.largest - before);
    // spec streams 4.4: what will never be read is given back to the connection
    this.credit.consume(receiving.largest - (wasStopped ? before : receiving.buffer.readOffset));
    receiving.tell();
    this.#shares.update(receiving);
    if (!wasStopped) this.#events.push({ type: 'stream-reset', stream, code });
    this.#closeIfOver(stream);
    return undefined;
  }

  /** spec streams 4.5 */
  onStopSending(id: number, code: number): FrameOutcome {
    const stream = this.#lookup(id);
    if (!(stream instanceof ConnectionStream)) return stream;
    if (stream.sending.isReset || stream.sending.isOver) return undefined;
    this.effects++;
    if (stream.receiving.stopCode === undefined && isUnanswered(stream)) stream.wasGivenUp = true;
    stream.reset(code);
    this.#events.push({ type: 'stream-stopped', stream, code });
    return undefined;
  }

  // ---- what goes out ----------------------------------------------------------------------------------------

  /** The stream whose turn it is, or undefined. Streams whose turn finds nothing to send leave the queue. */
  nextSendable(): ConnectionStream | undefined {
    if (this.#isCreditNew) {
      this.#isCreditNew = false;
      for (const stream of this.#streams.values()) this.#enqueue(stream);
    }
    while (this.#queue.length > 0) {
      const stream = this.#queue[0] as ConnectionStream;
      if (!stream.isClosed && this.#hasFrame(stream)) return stream;
      this.#queue.shift();
      stream.isQueued = false;
    }
    return undefined;
  }

  /** The stream at the head had its turn. */
  rotate(): void {
    const stream = this.#queue.shift();
    if (stream !== undefined) this.#queue.push(stream);
  }

  /** Writes one STREAM frame of `stream`. @returns the position behind it, or `position` when nothing fits */
  writeStreamFrame(stream: ConnectionStream, bytes: Uint8Array, position: number, room: number): number {
    const { sending } = stream;
    const { sent, notedPieces } = sending.buffer;
    const at = sending.writeFrame(bytes, position, room, stream.id, this.#newBytesCredit);
    this.credit.sentBytes += sending.buffer.sent - sent;
    this.#notePieces(sending.buffer.notedPieces - notedPieces);
    return at;
  }

  /** Something of it is in a packet for the first time. An answer need not wait for more than the first window: who opened the stream
   *  wants to read it. */
  onFirstSent(stream: ConnectionStream): void {
    if (!stream.incoming) this.#widen(stream);
  }

  /** Streams with control frames due; the caller clears what it sent with `controlSent`. */
  get controlDue(): ReadonlySet<ConnectionStream> {
    return this.#controlDue;
  }
  controlSent(stream: ConnectionStream): void {
    this.#controlDue.delete(stream);
  }

  /** The limit for which DATA_BLOCKED has to go out, or undefined. */
  get dataBlockedAt(): number | undefined {
    return this.#buffered === 0 ? undefined : this.credit.blockedAt;
  }

  // ---- what became of it ------------------------------------------------------------------------------------

  onFrameAcknowledged(id: number, start: number, length: number, fin: boolean): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    const { buffer } = stream.sending;
    const { bufferedBytes, notedPieces } = buffer;
    stream.sending.onAcknowledged(start, length, fin);
    this.#buffered -= bufferedBytes - buffer.bufferedBytes;
    this.#notePieces(buffer.notedPieces - notedPieces);
    this.#enqueue(stream); // little credit may have waited for this (spec streams 5.6)
    if (stream.wantsRoom) this.#waitingForRoom.add(stream);
    this.#closeIfOver(stream);
  }

  onFrameLost(id: number, start: number, length: number, fin: boolean): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    const { notedPieces } = stream.sending.buffer;
    stream.sending.onLost(start, length, fin);
    this.#notePieces(stream.sending.buffer.notedPieces - notedPieces);
    this.#enqueueFirst(stream);
  }

  onResetAcknowledged(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    stream.sending.onResetAcknowledged();
    this.#closeIfOver(stream);
  }

  onResetLost(id: number): void {
    const stream = this.#streams.get(id);
    if (stream?.sending.state !== 'reset-sent') return;
    stream.sending.resetDue = true;
    this.#controlDue.add(stream);
  }

  onStopLost(id: number): void {
    const stream = this.#streams.get(id);
    if (stream?.receiving.state !== 'receive') return;
    stream.receiving.stopDue = true;
    this.#controlDue.add(stream);
  }

  onMaxStreamDataLost(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    if (stream.receiving.finalSize !== undefined || stream.receiving.stopCode !== undefined) return;
    stream.receiving.limitDue = true;
    this.#controlDue.add(stream);
  }

  /** Tells the writers for whom acknowledgements or new limits made room. */
  announceRoom(): void {
    for (const stream of this.#waitingForRoom) {
      if (!stream.wantsRoom || !stream.sending.isOpen || this.#permitted(stream) <= 0) {
        // Of a stream at its limit nothing changes before its own next acknowledgement or MAX_STREAM_DATA.
        this.#waitingForRoom.delete(stream);
      } else if (this.sendRoom(stream) >= this.#limits.minStreamSendBufferBytes / 4) {
        stream.wantsRoom = false;
        this.#waitingForRoom.delete(stream);
        this.#events.push({ type: 'stream-writable', stream });
      }
    }
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  #add(id: number, incoming: boolean): ConnectionStream {
    const receiving = new ReceiveHalf(INITIAL_MAX_STREAM_DATA_BYTES);
    const stream = new ConnectionStream(id, incoming, new SendHalf(this.#initialSendLimit), receiving, this);
    this.#streams.set(id, stream);
    return stream;
  }

  /** The stream has come to use: it may have more than the first window, before anybody has read (spec streams 5.3). */
  #widen(stream: ConnectionStream): void {
    stream.receiving.widen(this.#shares.openingWindowBytes);
    this.#shares.update(stream.receiving);
    if (stream.receiving.limitDue) this.#controlDue.add(stream);
  }

  /** The stream that a frame names; undefined when it is over; an error when the peer may not name it. */
  #lookup(id: number): ConnectionStream | undefined | StreamError {
    const stream = this.#streams.get(id);
    if (stream !== undefined) return stream;
    const index = Math.floor(id / 2);
    if (id % 2 === this.#ownBit) {
      if (index < this.#openedByUs) return undefined;
      return { code: ConnectionErrorCode.streamState, reason: 'frame for a stream that was never opened' };
    }
    if (index < this.#openedByPeer) return undefined;
    if (index >= this.places.granted) {
      return { code: ConnectionErrorCode.streamLimit, reason: 'stream beyond the limit' };
    }
    // spec streams 4.1: opening one opens the lower ones too
    while (this.#openedByPeer <= index) {
      const opened = this.#add(2 * this.#openedByPeer++ + (1 - this.#ownBit), true);
      this.#events.push({ type: 'stream-opened', stream: opened });
    }
    return this.#streams.get(id);
  }

  #raiseSendLimit(stream: ConnectionStream, maximum: number): void {
    if (maximum <= stream.sending.limit) return;
    stream.sending.limit = maximum;
    this.effects++;
    this.#enqueue(stream);
    if (stream.wantsRoom) this.#waitingForRoom.add(stream);
  }

  /** Its answers need first windows of ours, so that our own limit holds for it, too (spec streams 5.4). */
  get #mayOpen(): boolean {
    return this.#openedByUs < this.#maxStreamsOfPeer && this.#ownOpen < this.#limits.maxOpenStreams;
  }

  #announcePlaces(): void {
    if (!this.#wantsStream || !this.#mayOpen) return;
    this.#wantsStream = false;
    this.#events.push({ type: 'streams-available' });
  }

  /** New bytes that may go out now, over all streams. */
  get #newBytesCredit(): number {
    return this.#pieces < MAX_SEND_PIECES ? this.credit.available : 0;
  }

  #notePieces(change: number): void {
    if (this.#pieces >= MAX_SEND_PIECES && this.#pieces + change < MAX_SEND_PIECES) this.#isCreditNew = true;
    this.#pieces += change;
  }

  #hasFrame(stream: ConnectionStream): boolean {
    return stream.sending.hasFrame(this.#newBytesCredit) && !(this.#isHoldingNew && stream.isUnsent);
  }

  #enqueue(stream: ConnectionStream): void {
    if (stream.isQueued || !this.#hasFrame(stream)) return;
    stream.isQueued = true;
    this.#queue.push(stream);
  }

  /** Lost bytes go first: somebody already waits for them. */
  #enqueueFirst(stream: ConnectionStream): void {
    if (stream.isQueued || !this.#hasFrame(stream)) return;
    stream.isQueued = true;
    this.#queue.unshift(stream);
  }

  #announceReadable(stream: ConnectionStream): void {
    if (stream.readableQueued || !stream.receiving.isReadable) return;
    stream.readableQueued = true;
    this.#events.push({ type: 'stream-readable', stream });
  }

  #closeIfOver(stream: ConnectionStream): void {
    if (stream.isClosed || !stream.sending.isOver || !stream.receiving.isOver) return;
    stream.isClosed = true;
    this.#streams.delete(stream.id);
    this.#controlDue.delete(stream);
    this.#waitingForRoom.delete(stream);
    this.#events.push({ type: 'stream-closed', stream });
    if (stream.incoming) {
      this.places.giveBack(this.now, stream.wasGivenUp);
    } else {
      this.#ownOpen--;
      this.#announcePlaces();
    }
  }
}

/** Nothing was written on it, and nothing ended (spec streams 5.4). */
function isUnanswered({ sending }: ConnectionStream): boolean {
  return sending.isOpen && sending.buffer.written === 0;
}

function problem(outcome: Exclude<ReceiveOutcome, 'ok'>): FrameOutcome {
  if (outcome === 'later') return 'later';
  const reason = outcome === 'over-limit' ? 'data beyond the stream limit' : 'final size changed';
  return { code: errorOf(outcome), reason };
}

function connectionLimit(): StreamError {
  return { code: ConnectionErrorCode.flowControl, reason: 'data beyond the connection limit' };
}

function errorOrNothing(found: ConnectionStream | undefined | StreamError): FrameOutcome {
  return found instanceof ConnectionStream ? undefined : found;
}
