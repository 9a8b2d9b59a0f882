/** Whose turn it is to send: the streams with a frame to send, one frame each, in turn.
 *
 *  A stream joins at the end when it gets something to send, and at the front when bytes of it were lost, because somebody waits for those
 *  already. It leaves when its turn comes and nothing of it may go out. What held back many streams at once (the connection's credit, the
 *  limit on pieces, a hold on new streams) is not looked up for each of them: when it ends, `lookAgain` makes the next turn look at all. */
import type { ConnectionStream } from './stream.js';

export class SendTurns {
  /** While it is set, streams of which nothing was sent yet stay unsent (spec streams 3.8). */
  #isHoldingNew = false;
  #mustLookAgain = false;
  #queue: ConnectionStream[] = [];
  readonly #streams: Iterable<ConnectionStream>;
  readonly #newBytesCredit: () => number;

  /** @param streams all of them
   *  @param newBytesCredit new bytes that may go out now, over all streams */
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

  lookAgain(): void {
    this.#mustLookAgain = true;
  }

  join(stream: ConnectionStream): void {
    if (stream.isQueued || !this.#hasFrame(stream)) return;
    stream.isQueued = true;
    this.#queue.push(stream);
  }

  joinFirst(stream: ConnectionStream): void {
    if (stream.isQueued || !this.#hasFrame(stream)) return;
    stream.isQueued = true;
    this.#queue.unshift(stream);
  }

  /** The stream whose turn it is, or undefined. */
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

  /** The stream at the head had its turn. */
  rotate(): void {
    const stream = this.#queue.shift();
    if (stream !== undefined) this.#queue.push(stream);
  }

  #hasFrame(stream: ConnectionStream): boolean {
    return stream.sending.hasFrame(this.#newBytesCredit()) && !(this.#isHoldingNew && stream.isUnsent);
  }
}
