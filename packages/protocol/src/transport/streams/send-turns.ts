import type { ConnectionStream } from './stream.js';

/** Decides whose turn it is to send: the streams that have a STREAM frame to send form a queue, and send one frame each
 *  in turn.
 *
 *  A stream joins the queue at its end when it gets something to send. It joins at the front when bytes of it were
 *  lost, because somebody is waiting for these already. It leaves when its turn comes and it may send nothing.
 *
 *  Some conditions hold back many streams at once: the connection's credit, the limit on pieces, a hold on new streams.
 *  When one of them ends, it would be costly to find the streams that it held back. `lookAgain` instead makes the next
 *  turn look at all streams.
 *
 *  SendScheduler owns this object. It holds only the queue, and never writes a frame. */
export class SendTurns {
  /** Whether streams of which nothing was sent yet must wait (spec streams 3.8). */
  #isHoldingNew = false;
  #mustLookAgain = false;
  #queue: ConnectionStream[] = [];
  readonly #streams: Iterable<ConnectionStream>;
  readonly #newBytesCredit: () => number;

  /** @param streams all open streams
   *  @param newBytesCredit returns how many new bytes may be sent now, over all streams */
  constructor(streams: Iterable<ConnectionStream>, newBytesCredit: () => number) {
    this.#streams = streams;
    this.#newBytesCredit = newBytesCredit;
  }

  get isHoldingNew(): boolean {
    return this.#isHoldingNew;
  }
  set isHoldingNew(isHolding: boolean) {
    if (this.#isHoldingNew && !isHolding) this.#mustLookAgain = true;
    this.#isHoldingNew = isHolding;
  }

  /** Makes the next turn look at all streams. */
  lookAgain(): void {
    this.#mustLookAgain = true;
  }

  /** Puts the stream at the end of the queue, if it has a frame to send and is not in the queue. */
  join(stream: ConnectionStream): void {
    if (stream.isQueued || !this.#hasFrame(stream)) return;
    stream.isQueued = true;
    this.#queue.push(stream);
  }

  /** Puts the stream at the front of the queue, if it has a frame to send and is not in the queue. */
  joinFirst(stream: ConnectionStream): void {
    if (stream.isQueued || !this.#hasFrame(stream)) return;
    stream.isQueued = true;
    this.#queue.unshift(stream);
  }

  /** Returns the stream whose turn it is, if there is one. */
  next(): ConnectionStream | undefined {
    if (this.#mustLookAgain) {
      this.#mustLookAgain = false;
      for (const stream of this.#streams) this.join(stream);
    }
    while (this.#queue.length > 0) {
      const stream = this.#queue[0] as ConnectionStream;
      if (!stream.isClosed && this.#hasFrame(stream)) return stream;
      this.#queue.shift();
      stream.isQueued = false;
    }
    return undefined;
  }

  /** The first stream of the queue has had its turn: moves it to the end. */
  rotate(): void {
    const stream = this.#queue.shift();
    if (stream !== undefined) this.#queue.push(stream);
  }

  #hasFrame(stream: ConnectionStream): boolean {
    return stream.sending.hasFrame(this.#newBytesCredit()) && !(this.#isHoldingNew && stream.isUnsent);
  }
}
