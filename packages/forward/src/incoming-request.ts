/** One stream that the peer opened, from its request to its status (spec forwarding 2.3, 2.6). */
import { type Stream, StreamErrorCode } from '@underpass/protocol';
import type { StreamHandler, Timers } from '@underpass/runtime';
import { REQUEST_TIMEOUT_MS } from './forward-constants.js';
import {
  decodeRequest,
  encodeStatus,
  MAX_REQUEST_BYTES,
  type RequestStatus,
  type StreamRequest,
} from './request.js';
import type { Tunnel } from './tunnel.js';

const NOTHING = new Uint8Array(0);
/** What is read of a stream at a time. Reading is over before anybody else can use it. */
const READ = new Uint8Array(MAX_REQUEST_BYTES);

/** Carries out one request: there is a class for each kind. It decides the request once, with `open` or `refuse` of the
 *  `IncomingRequest`. From `open` on it gets all events of the stream. */
export interface RequestService extends StreamHandler {
  start(): void;
  /** Stops whatever the service waits for. The request is decided: it was refused, or the peer gave up. May be called
   *  more than once. */
  cancel(): void;
}

export interface IncomingRequestOptions {
  readonly tunnel: Tunnel;
  readonly timers: Timers;
  /** Called once, when the request can be read. */
  readonly serve: (request: StreamRequest, incoming: IncomingRequest) => RequestService;
  /** Called once, when the request is opened, refused or given up. */
  readonly onDecided: () => void;
  /** @param request  undefined when it could not be read */
  readonly onRefused: (
    id: number,
    request: StreamRequest | undefined,
    status: RequestStatus,
    advice: string,
  ) => void;
}

/** Reads the request at the start of one stream and answers it with a status.
 *
 *  The acceptor creates it for each stream that the peer opens. Once the request is read, the service of its kind takes
 *  over, and gets the stream's events after it has opened the request. Until then the peer may give up at any time, and
 *  the service is cancelled. This class writes every status, exactly one for each stream, and never looks at the bytes
 *  after the request. */
export class IncomingRequest implements StreamHandler {
  readonly stream: Stream;
  readonly #options: IncomingRequestOptions;
  #received: Uint8Array = NOTHING;
  #request: StreamRequest | undefined;
  #service: RequestService | undefined;
  #timer: object | undefined;
  #isOpen = false;
  #isDecided = false;
  #isStopped = false;

  constructor(stream: Stream, options: IncomingRequestOptions) {
    this.stream = stream;
    this.#options = options;
  }

  start(): void {
    this.#readRequest();
    if (this.#request !== undefined || this.#isDecided) return;
    this.#timer = this.#options.timers.set(() => {
      this.#timer = undefined;
      this.refuse('malformed-request', `the request was not complete within ${REQUEST_TIMEOUT_MS / 1000} s`);
    }, REQUEST_TIMEOUT_MS);
  }

  // ---- what the service asks --------------------------------------------------------------------------------

  /** The bytes that arrived behind the request. Ask for them before `open`, which lets go of them. */
  get firstBytes(): Uint8Array {
    return this.#received;
  }
  /** Puts bytes before those that the peer sends. Call it before `open`. */
  prepend(bytes: Uint8Array): void {
    this.#received = concatenated(bytes, this.#received);
  }
  /** Whether the status is written, or the peer has given up. */
  get isDecided(): boolean {
    return this.#isDecided;
  }
  /** Whether the peer no longer reads our direction of the stream. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Answers that the request was carried out. The service gets the stream's events from now on. */
  open(): void {
    this.#decide();
    this.#isOpen = true;
    this.#received = NOTHING;
    this.stream.write(encodeStatus('opened'));
  }

  /** spec forwarding 2.6 */
  refuse(status: RequestStatus, advice: string): void {
    this.#service?.cancel();
    this.#decide();
    this.stream.write(encodeStatus(status));
    this.stream.finish();
    this.stream.stopSending(StreamErrorCode.refused);
    this.#options.onRefused(this.stream.id, this.#request, status, advice);
    this.#options.tunnel.wake();
  }

  // ---- the stream's events ----------------------------------------------------------------------------------

  onReadable(): void {
    if (this.#isOpen) this.#service?.onReadable?.();
    else if (!this.#isDecided && this.#request === undefined) this.#readRequest();
  }
  onWritable(): void {
    if (this.#isOpen) this.#service?.onWritable?.();
  }
  /** Until then, messages wait in the stream. */
  onDatagrams(): void {
    if (this.#isOpen) this.#service?.onDatagrams?.();
  }
  onStopped(code: number): void {
    this.#isStopped = true;
    if (this.#isOpen) this.#service?.onStopped?.(code);
  }
  onReset(code: number): void {
    if (this.#isOpen) this.#service?.onReset?.(code);
    else this.#abandon();
  }
  onClosed(): void {
    if (this.#isOpen) this.#service?.onClosed?.();
    else this.#abandon();
  }

  // ---- from request to status -------------------------------------------------------------------------------

  #readRequest(): void {
    for (;;) {
      const length = this.stream.readInto(READ);
      if (length === 0) {
        if (this.stream.readFinished) {
          this.refuse('malformed-request', 'the stream ended before the request was complete');
        }
        return;
      }
      this.#received = concatenated(this.#received, READ.subarray(0, length));
      const decoded = decodeRequest(this.#received);
      if (decoded.ok) {
        this.#received = this.#received.subarray(decoded.bytesRead);
        this.#serve(decoded.value);
        return;
      }
      if (decoded.reason === 'malformed' || this.#received.length >= MAX_REQUEST_BYTES) {
        this.refuse('malformed-request', 'the request could not be read');
        return;
      }
    }
  }

  #serve(request: StreamRequest): void {
    this.#clearTimer();
    this.#request = request;
    this.#service = this.#options.serve(request, this);
    this.#service.start();
  }

  /** Ends a request whose peer gave up first or is gone. */
  #abandon(): void {
    if (this.#isDecided) return;
    this.#service?.cancel();
    this.#decide();
    this.stream.reset(StreamErrorCode.cancelled);
    this.#options.tunnel.wake();
  }

  #decide(): void {
    this.#clearTimer();
    if (this.#isDecided) return;
    this.#isDecided = true;
    this.#options.onDecided();
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) this.#options.timers.clear(this.#timer);
    this.#timer = undefined;
  }
}

/** @returns a copy */
function concatenated(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
