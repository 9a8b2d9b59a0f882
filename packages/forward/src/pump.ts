/** Carries bytes between a TCP socket and a stream until both directions have ended (spec forwarding 4). */
import type { Socket } from 'node:net';
import { type Stream, StreamErrorCode } from '@underpass/protocol';
import type { StreamHandler } from '@underpass/runtime';
import { SMALLEST_SEGMENT_BYTES } from './forward-constants.js';
import { gatherBuffer } from './gather-buffer.js';
import type { IdleWatched } from './idle-watch.js';
import type { RateLimit } from './rate-limit.js';
import { resetSocket } from './reset-socket.js';
import { confirmEnd, type SocketWatch, type Watched } from './socket-watch.js';

export interface PumpSummary {
  /** Bytes from the socket to the stream. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Both directions ended with FIN. */
  readonly clean: boolean;
  /** The connection was reset because nothing had moved in it for so long. */
  readonly idleMs?: number;
}

/** Consumes the stream's first bytes before any of them reaches the socket. The bytes are only valid during the call.
 *  @returns the bytes after the preface, or undefined while it is incomplete */
export type Preface = (bytes: Uint8Array) => Uint8Array | undefined;

export interface PumpOptions {
  /** Connected, with allowHalfOpen, and without other listeners for its data. */
  readonly socket: Socket;
  readonly stream: Stream;
  /** Call after commands on the stream. */
  readonly wake: () => void;
  readonly preface?: Preface;
  /** Watches the socket while it is not read. */
  readonly watch: SocketWatch;
  /** That of the peer at the other end of the stream. By default nothing limits it. */
  readonly limit?: RateLimit | undefined;
  /** Called once, last: the socket is closed, and the stream has everything that came from it. */
  readonly onEnd: (summary: PumpSummary) => void;
}

/** Connects one TCP socket to one stream, in both directions.
 *
 *  The two directions are independent. Each ends by itself, with FIN or with a reset, and each has its own
 *  back-pressure: while the stream's send buffer is full the socket is paused, and while the socket's buffer is full
 *  the stream is not read, so that its sender gets no credit. The opener or the incoming request creates the pump and
 *  passes it the stream's events; from `start` on nothing else touches the socket. It never buffers more than one chunk
 *  of its own, and it takes care that a reset never looks like a clean end. */
export class Pump implements StreamHandler, Watched, IdleWatched {
  readonly socket: Socket;
  readonly #stream: Stream;
  readonly #wake: () => void;
  readonly #onEnd: (summary: PumpSummary) => void;
  readonly #watch: SocketWatch;
  readonly #limit: RateLimit | undefined;
  /** The turns of the two directions at the limit. */
  readonly #sendingTurn = { onTurn: () => this.#onSendingTurn() };
  readonly #receivingTurn = { onTurn: () => this.#readStream() };
  #preface: Preface | undefined;
  /** What the stream had no room for. The socket is paused until it has. */
  #rest: Uint8Array | undefined;
  #socketEnded = false;
  #socketClosed = false;
  #ended = false;
  /** The kernel sends what the socket is given at once. */
  #isPrompt = false;
  /** The socket's buffer is full, so the stream is not read. */
  #socketFull = false;
  /** Socket to stream: finished, reset or stopped. */
  #sendingOver = false;
  /** Stream to socket: FIN passed on, or reset. */
  #receivingOver = false;
  #clean = true;
  #idleMs: number | undefined;
  #bytesSent = 0;
  #bytesReceived = 0;

  constructor(options: PumpOptions) {
    this.socket = options.socket;
    this.#stream = options.stream;
    this.#wake = options.wake;
    this.#preface = options.preface;
    this.#watch = options.watch;
    this.#limit = options.limit;
    this.#onEnd = options.onEnd;
  }

  /** @param firstBytes  bytes for the socket that were already read from the stream */
  start(firstBytes?: Uint8Array): void {
    const socket = this.socket;
    this.#watch.keepalive.add(socket);
    socket.on('error', () => this.abort(StreamErrorCode.connectionReset));
    socket.on('close', () => this.#onSocketClose());
    // spec forwarding 4.2: a reset must not look like a clean end
    const onEnd = (): void => confirmEnd(socket, () => this.#onSocketEnd());
    socket.on('end', onEnd);
    socket.on('drain', () => this.#onDrain());
    // The stream keeps the chunk until it is acknowledged. That is safe: Node allocates a new buffer for each read.
    socket.on('data', (chunk: Buffer) => this.#onSocketData(chunk));
    if (!this.#maySend) this.#stopReading();
    if (firstBytes !== undefined && firstBytes.length > 0) {
      this.#bytesReceived += firstBytes.length;
      this.#limit?.fromPeer.take(firstBytes.length);
      this.#write(firstBytes);
    }
    this.#watch.idle?.add(this);
    this.#readStream();
    // Node reads ahead while a socket waits, and emits `end` at once if nothing precedes the FIN.
    if (socket.readableEnded) onEnd();
  }

  /** Resets what is still open, on both sides. */
  abort(code: StreamErrorCode): void {
    this.#clean = false;
    this.#rest = undefined;
    if (!this.#sendingOver) {
      this.#sendingOver = true;
      this.#stream.reset(code);
    }
    if (!this.#receivingOver) {
      this.#receivingOver = true;
      this.#stream.stopSending(code);
    }
    resetSocket(this.socket);
    this.#wake();
    this.#endIfOver();
  }

  // ---- socket to stream -------------------------------------------------------------------------------------

  #onSocketData(chunk: Uint8Array): void {
    if (this.#sendingOver) return;
    this.#rest = this.#giveToStream(chunk);
    // spec forwarding 4.4, 4.8: the local writer stops when the send buffer is full, or the peer has had its share
    if (this.#rest !== undefined || !this.#maySend) this.#stopReading();
    this.#wake();
  }

  onWritable(): void {
    if (this.#rest === undefined || this.#sendingOver) return;
    this.#rest = this.#giveToStream(this.#rest);
    if (this.#rest !== undefined) return;
    if (this.#socketEnded) this.#finishSending();
    else if (this.#maySend) this.#resumeReading();
    this.#wake();
  }

  get #maySend(): boolean {
    return this.#limit?.toPeer.admits(this.#sendingTurn) ?? true;
  }

  #onSendingTurn(): void {
    if (this.#rest === undefined && !this.#sendingOver && !this.#socketEnded) this.#resumeReading();
  }

  /** @returns what did not fit into the stream, or undefined */
  #giveToStream(chunk: Uint8Array): Uint8Array | undefined {
    const taken = this.#stream.write(chunk);
    this.#bytesSent += taken;
    this.#limit?.toPeer.take(taken);
    return taken < chunk.length ? chunk.subarray(taken) : undefined;
  }

  #onSocketEnd(): void {
    this.#socketEnded = true;
    if (!this.#socketClosed) this.#watch.add(this);
    if (this.#rest === undefined) this.#finishSending();
    this.#wake();
  }

  /** spec forwarding 4.1: FIN follows all bytes before it and leaves the other direction alone */
  #finishSending(): void {
    if (this.#sendingOver) return;
    this.#sendingOver = true;
    this.#stream.finish();
    this.#endIfOver();
  }

  /** spec forwarding 4.3: the other side does not read what the socket sends */
  onStopped(): void {
    if (this.#sendingOver) return;
    this.#sendingOver = true;
    this.#clean = false;
    this.#rest = undefined;
    this.#stopReading();
    if (this.#receivingOver) this.#resetWhenFlushed();
    this.#endIfOver();
  }

  // ---- while the socket is not read (spec forwarding 4.6) ------------------------------------------------------

  #stopReading(): void {
    this.socket.pause();
    this.#watch.add(this);
  }

  #resumeReading(): void {
    this.#watch.delete(this);
    this.socket.resume();
  }

  get movedBytes(): number {
    return this.#bytesSent + this.#bytesReceived;
  }

  get isWaiting(): boolean {
    return this.#rest !== undefined || this.#stream.bufferedBytes > 0;
  }
  get isHalfClosed(): boolean {
    return this.#sendingOver || this.#receivingOver;
  }

  onIdle(idleMs: number): void {
    this.#idleMs = idleMs;
    this.abort(StreamErrorCode.connectionReset);
  }

  onVanished(): void {
    this.abort(StreamErrorCode.connectionReset);
  }

  // ---- stream to socket -------------------------------------------------------------------------------------

  onReadable(): void {
    this.#readStream();
  }

  #readStream(): void {
    if (this.#receivingOver || this.#socketFull) return;
    while (this.#mayReceive && this.#fillSocket()) {
      // The kernel took everything at once, so there is room for more.
    }
    if (this.#receivingOver) return;
    if (this.#stream.readFinished) this.#finishReceiving();
    // Reading gave the sender credit, which has to be sent.
    this.#wake();
  }

  /** spec forwarding 4.8: a stream that is not read gives its peer no credit */
  get #mayReceive(): boolean {
    return this.#limit?.fromPeer.admits(this.#receivingTurn) ?? true;
  }

  /** Passes what the stream has to the socket in one system call. @returns true when there may be more, and room for
   *  it */
  #fillSocket(): boolean {
    const socket = this.socket;
    const buffer = gatherBuffer.take();
    const length = this.#stream.readInto(buffer);
    const bytes = length === 0 ? undefined : this.#behindPreface(buffer.subarray(0, length));
    if (bytes !== undefined && bytes.length > 0) {
      this.#write(bytes);
      this.#bytesReceived += bytes.length;
      this.#limit?.fromPeer.take(bytes.length);
    }
    if (length === 0 || socket.writableLength === 0) gatherBuffer.giveBack(buffer);
    // spec forwarding 4.4: a peer gets no credit while the local reader is slow
    this.#socketFull = socket.writableNeedDrain && socket.writableLength > 0;
    return length === buffer.length && !this.#socketFull;
  }

  /** The kernel delays a small segment only while earlier bytes are not acknowledged. So it is told not to before the
   *  second one: a system call less for connections that carry one short answer. */
  #write(bytes: Uint8Array): void {
    const { socket } = this;
    if (!this.#isPrompt && (bytes.length > SMALLEST_SEGMENT_BYTES || socket.bytesWritten > 0)) {
      this.#isPrompt = true;
      socket.setNoDelay(true);
    }
    socket.write(bytes);
  }

  /** Consumes the preface, if it is not complete yet. @returns what is for the socket */
  #behindPreface(bytes: Uint8Array): Uint8Array | undefined {
    if (this.#preface === undefined) return bytes;
    const behind = this.#preface(bytes);
    if (behind === undefined || this.#receivingOver) return undefined;
    this.#preface = undefined;
    return behind;
  }

  #finishReceiving(): void {
    // spec forwarding 2.2: an end before the status must not look like an empty answer
    if (this.#preface !== undefined) {
      this.#receivingOver = true;
      this.abort(StreamErrorCode.cancelled);
      return;
    }
    this.#receivingOver = true;
    this.socket.end();
    if (this.#sendingOver && !this.#socketEnded) this.#resetWhenFlushed();
  }

  #onDrain(): void {
    if (!this.#socketFull) return;
    this.#socketFull = false;
    this.#readStream();
  }

  /** spec forwarding 4.2 */
  onReset(): void {
    const wasOver = this.#receivingOver && this.#sendingOver;
    this.#receivingOver = true;
    // If all bytes of both directions were passed on, the reset changes nothing and the socket may close cleanly.
    if (!wasOver) this.abort(StreamErrorCode.connectionReset);
  }

  // ---- the end ----------------------------------------------------------------------------------------------

  #resetWhenFlushed(): void {
    if (this.socket.writableFinished) resetSocket(this.socket);
    else this.socket.once('finish', () => resetSocket(this.socket));
  }

  #onSocketClose(): void {
    this.#socketClosed = true;
    this.#watch.delete(this);
    this.#watch.keepalive.delete(this.socket);
    // Both FINs are through and the last bytes wait for room in the stream. They still count, so this is a clean end.
    const restWaits = this.#socketEnded && this.#rest !== undefined && this.#receivingOver;
    if (!restWaits && !(this.#sendingOver && this.#receivingOver)) {
      this.abort(StreamErrorCode.connectionReset);
    }
    this.#endIfOver();
  }

  #endIfOver(): void {
    if (this.#ended || !this.#socketClosed || !this.#sendingOver || !this.#receivingOver) return;
    this.#ended = true;
    this.#limit?.toPeer.leave(this.#sendingTurn);
    this.#limit?.fromPeer.leave(this.#receivingTurn);
    this.#watch.idle?.delete(this);
    this.#onEnd({
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
      clean: this.#clean,
      ...(this.#idleMs !== undefined && { idleMs: this.#idleMs }),
    });
  }
}
