/** A program's connection that is carried only after the program has had its answer (spec proxy 6, 7). */
import type { Socket } from 'node:net';
import { type Stream, StreamErrorCode } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import { PROXY_LINGER_MS } from '../forward-constants.js';
import type { Link, LocalEnd } from '../local-end.js';
import { Pump } from '../pump.js';
import { decodeStatus, encodeRequest, type RequestStatus, requestFor } from '../request.js';
import type { Watched } from '../socket-watch.js';
import type { TunnelFailure } from '../tunnel-error.js';
import type { ConnectRequest } from './proxy-request.js';

export interface ProxyEndOptions {
  readonly socket: Socket;
  readonly request: ConnectRequest;
  /** Says in one line what happened and what to do about it. */
  readonly explain: (failure: TunnelFailure) => string;
  readonly timers: Timers;
}

/** The local end of a request to a dynamic forward.
 *
 *  The socket is paused while the relay decides: what the program sends meanwhile stays in the kernel. On `opened` the
 *  end answers the program and hands the socket and the stream to a `Pump`. On anything else it answers with the
 *  failure and closes the socket, so that the program learns the reason instead of seeing a reset. */
export class ProxyEnd implements LocalEnd, Watched {
  readonly socket: Socket;
  readonly movedBytes = 0;
  readonly #options: ProxyEndOptions;
  #link: Link | undefined;
  #stream: Stream | undefined;
  #pump: Pump | undefined;
  #isStopped = false;
  /** The program has its answer, or has gone. */
  #isAnswered = false;

  /** @param options.socket  paused, and without a listener for its data */
  constructor(options: ProxyEndOptions) {
    this.socket = options.socket;
    this.#options = options;
    this.socket.on('error', () => {});
  }

  open(stream: Stream | undefined, link: Link): void {
    this.#link = link;
    this.socket.once('close', this.#onClose);
    if (stream === undefined) {
      link.observer.onRefused('too-many-streams');
      this.#fail('too-many-streams');
      return;
    }
    this.#stream = stream;
    stream.write(encodeRequest(requestFor(this.#options.request.target)));
    link.tunnel.attach(stream, {
      onReadable: () => {
        if (this.#pump === undefined) this.#readStatus();
        else this.#pump.onReadable();
      },
      onWritable: () => this.#pump?.onWritable(),
      onStopped: () => {
        this.#isStopped = true;
        this.#pump?.onStopped();
      },
      onReset: (code) => {
        if (this.#pump !== undefined) this.#pump.onReset();
        else if (code === StreamErrorCode.connectionLost) this.#fail('connection-lost');
        else this.#refuse('internal-error');
      },
    });
    link.watch.add(this);
    link.tunnel.wake();
  }

  giveUp(): void {
    this.#fail('relay-not-reached');
  }

  onVanished(): void {
    this.socket.destroy();
  }

  #readStatus(): void {
    const stream = this.#stream;
    if (stream === undefined || this.#isAnswered) return;
    const chunk = stream.read();
    if (chunk === undefined) {
      if (stream.readFinished) this.#refuse('internal-error');
      return;
    }
    const decoded = decodeStatus(chunk);
    if (!decoded.ok) return;
    if (decoded.value === 'opened') this.#carry(stream, chunk.subarray(decoded.bytesRead));
    else this.#refuse(decoded.value);
  }

  #carry(stream: Stream, firstBytes: Uint8Array): void {
    const { socket } = this;
    const link = this.#link as Link;
    this.#isAnswered = true;
    link.watch.delete(this);
    socket.off('close', this.#onClose);
    this.#pump = new Pump({
      socket,
      stream,
      watch: link.watch,
      wake: () => link.tunnel.wake(),
      onEnd: (summary) => link.observer.onEnd(summary),
    });
    link.observer.onOpened?.();
    socket.write(this.#options.request.granted);
    socket.resume(); // first, because the pump may have to pause it again
    this.#pump.start(firstBytes);
    if (this.#isStopped) this.#pump.onStopped();
  }

  #refuse(status: RequestStatus): void {
    if (this.#isAnswered) return;
    this.#link?.observer.onRefused(status);
    this.#fail(status === 'opened' ? 'internal-error' : status);
  }

  #fail(failure: TunnelFailure): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#endStream(StreamErrorCode.refused);
    const { request, explain, timers } = this.#options;
    answerAndClose(this.socket, request.refusal(failure, explain(failure)), timers);
  }

  /** The program gave up, or has had the answer of a failure. */
  readonly #onClose = (): void => {
    this.#isAnswered = true;
    this.#endStream(StreamErrorCode.cancelled);
    this.#link?.observer.onEnd({ bytesSent: 0, bytesReceived: 0, clean: false });
  };

  #endStream(code: StreamErrorCode): void {
    this.#link?.watch.delete(this);
    this.#stream?.reset(code);
    this.#stream?.stopSending(code);
    this.#stream = undefined;
    this.#link?.tunnel.wake();
  }
}

/** Sends a last answer. What the program still sends is discarded for a while, because a kernel resets a connection
 *  that is closed with unread bytes, and the reset would overtake the answer (spec proxy 6). */
export function answerAndClose(socket: Socket, answer: Uint8Array, timers: Timers): void {
  const timer = timers.set(() => socket.destroy(), PROXY_LINGER_MS);
  socket.once('close', () => timers.clear(timer));
  socket.on('data', () => {});
  socket.end(answer);
  socket.resume();
}
