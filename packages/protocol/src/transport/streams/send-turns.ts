import type { ConnectionStream } from './stream.js';

/** Decides whose turn it is to send: the streams that have a STREAM frame to send take turns (spec streams 5.9).
 *
 *  A turn ends when the stream has sent `turnBytes`, or has nothing left to send. Streams that go on sending stand in a
 *  queue. A stream that gets something to send joins the queue at its end, or goes before it: if it has not sent
 *  anything while the queue went round once, or if bytes of it were lost, because somebody is waiting for these already.
 *  Only turns of the queue count as going round, so streams that go before it can't keep it from moving.
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
  /** Go before the queue. */
  #first: ConnectionStream[] = [];
  #queue: ConnectionStream[] = [];
  /** How many turns of the queue have ended. */
  #turns = 0;
  readonly #streams: Iterable<ConnectionStream>;
  readonly #newBytesCredit: () => number;
  readonly #turnBytes: () => number;

  /** @param streams all open streams
   *  @param newBytesCredit returns how many new bytes may be sent now, over all streams
   *  @param turnBytes returns how many bytes a stream may send in one turn; it always sends one frame */
  constructor(streams: Iterable<ConnectionStream>, newBytesCredit: () => number, turnBytes: () => number) {
    this.#streams = streams;
    this.#newBytesCredit = newBytesCredit;
    this.#turnBytes = turnBytes;
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

  /** Gives the stream a place, if it has a frame to send and has none yet. */
  join(stream: ConnectionStream): void {
    if (stream.isQueued || !this.#hasFrame(stream)) return;
    stream.isQueued = true;
    const hasWaitedARound = this.#turns - stream.sentAtTurn >= this.#queue.length;
    (hasWaitedARound ? this.#first : this.#queue).push(stream);
  }

  /** Puts the stream before all others, if it has a frame to send and has no place yet. */
  joinFirst(stream: ConnectionStream): void {
    if (stream.isQueued || !this.#hasFrame(stream)) return;
    stream.isQueued = true;
    this.#first.unshift(stream);
  }

  /** Returns the stream whose turn it is, if there is one. */
  next(): ConnectionStream | undefined {
    if (this.#mustLookAgain) {
      this.#mustLookAgain = false;
      for (const stream of this.#streams) this.join(stream);
    }
    return this.#nextOf(this.#first) ?? this.#nextOf(this.#queue);
  }

  /** The stream that `next` has returned has sent a frame. If its turn is over, it moves to the end of the queue. */
  onSent(stream: ConnectionStream, bytes: number): void {
    stream.turnBytes += bytes;
    if (stream.turnBytes < this.#turnBytes()) return;
    this.#endTurn(this.#first[0] === stream ? this.#first : this.#queue);
    this.#queue.push(stream);
  }

  #nextOf(waiting: ConnectionStream[]): ConnectionStream | undefined {
    while (waiting.length > 0) {
      const stream = waiting[0] as ConnectionStream;
      if (!stream.isClosed && this.#hasFrame(stream)) return stream;
      this.#endTurn(waiting);
      stream.isQueued = false;
    }
    return undefined;
  }

  /** The first one of `waiting` leaves it. */
  #endTurn(waiting: ConnectionStream[]): void {
    const stream = waiting.shift() as ConnectionStream;
    if (waiting === this.#queue) this.#turns++;
    stream.turnBytes = 0;
    stream.sentAtTurn = this.#turns;
  }

  #hasFrame(stream: ConnectionStream): boolean {
    return stream.sending.hasFrame(this.#newBytesCredit()) && !(this.#isHoldingNew && stream.isUnsent);
  }
}
