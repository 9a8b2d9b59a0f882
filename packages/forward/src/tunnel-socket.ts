/** A connection through the tunnel for code in this process, without a local port. */
import { Duplex } from 'node:stream';
import { type Stream, StreamErrorCode } from '@underpass/protocol';
import type { StreamHandler, Timers } from '@underpass/runtime';
import { type Target, THIS_PROGRAM } from './forward-spec.js';
import type { Link, LocalEnd } from './local-end.js';
import type { ConnectionEnd } from './proxy-header.js';
import { decodeStatus, encodeRequest, type RequestStatus, requestFor } from './request.js';
import { TunnelError, type TunnelFailure } from './tunnel-error.js';

export interface TunnelSocketOptions {
  /** Whether the socket may be written to after the target has ended its direction. As in `net.connect`, the default is
   *  false: the socket then ends by itself. */
  readonly allowHalfOpen?: boolean;
  /** Destroys the socket. */
  readonly signal?: AbortSignal;
}

export interface TunnelSocketParts {
  /** Starts to carry the socket. It may open a stream before it returns. */
  readonly carry: (end: LocalEnd) => void;
  /** Says in one line what happened and what to do about it. */
  readonly explain: (failure: TunnelFailure) => string;
  readonly timers: Timers;
}

/** A stream that the other side opened, and whose request was answered with `opened`. */
export interface AcceptedStream {
  readonly stream: Stream;
  readonly link: Link;
  /** What came behind the request. */
  readonly firstBytes: Uint8Array;
  /** Whether the other side no longer reads our direction. */
  readonly isStopped: boolean;
  /** Where it comes from. */
  readonly remote: ConnectionEnd;
}

interface WaitingWrite {
  rest: Uint8Array;
  readonly done: (error?: Error | null) => void;
}

/** A Duplex whose other end is a target, or a visitor of a reverse forward, with the part of `net.Socket` that programs
 *  use.
 *
 *  It may be written to at once: the request goes ahead, and the bytes follow as the stream takes them. `connect` is
 *  emitted when the relay has reached the target. A refusal, a reset by the target and the loss of the relay's
 *  connection destroy it with a `TunnelError`. FIN maps to `end` in each direction, and to destroy it before both have
 *  ended resets what is still open. The stream's bytes are copied once on the way out, because a Writable's caller may
 *  reuse its buffer, and not at all on the way in. */
export class TunnelSocket extends Duplex {
  readonly target: Target;
  /** True until `connect` or `close`. */
  connecting = true;
  bytesRead = 0;
  bytesWritten = 0;
  timeout = 0;
  /** Where a visitor comes from; undefined for a target. */
  remoteAddress: string | undefined;
  remotePort: number | undefined;
  /** Resolves when the socket is closed and nothing of it is left to send: the relay has everything, or the stream was
   *  reset. */
  readonly delivered: Promise<void>;
  #onDelivered: () => void = () => undefined;
  readonly #parts: TunnelSocketParts;
  #link: Link | undefined;
  #stream: Stream | undefined;
  #status: RequestStatus | undefined;
  #write: WaitingWrite | undefined;
  /** Called when FIN may be sent. */
  #end: (() => void) | undefined;
  #wantsBytes = false;
  /** Sending: FIN was given to the stream, or the target does not read. */
  #isFinished = false;
  #isStopped = false;
  /** Receiving: FIN or a reset has arrived. */
  #isEnded = false;
  /** Bytes were written that the target does not read. */
  #isLost = false;
  #idleTimer: object | undefined;

  constructor(target: Target, parts: TunnelSocketParts, options: TunnelSocketOptions = {}) {
    super({
      allowHalfOpen: options.allowHalfOpen ?? false,
      ...(options.signal && { signal: options.signal }),
    });
    this.target = target;
    this.#parts = parts;
    this.delivered = new Promise((resolve) => {
      this.#onDelivered = resolve;
    });
    this.once('close', () => {
      if (this.#stream === undefined) this.#onDelivered();
    });
    parts.carry({
      socket: this,
      open: (stream, link) => this.#open(stream, link),
      giveUp: () => this.#fail('relay-not-reached'),
    });
  }

  /** The end of a connection that a visitor opened. It is connected at once. */
  static accept(
    accepted: AcceptedStream,
    parts: Omit<TunnelSocketParts, 'carry'>,
    options?: TunnelSocketOptions,
  ): TunnelSocket {
    const socket = new TunnelSocket(THIS_PROGRAM, { ...parts, carry: () => undefined }, options);
    socket.#accept(accepted);
    return socket;
  }

  // ---- what users of net.Socket call --------------------------------------------------------------------------

  get pending(): boolean {
    return this.connecting;
  }

  /** Ends both directions with a reset. */
  resetAndDestroy(): this {
    return this.destroy();
  }

  /** Emits `timeout` whenever no byte has moved for `timeoutMs`; 0 turns it off. */
  setTimeout(timeoutMs: number, onTimeout?: () => void): this {
    this.timeout = timeoutMs;
    if (onTimeout !== undefined && timeoutMs > 0) this.once('timeout', onTimeout);
    this.#restartIdleTimer();
    return this;
  }

  /** The next four do nothing: there is no local TCP connection. */
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }

  // ---- to the target ------------------------------------------------------------------------------------------

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#write = { rest: Buffer.from(chunk), done };
    this.#writeOn();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#end = () => {
      this.#end = undefined;
      this.#isFinished = true;
      if (!this.#isStopped) this.#stream?.finish();
      this.#link?.tunnel.wake();
      done();
    };
    if (this.#stream !== undefined) this.#end();
  }

  #writeOn(): void {
    const write = this.#write;
    const stream = this.#stream;
    if (write === undefined || stream === undefined) return;
    this.#restartIdleTimer();
    if (this.#isStopped) {
      this.#discard(write);
      return;
    }
    const taken = stream.write(write.rest);
    this.bytesWritten += taken;
    this.#link?.tunnel.wake();
    write.rest = write.rest.subarray(taken);
    if (write.rest.length > 0) return; // `onWritable` or `onStopped` follows
    this.#write = undefined;
    write.done();
  }

  /** The target does not read. What it has sent may still wait here, so the failure comes behind it. */
  #discard(write: WaitingWrite): void {
    this.#write = undefined;
    this.#isLost = true;
    if (this.#isEnded) write.done(this.#error('not-read'));
    else write.done();
  }

  // ---- from the target ----------------------------------------------------------------------------------------

  override _read(): void {
    this.#wantsBytes = true;
    this.#readOn();
  }

  #readOn(): void {
    const stream = this.#stream;
    if (stream === undefined || this.#isEnded || this.destroyed) return;
    while (this.#wantsBytes || this.#status === undefined) {
      const chunk = stream.read();
      if (chunk === undefined) break;
      const bytes = this.#status === undefined ? this.#readStatus(chunk) : chunk;
      if (this.destroyed) return;
      if (bytes.length === 0) continue;
      this.#restartIdleTimer();
      this.bytesRead += bytes.length;
      this.#wantsBytes = this.push(bytes);
    }
    if (stream.readFinished) this.#onFin();
    // Reading gave the sender credit, which has to be sent.
    this.#link?.tunnel.wake();
  }

  /** @returns the bytes behind the status */
  #readStatus(bytes: Uint8Array): Uint8Array {
    const decoded = decodeStatus(bytes);
    if (!decoded.ok) return new Uint8Array(0);
    this.#status = decoded.value;
    if (decoded.value !== 'opened') {
      this.#refuse(decoded.value);
      return new Uint8Array(0);
    }
    this.connecting = false;
    this.#link?.observer.onOpened?.();
    this.emit('connect');
    this.emit('ready');
    return bytes.subarray(decoded.bytesRead);
  }

  #onFin(): void {
    // spec forwarding 2.2: an end before the status must not look like an empty answer
    if (this.#status === undefined) {
      this.#refuse('internal-error');
      return;
    }
    this.#isEnded = true;
    if (this.#isLost) this.once('end', () => this.#fail('not-read'));
    this.push(null);
  }

  // ---- the stream ---------------------------------------------------------------------------------------------

  #open(stream: Stream | undefined, link: Link): void {
    this.#link = link;
    this.once('close', () => link.observer.onEnd(this.#summary()));
    if (stream === undefined) {
      this.#refuse('too-many-streams');
      return;
    }
    this.#stream = stream;
    stream.write(encodeRequest(requestFor(this.target)));
    link.tunnel.attach(stream, this.#handler());
    link.tunnel.wake();
    this.#writeOn();
    this.#end?.();
  }

  #accept({ stream, link, firstBytes, isStopped, remote }: AcceptedStream): void {
    this.#link = link;
    this.#stream = stream;
    this.#status = 'opened';
    this.#isStopped = isStopped;
    this.connecting = false;
    this.remoteAddress = remote.address;
    this.remotePort = remote.port;
    this.once('close', () => link.observer.onEnd(this.#summary()));
    link.tunnel.attach(stream, this.#handler());
    this.bytesRead += firstBytes.length;
    if (firstBytes.length > 0) this.push(firstBytes);
    link.tunnel.wake();
  }

  #handler(): StreamHandler {
    return {
      onReadable: () => this.#readOn(),
      onWritable: () => this.#writeOn(),
      onStopped: () => {
        this.#isStopped = true;
        this.#writeOn();
      },
      onReset: (code) => this.#onReset(code),
      onClosed: () => this.#onDelivered(),
    };
  }

  #onReset(code: number): void {
    const isOver = this.#isEnded && this.#isFinished;
    if (isOver || this.destroyed) return;
    this.#isEnded = true;
    if (code === StreamErrorCode.connectionLost) this.#fail('connection-lost');
    else if (this.#status === undefined) this.#refuse('internal-error');
    else this.#fail('reset');
  }

  #refuse(status: RequestStatus): void {
    this.#status = status;
    this.#link?.observer.onRefused(status);
    this.#fail(status === 'opened' ? 'internal-error' : status);
  }

  #fail(failure: TunnelFailure): void {
    this.destroy(this.#error(failure));
  }

  #error(failure: TunnelFailure): TunnelError {
    return new TunnelError(failure, this.#parts.explain(failure));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.connecting = false;
    this.#clearIdleTimer();
    const isRefused = this.#status !== undefined && this.#status !== 'opened';
    const code = isRefused ? StreamErrorCode.refused : StreamErrorCode.cancelled;
    if (!this.#isFinished && !this.#isStopped) this.#stream?.reset(code);
    if (!this.#isEnded) this.#stream?.stopSending(code);
    this.#link?.tunnel.wake();
    const write = this.#write;
    this.#write = undefined;
    write?.done(error ?? this.#error('reset'));
    done(error);
  }

  #summary() {
    return {
      bytesSent: this.bytesWritten,
      bytesReceived: this.bytesRead,
      clean: this.#status === 'opened' && this.#isFinished && this.#isEnded && this.errored === null,
    };
  }

  #restartIdleTimer(): void {
    this.#clearIdleTimer();
    if (this.timeout > 0 && !this.destroyed) {
      this.#idleTimer = this.#parts.timers.set(() => this.emit('timeout'), this.timeout);
    }
  }

  #clearIdleTimer(): void {
    if (this.#idleTimer !== undefined) this.#parts.timers.clear(this.#idleTimer);
    this.#idleTimer = undefined;
  }
}
