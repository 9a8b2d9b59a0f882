/** Keeps one reverse forward at the relay (`-R`; spec reverse 2). */
import {
  decodeListenAnswer,
  decodeStatus,
  encodeRequest,
  isUnix,
  type RequestStatus,
  type ReverseForward,
  relayPlaceOf,
  type Tunnel,
} from '@underpass/forward';
import { type Stream, StreamErrorCode } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import { listenAdvice } from './advice.js';
import {
  MAX_LISTEN_RETRY_MS,
  MAX_UNWELCOME_MS,
  MIN_LISTEN_RETRY_MS,
  MIN_UNWELCOME_MS,
  UNWELCOME_ATTEMPT_MS,
  WELCOME_MS,
} from './client-constants.js';
import type { BoundForward, ClientEvent, DisconnectCause, VisitorService } from './client-options.js';
import type { Forwarding } from './forwarding.js';
import type { Listening } from './incoming-streams.js';

export interface ReverseForwardingOptions {
  readonly tunnel: Tunnel;
  /** Returns undefined while the relay permits no more streams, and when the client is closed. */
  readonly openStream: () => Stream | undefined;
  readonly hasContact: () => boolean;
  /** Looks for the relay, because the forward needs it. */
  readonly seek: () => void;
  readonly emit: (event: ClientEvent) => void;
  readonly incoming: {
    add(forward: Listening): void;
    delete(forward: Listening): void;
  };
  readonly timers: Timers;
  readonly now: () => number;
}

/** Asks the relay to listen, and asks again whenever that is over.
 *
 *  The request is one stream, and the relay listens for as long as the stream lives. When the stream is lost with its
 *  connection, the forward asks at once, so that it works again as soon as the relay is back; when the relay refuses,
 *  it asks at growing intervals, because a rule may be added and a port may become free. A relay that has removed this
 *  client, or given its place to another one with the same key, is asked rarely. The forward reports each change once.
 *  Visitors are not its business: `IncomingStreams` serves them. */
export class ReverseForwarding implements Forwarding, Listening {
  readonly spec: ReverseForward;
  readonly service: VisitorService | undefined;
  readonly #options: ReverseForwardingOptions;
  #stream: Stream | undefined;
  #answer: Uint8Array = new Uint8Array(0);
  #askedAt = Number.NEGATIVE_INFINITY;
  /** Where the relay listens, once it does. */
  #port: number | undefined;
  /** What was reported last. */
  #reported: RequestStatus | undefined;
  #retryMs = MIN_LISTEN_RETRY_MS;
  /** How long to wait after the relay has turned this client away; 0 while it has not. */
  #unwelcomeMs = 0;
  #timer: object | undefined;
  #isClosed = false;
  #wasLost = false;

  /** @param service  serves the visitors; undefined to connect them to the target */
  constructor(spec: ReverseForward, options: ReverseForwardingOptions, service?: VisitorService) {
    this.spec = spec;
    this.service = service;
    this.#options = options;
  }

  get streamId(): number | undefined {
    return this.#stream?.id;
  }

  get port(): number | undefined {
    return this.#port;
  }

  /** It does not wait for the relay: events report the answer. */
  async start(): Promise<BoundForward> {
    this.#options.incoming.add(this);
    this.#ask();
    const { spec } = this;
    const addresses = () => this.#addresses();
    const path = () => (this.#port !== undefined && isUnix(spec.place) ? spec.place.path : undefined);
    return {
      spec,
      get addresses() {
        return addresses();
      },
      get path() {
        return path();
      },
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#clearTimer();
    this.#options.incoming.delete(this);
    this.#stream?.finish();
    this.#options.tunnel.wake();
  }

  takeLoss(): boolean {
    const wasLost = this.#wasLost;
    this.#wasLost = false;
    return wasLost;
  }

  /** The relay was reached. */
  onContact(): void {
    this.#ask();
  }

  /** The connection ended; its streams have been reported as lost before. */
  onDisconnected(cause: DisconnectCause): void {
    if (cause !== 'removed' && cause !== 'superseded') return;
    this.#unwelcomeMs = Math.min(Math.max(2 * this.#unwelcomeMs, MIN_UNWELCOME_MS), MAX_UNWELCOME_MS);
    this.#giveUp();
    this.#askIn(this.#unwelcomeMs);
  }

  #addresses(): BoundForward['addresses'] {
    const { bind } = relayPlaceOf(this.spec.place);
    return this.#port === undefined || isUnix(this.spec.place) ? [] : [{ address: bind, port: this.#port }];
  }

  // ---- asking -----------------------------------------------------------------------------------------------

  #ask(): void {
    this.#clearTimer();
    if (this.#isClosed || this.#stream !== undefined) return;
    const { tunnel, openStream, hasContact, seek, now } = this.#options;
    const stream = openStream();
    if (stream === undefined) {
      this.#askLater();
      return;
    }
    this.#stream = stream;
    this.#answer = new Uint8Array(0);
    this.#askedAt = now();
    stream.write(encodeRequest({ kind: 'listen', ...relayPlaceOf(this.spec.place) }));
    tunnel.attach(stream, {
      onReadable: () => this.#onReadable(stream),
      onReset: (code) => this.#onReset(stream, code),
      onClosed: () => this.#onLost(stream),
    });
    if (!hasContact()) seek();
    // A relay that turned us away may never answer, and each attempt shows in its log.
    if (this.#unwelcomeMs > 0 && !hasContact()) {
      this.#timer = this.#options.timers.set(() => {
        this.#timer = undefined;
        if (hasContact()) return;
        this.#unwelcomeMs = Math.min(2 * this.#unwelcomeMs, MAX_UNWELCOME_MS);
        this.#giveUp();
        this.#askIn(this.#unwelcomeMs);
      }, UNWELCOME_ATTEMPT_MS);
    }
    tunnel.wake();
  }

  #askIn(delayMs: number): void {
    this.#clearTimer();
    if (this.#isClosed) return;
    this.#timer = this.#options.timers.set(() => {
      this.#timer = undefined;
      this.#ask();
    }, delayMs);
  }

  #askLater(): void {
    this.#askIn(this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, MAX_LISTEN_RETRY_MS);
  }

  #giveUp(): void {
    const stream = this.#stream;
    this.#forgetListener();
    stream?.reset(StreamErrorCode.cancelled);
    stream?.stopSending(StreamErrorCode.cancelled);
  }

  #forgetListener(): void {
    const isWelcome = this.#port !== undefined && this.#options.now() - this.#askedAt >= WELCOME_MS;
    if (isWelcome) this.#unwelcomeMs = 0;
    this.#stream = undefined;
    this.#port = undefined;
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) this.#options.timers.clear(this.#timer);
    this.#timer = undefined;
  }

  // ---- the answer -------------------------------------------------------------------------------------------

  #onReadable(stream: Stream): void {
    for (let chunk = stream.read(); chunk !== undefined; chunk = stream.read()) {
      // The relay has nothing to say after the port: whatever else it sends is not kept.
      if (this.#port === undefined) this.#answer = Buffer.concat([this.#answer, chunk.subarray(0, 3)]);
    }
    if (stream !== this.#stream) return;
    const status = decodeStatus(this.#answer);
    if (status.ok && status.value !== 'opened') this.#onRefused(stream, status.value);
    else if (status.ok && this.#port === undefined)
      this.#onPort(decodeListenAnswer(this.#answer.subarray(1)));
    if (stream === this.#stream && stream.readFinished) this.#onRefused(stream, 'internal-error');
  }

  #onPort(port: number | undefined): void {
    if (port === undefined) return;
    this.#port = port;
    this.#retryMs = MIN_LISTEN_RETRY_MS;
    this.#reported = 'opened';
    const { spec } = this;
    this.#options.emit({
      type: 'reverse-listening',
      forward: spec.text,
      place: { ...relayPlaceOf(spec.place), port },
      target: spec.target,
    });
  }

  /** The relay refused, or has ended the listener. */
  #onRefused(stream: Stream, status: RequestStatus): void {
    if (stream !== this.#stream) return;
    const wasListening = this.#port !== undefined;
    this.#giveUp();
    const retryMs = this.#retryMs;
    this.#askLater();
    this.#options.tunnel.wake();
    if (this.#reported === status) return;
    this.#reported = status;
    const place = relayPlaceOf(this.spec.place);
    const advice = listenAdvice(place, status, wasListening);
    this.#options.emit({ type: 'reverse-refused', forward: this.spec.text, place, status, advice, retryMs });
  }

  #onReset(stream: Stream, code: number): void {
    if (code === StreamErrorCode.connectionLost) this.#onLost(stream);
    else this.#onRefused(stream, this.#port === undefined ? 'internal-error' : 'not-allowed');
  }

  /** The connection to the relay has ended, so nobody listens. */
  #onLost(stream: Stream): void {
    if (stream !== this.#stream) return;
    this.#wasLost = true;
    this.#forgetListener();
    // Ask at once, unless the connections end as fast as they begin.
    if (this.#options.now() - this.#askedAt >= MIN_LISTEN_RETRY_MS) this.#askIn(0);
    else this.#askLater();
  }
}
