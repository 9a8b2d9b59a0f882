/** What the peer may send, on each stream and over all of them (spec streams 5.1 to 5.3): every byte that arrives, is read or will never be
 *  read is counted here, once for the connection and once for the stream's share, and new limits are asked for.
 *
 *  `ReceiveHalf` sizes the window of one stream, `WindowShares` says what the others leave it, `ConnectionCredit` counts all. */
import { OPENING_BYTES } from '../limits.js';
import type { ConnectionCredit } from './connection-credit.js';
import { type FrameRequests, StreamControl } from './frame-requests.js';
import type { ConnectionStream } from './stream.js';
import { type WindowLimits, WindowShares } from './window-shares.js';

export class ReceiveWindows {
  readonly #credit: ConnectionCredit;
  readonly #shares: WindowShares;
  readonly #requests: FrameRequests;
  /** Streams that were read, and whose window was not looked at since. */
  readonly #read = new Set<ConnectionStream>();

  constructor(limits: WindowLimits, credit: ConnectionCredit, requests: FrameRequests) {
    this.#credit = credit;
    this.#shares = new WindowShares(limits);
    this.#requests = requests;
  }

  /** Whether the connection's limit permits a stream to reach `end`. */
  permits({ receiving }: ConnectionStream, end: number): boolean {
    return this.#credit.permits(Math.max(0, end - receiving.largest));
  }

  /** Bytes arrived. @param before the greatest offset of the stream until then */
  onArrived(stream: ConnectionStream, before: number): void {
    const { receiving } = stream;
    const { largest } = receiving;
    this.#credit.receive(largest - before);
    if (receiving.stopCode !== undefined) this.#credit.consume(largest - before);
    if (before < OPENING_BYTES && largest >= OPENING_BYTES) this.widen(stream);
    else this.#shares.update(receiving);
  }

  read(stream: ConnectionStream): Uint8Array | undefined {
    const bytes = stream.receiving.read();
    this.#shares.update(stream.receiving);
    if (bytes === undefined) return undefined;
    this.#credit.consume(bytes.length);
    this.#read.add(stream);
    return bytes;
  }

  /** Gives credit for what was read since the last call (spec streams 5.2). */
  replenish(now: number, roundTripMs: number): void {
    for (const stream of this.#read) {
      const { receiving } = stream;
      const { limit } = receiving;
      receiving.replenish(now, roundTripMs, this.#shares.readWindowBytes(receiving.buffer.readOffset));
      this.#noteLimit(stream, limit);
    }
    this.#read.clear();
  }

  /** The stream has come to use: it may have more than the first window, before anybody has read (spec streams 5.3). */
  widen(stream: ConnectionStream): void {
    const { limit } = stream.receiving;
    stream.receiving.widen(this.#shares.openingWindowBytes);
    this.#noteLimit(stream, limit);
  }

  /** Nobody wants the rest. @param unreadBytes that are there */
  onStopped(stream: ConnectionStream, unreadBytes: number): void {
    this.#credit.consume(unreadBytes);
    this.#shares.update(stream.receiving);
    this.#requests.withdrawControl(stream, StreamControl.maxStreamData);
  }

  /** The peer gave up the rest. @param before the greatest offset of the stream until then */
  onReset({ receiving }: ConnectionStream, before: number, wasStopped: boolean): void {
    this.#credit.receive(receiving.largest - before);
    // spec streams 4.4: what will never be read is given back to the connection
    this.#credit.consume(receiving.largest - (wasStopped ? before : receiving.buffer.readOffset));
    receiving.tell();
    this.#shares.update(receiving);
  }

  #noteLimit(stream: ConnectionStream, before: number): void {
    this.#shares.update(stream.receiving);
    if (stream.receiving.limit > before) {
      this.#requests.requestControl(stream, StreamControl.maxStreamData);
    }
  }
}
