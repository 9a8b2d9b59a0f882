/** The client's side of a flow: asks the relay for a target and exchanges messages with it (spec forwarding 5.1). */
import type { Stream } from '@underpass/protocol';
import { StreamErrorCode } from '@underpass/protocol';
import { endFlow } from './flow-end.js';
import { MAX_MESSAGE_WAIT_MS, MAX_WAITING_MESSAGES } from './forward-constants.js';
import type { PumpSummary } from './pump.js';
import { decodeStatus, encodeRequest, type RequestStatus, type StreamRequest } from './request.js';
import type { Tunnel } from './tunnel.js';

export interface FlowObserver {
  /** The relay can send messages for the flow. */
  onOpened?(): void;
  /** The relay refused the target, or no stream could be opened. */
  onRefused(status: RequestStatus): void;
  /** A message was larger than the path to the relay carries. Called once. */
  onTooLarge(bytes: number, maxBytes: number): void;
  /** The flow has ended. Called last, also after a refusal. */
  onEnd(summary: PumpSummary): void;
}

export interface OutgoingFlowOptions {
  readonly tunnel: Tunnel;
  readonly request: StreamRequest;
  readonly now: () => number;
  /** A message of the target arrived. */
  readonly onMessage: (message: Uint8Array) => void;
  readonly observer: FlowObserver;
}

/** Carries the messages of one flow through a stream.
 *
 *  It writes the request at once. Messages may follow as soon as the relay is known to understand them: with the
 *  request if it has sent messages in this connection, otherwise when it has answered. Until then a few messages wait,
 *  the newest of them. The owner passes in messages with `send`, and ends the flow with `end`. */
export class OutgoingFlow {
  readonly #stream: Stream;
  readonly #options: OutgoingFlowOptions;
  readonly #waiting: { readonly message: Uint8Array; readonly at: number }[] = [];
  #status: RequestStatus | undefined;
  #bytesSent = 0;
  #bytesReceived = 0;
  #reportedTooLarge = false;
  #isOver = false;

  constructor(stream: Stream, options: OutgoingFlowOptions) {
    this.#stream = stream;
    this.#options = options;
    stream.write(encodeRequest(options.request));
    options.tunnel.attach(stream, {
      onReadable: () => this.#onReadable(),
      onDatagrams: () => this.#onDatagrams(),
      onStopped: () => this.#onStopped(),
      onReset: (code) => this.#onEnded(code === StreamErrorCode.connectionLost),
      onClosed: () => this.#onEnded(false),
    });
    options.tunnel.wake();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether the relay has refused it, so that asking again would not help. */
  get isRefused(): boolean {
    return this.#status !== undefined && this.#status !== 'opened';
  }

  /** Sends a message to the target, or drops it: nothing tells which (spec datagrams). */
  send(message: Uint8Array): void {
    if (this.#isOver) return;
    const at = this.#options.now();
    if (this.#mayFollow) {
      this.#send(message, at);
      this.#options.tunnel.wake();
      return;
    }
    this.#waiting.push({ message, at });
    if (this.#waiting.length > MAX_WAITING_MESSAGES) this.#waiting.shift();
  }

  /** Ends the flow. */
  end(): void {
    this.#end(this.#status === 'opened');
  }

  /** spec datagrams 1.2 */
  get #mayFollow(): boolean {
    return this.#status === 'opened' || this.#stream.peerKnowsDatagrams;
  }

  #send(message: Uint8Array, now: number): void {
    const outcome = this.#stream.sendDatagram(now, message);
    if (outcome === 'queued') this.#bytesSent += message.length;
    else if (outcome === 'too-large' && !this.#reportedTooLarge) {
      this.#reportedTooLarge = true;
      this.#options.observer.onTooLarge(message.length, this.#stream.maxDatagramBytes);
    }
  }

  #onReadable(): void {
    for (let bytes = this.#stream.read(); bytes !== undefined; bytes = this.#stream.read()) {
      const decoded = decodeStatus(bytes);
      if (this.#status === undefined && decoded.ok) this.#onStatus(decoded.value);
    }
    if (this.#stream.readFinished) this.#onEnded(false);
  }

  #onStatus(status: RequestStatus): void {
    this.#status = status;
    if (status !== 'opened') {
      this.#options.observer.onRefused(status);
      this.#end(false);
      return;
    }
    this.#options.observer.onOpened?.();
    const now = this.#options.now();
    for (const { message, at } of this.#waiting.splice(0)) {
      if (now - at < MAX_MESSAGE_WAIT_MS) this.#send(message, now);
    }
    this.#options.tunnel.wake();
  }

  #onDatagrams(): void {
    const stream = this.#stream;
    for (let message = stream.readDatagram(); message !== undefined; message = stream.readDatagram()) {
      if (this.#isOver) return;
      this.#bytesReceived += message.length;
      this.#options.onMessage(message);
    }
  }

  /** The relay reads no more. If it has refused the request, its status is here or follows. */
  #onStopped(): void {
    this.#onReadable();
    if (this.#status === 'opened') this.#onEnded(false);
  }

  /** The relay, or the connection, has ended the flow. */
  #onEnded(isLost: boolean): void {
    if (!this.#isOver && this.#status === undefined && !isLost) {
      this.#status = 'internal-error';
      this.#options.observer.onRefused(this.#status);
    }
    this.#end(this.#status === 'opened' && !isLost);
  }

  #end(clean: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting.length = 0;
    endFlow(this.#stream);
    const [bytesSent, bytesReceived] = [this.#bytesSent, this.#bytesReceived];
    this.#options.observer.onEnd({ bytesSent, bytesReceived, clean });
    this.#options.tunnel.wake();
  }
}
