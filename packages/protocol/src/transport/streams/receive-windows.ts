import { TurnoverSet } from '../../turnover.js';
import { INITIAL_MAX_STREAM_DATA_BYTES, OPENING_BYTES } from '../limits.js';
import type { BlockPool } from './block-pool.js';
import type { ConnectionCredit } from './connection-credit.js';
import { type FrameRequests, StreamControl } from './frame-requests.js';
import { ReceiveHalf } from './receive-half.js';
import type { ConnectionStream } from './stream.js';
import { type WindowLimits, WindowShares } from './window-shares.js';

/** Decides how much the peer may send, on each stream and over all of them (spec streams 5.1 to 5.3).
 *
 *  Every byte that arrives, is read, or will never be read is reported here, and counted once for the connection and
 *  once for the share of its stream. When a limit rises, its frame is requested. ReceiveHalf decides what window one
 *  stream needs, WindowShares what the others leave it, and ConnectionCredit counts all bytes; this class joins them.
 *  StreamSet owns it. */
export class ReceiveWindows {
  readonly #credit: ConnectionCredit;
  readonly #shares: WindowShares;
  readonly #requests: FrameRequests;
  readonly #blocks: BlockPool;
  /** Streams that were read since the last `replenish`. */
  readonly #read = new TurnoverSet<ConnectionStream>();

  /** @param blocks where the blocks of receive buffers come from */
  constructor(limits: WindowLimits, blocks: BlockPool, credit: ConnectionCredit, requests: FrameRequests) {
    this.#blocks = blocks;
    this.#credit = credit;
    this.#shares = new WindowShares(limits);
    this.#requests = requests;
  }

  /** Makes the receiving half of a new stream. */
  newHalf(): ReceiveHalf {
    return new ReceiveHalf(INITIAL_MAX_STREAM_DATA_BYTES, this.#blocks);
  }

  /** Whether the connection's limit permits the highest offset of a stream to become `end`. */
  permits({ receiving }: ConnectionStream, end: number): boolean {
    return this.#credit.permits(Math.max(0, end - receiving.largest));
  }

  /** Bytes have arrived.
   *  @param before the highest offset of the stream until then */
  onArrived(stream: ConnectionStream, before: number): void {
    const { receiving } = stream;
    const { largest } = receiving;
    this.#credit.receive(largest - before);
    if (receiving.stopCode !== undefined) this.#credit.consume(largest - before);
    if (before < OPENING_BYTES && largest >= OPENING_BYTES) this.widen(stream);
    else this.#shares.update(receiving);
  }

  /** Takes the next bytes of a stream, and counts them as read. */
  read(stream: ConnectionStream): Uint8Array | undefined {
    const bytes = stream.receiving.read();
    this.#onRead(stream, bytes?.length ?? 0);
    return bytes;
  }

  /** Copies the next bytes of a stream to `target`, and counts them as read. @returns how many */
  readInto(stream: ConnectionStream, target: Uint8Array): number {
    const length = stream.receiving.readInto(target);
    this.#onRead(stream, length);
    return length;
  }

  /** Gives the peer credit for what was read since the last call (spec streams 5.2). */
  replenish(now: number, roundTripMs: number): void {
    // It is called for each packet that is sent.
    if (this.#read.size === 0) return;
    for (const stream of this.#read) {
      const { receiving } = stream;
      const { limit } = receiving;
      receiving.replenish(now, roundTripMs, this.#shares.readWindowBytes(receiving.buffer.readOffset));
      this.#noteLimit(stream, limit);
    }
    this.#read.clear();
  }

  /** Gives a stream its opening window, because it is in use, even if nothing of it was read (spec streams 5.3). */
  widen(stream: ConnectionStream): void {
    const { limit } = stream.receiving;
    stream.receiving.widen(this.#shares.openingWindowBytes);
    this.#noteLimit(stream, limit);
  }

  /** The reader has stopped.
   *  @param unreadBytes how many bytes have arrived and will not be read */
  onStopped(stream: ConnectionStream, unreadBytes: number): void {
    this.#credit.consume(unreadBytes);
    this.#shares.update(stream.receiving);
    this.#requests.withdrawControl(stream, StreamControl.maxStreamData);
  }

  /** The peer has reset its direction.
   *  @param before the highest offset of the stream until then
   *  @param wasStopped whether the reader had stopped before */
  onReset({ receiving }: ConnectionStream, before: number, wasStopped: boolean): void {
    this.#credit.receive(receiving.largest - before);
    // Bytes that will never be read are given back to the connection (spec streams 4.4).
    this.#credit.consume(receiving.largest - (wasStopped ? before : receiving.buffer.readOffset));
    receiving.acknowledgeReset();
    this.#shares.update(receiving);
  }

  #onRead(stream: ConnectionStream, bytes: number): void {
    this.#shares.update(stream.receiving);
    if (bytes === 0) return;
    this.#credit.consume(bytes);
    this.#read.add(stream);
  }

  /** Updates the share of a stream, and requests MAX_STREAM_DATA if its limit has risen. */
  #noteLimit(stream: ConnectionStream, before: number): void {
    this.#shares.update(stream.receiving);
    if (stream.receiving.limit > before) {
      this.#requests.requestControl(stream, StreamControl.maxStreamData);
    }
  }
}
