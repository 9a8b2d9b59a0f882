/** What has to be sent, except bytes of streams and acknowledgements.
 *
 *  Whoever finds that a frame is due asks for it here, a loss asks again, and the packet builder drains: a request stands
 *  until its frame is written, so one for which a packet had no room goes out with the next. Only that a frame is due is kept; its values
 *  are read when it is written and are the newest (spec streams 2). */
import { copyBytes } from '../copy-bytes.js';
import { MAX_PATH_RESPONSES } from './limits.js';
import type { FrameRequests, StreamControl } from './streams/frame-requests.js';
import type { ConnectionStream } from './streams/stream.js';

export class PendingFrames implements FrameRequests {
  // Frames that go out whatever the window says.
  /** HELLO, although this keypair's is confirmed or in flight (spec streams 3.3). */
  hello = false;
  /** Anything that is acknowledged (spec outage 3). */
  ping = false;
  /** PATH_CHALLENGE with these 8 bytes, in a datagram as large as permitted (spec path 3). */
  challenge: Uint8Array | undefined;

  // Frames that wait for the window.
  maxData = false;
  maxStreams = false;
  readonly #responses: Uint8Array[] = [];
  /** Which frames of a stream are due, as bits of `StreamControl`; never 0. */
  readonly #control = new Map<ConnectionStream, number>();

  /** A packet goes out for these alone, whatever the window says. */
  get isUrgent(): boolean {
    return this.hello || this.ping || this.challenge !== undefined;
  }
  /** A packet goes out for these when the window permits it. */
  get isWaiting(): boolean {
    return this.maxData || this.maxStreams || this.#control.size > 0 || this.#responses.length > 0;
  }

  requestMaxData(): void {
    this.maxData = true;
  }
  requestMaxStreams(): void {
    this.maxStreams = true;
  }

  // ---- answers to PATH_CHALLENGE ----------------------------------------------------------------------------

  /** PATH_RESPONSE with these 8 bytes, which are copied; of too many the oldest is dropped (spec streams 2.4). */
  respond(data: Uint8Array): void {
    this.#responses.push(copyBytes(data));
    if (this.#responses.length > MAX_PATH_RESPONSES) this.#responses.shift();
  }
  /** The bytes of the PATH_RESPONSE that goes out next. */
  get nextResponse(): Uint8Array | undefined {
    return this.#responses[0];
  }
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
  /** Streams of which a frame is due, in the order in which they asked. */
  streamsWithControl(): IterableIterator<ConnectionStream> {
    return this.#control.keys();
  }
  isControlDue(stream: ConnectionStream, frame: StreamControl): boolean {
    return ((this.#control.get(stream) ?? 0) & frame) !== 0;
  }
}
