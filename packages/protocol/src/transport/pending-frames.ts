import { copyBytes } from '../copy-bytes.js';
import { TurnoverMap } from '../turnover.js';
import { MAX_PATH_RESPONSES } from './limits.js';
import type { FrameRequests, StreamControl } from './streams/frame-requests.js';
import type { ConnectionStream } from './streams/stream.js';

/** Which frames have to be sent, apart from STREAM and ACK frames.
 *
 *  A part that finds that a frame is due requests it here. The packet builder writes it and clears the request, so a
 *  frame that does not fit into one packet goes into the next. If the packet is lost, the frame is requested again.
 *  Only the request is stored: the values in a frame are read when it is written, and so are always the newest
 *  (spec streams 2). The exceptions are the bytes of PATH_CHALLENGE and PATH_RESPONSE, which are kept here. */
export class PendingFrames implements FrameRequests {
  // ---- frames that are not subject to the congestion window -------------------------------------------------

  #hello = false;
  #ping = false;
  #challenge: Uint8Array | undefined;

  // ---- frames that are subject to the congestion window -----------------------------------------------------

  #maxData = false;
  #maxStreams = false;
  readonly #responses: Uint8Array[] = [];
  /** Which frames of each stream are due, as bits of `StreamControl`; never 0. */
  readonly #control = new TurnoverMap<ConnectionStream, number>();

  /** Whether there is a frame for which a packet is sent even if the congestion window is full. */
  get isUrgent(): boolean {
    return this.#hello || this.#ping || this.#challenge !== undefined;
  }
  /** Whether there is a frame for which a packet is sent once the congestion window permits it. */
  get isWaiting(): boolean {
    return this.#maxData || this.#maxStreams || this.#control.size > 0 || this.#responses.length > 0;
  }

  // ---- signs of life, and the peer's proof of its address ---------------------------------------------------

  /** HELLO, even if one was acknowledged or is in flight under this keypair (spec streams 3.3). */
  get hello(): boolean {
    return this.#hello;
  }
  requestHello(): void {
    this.#hello = true;
  }
  helloSent(): void {
    this.#hello = false;
  }

  /** PING, or any other ack-eliciting frame (spec outage 3). */
  get ping(): boolean {
    return this.#ping;
  }
  requestPing(): void {
    this.#ping = true;
  }
  /** An ack-eliciting frame was sent. */
  pingSent(): void {
    this.#ping = false;
  }

  /** PATH_CHALLENGE with these 8 bytes, in a datagram as large as is permitted (spec path 3). */
  get challenge(): Uint8Array | undefined {
    return this.#challenge;
  }
  requestChallenge(data: Uint8Array): void {
    this.#challenge = data;
  }
  /** The challenge was sent, or its trial is over. */
  endChallenge(): void {
    this.#challenge = undefined;
  }

  // ---- the connection's limits ------------------------------------------------------------------------------

  get maxData(): boolean {
    return this.#maxData;
  }
  requestMaxData(): void {
    this.#maxData = true;
  }
  maxDataSent(): void {
    this.#maxData = false;
  }

  get maxStreams(): boolean {
    return this.#maxStreams;
  }
  requestMaxStreams(): void {
    this.#maxStreams = true;
  }
  maxStreamsSent(): void {
    this.#maxStreams = false;
  }

  // ---- answers to PATH_CHALLENGE ----------------------------------------------------------------------------

  /** Requests PATH_RESPONSE with these 8 bytes, which are copied. If too many wait, the oldest is dropped
   *  (spec streams 2.4). */
  respond(data: Uint8Array): void {
    this.#responses.push(copyBytes(data));
    if (this.#responses.length > MAX_PATH_RESPONSES) this.#responses.shift();
  }
  /** The bytes of the next PATH_RESPONSE to send, if there is one. */
  get nextResponse(): Uint8Array | undefined {
    return this.#responses[0];
  }
  /** `nextResponse` was written. */
  responseSent(): void {
    this.#responses.shift();
  }

  // ---- frames of one stream ---------------------------------------------------------------------------------

  requestControl(stream: ConnectionStream, frame: StreamControl): void {
    this.#control.set(stream, (this.#control.get(stream) ?? 0) | frame);
  }
  withdrawControl(stream: ConnectionStream, frame: StreamControl): void {
    const frames = this.#control.get(stream);
    if (frames === undefined) return;
    if (frames === frame) this.#control.delete(stream);
    else this.#control.set(stream, frames & ~frame);
  }
  withdrawStream(stream: ConnectionStream): void {
    this.#control.delete(stream);
  }
  /** The streams with a frame that is due, in the order of their first requests. */
  streamsWithControl(): IterableIterator<ConnectionStream> {
    return this.#control.keys();
  }
  /** Whether this frame of this stream is due. */
  isControlDue(stream: ConnectionStream, frame: StreamControl): boolean {
    return ((this.#control.get(stream) ?? 0) & frame) !== 0;
  }
}
