import { copyBytes } from '../../copy-bytes.js';
import { TurnoverMap } from '../../turnover.js';
import {
  DATAGRAM_HEADROOM_BYTES,
  DATAGRAM_RECEIVE_QUEUE_BYTES,
  DATAGRAM_SEND_QUEUE_BYTES,
  MAX_DATAGRAM_WAIT_MS,
  MAX_DATAGRAMS_PER_PACKET,
} from '../limits.js';
import type { FrameReader } from '../wire/frame-reader.js';
import { datagramHeaderLength, writeDatagramHeader } from '../wire/frames.js';
import type { CountsOfDatagrams } from './datagram-counts.js';
import { DatagramQueue, type SharedMemory } from './datagram-queue.js';

/** What became of a message that the application sends. */
export type DatagramOutcome =
  /** It waits for its turn. Older messages of the flow may have been dropped for it. */
  | 'queued'
  /** It is larger than the path carries. */
  | 'too-large'
  /** Other flows use the memory. */
  | 'queue-full'
  /** The stream has ended, or we have ended our direction of it. */
  | 'ended';

/** What FlowDatagrams needs to know of a stream. */
export interface FlowStream {
  readonly id: number;
  readonly incoming: boolean;
  /** Whether nothing of it was ever put into a packet. */
  readonly isUnsent: boolean;
}

export interface FlowDatagramsOptions {
  /** Returns the size of a full datagram of the path. */
  readonly fullDatagramBytes: () => number;
  /** The peer's counts, which outlive the connection. */
  readonly datagramCounts: CountsOfDatagrams;
  /** Is called when a command may have given the connection something to send. */
  readonly onCommand: () => void;
}

interface Flow {
  readonly toSend: DatagramQueue;
  readonly received: DatagramQueue;
}

/** The messages of all flows of a connection that wait to be sent or to be read (spec datagrams).
 *
 *  A flow is a stream with messages, and it begins with the first of them. StreamSet owns this object and reports when a
 *  stream is sent for the first time and when it ends. The packet builder takes what is to be sent; the flows take turns,
 *  one message each. Nothing here is sent again, and nothing waits for longer than a second: what is too old is dropped
 *  when its turn comes, so no timer is needed. */
export class FlowDatagrams {
  readonly counts: CountsOfDatagrams;
  /** A DATAGRAM frame of the peer has arrived, so it knows them (spec datagrams 1.2). */
  isKnownToPeer = false;
  readonly #fullDatagramBytes: () => number;
  readonly #onCommand: () => void;
  readonly #flows = new TurnoverMap<FlowStream, Flow>();
  /** The flows with something to send now, in the order of their turns. */
  readonly #turns = new Set<FlowStream>();
  readonly #sendMemory: SharedMemory = { limitBytes: DATAGRAM_SEND_QUEUE_BYTES, usedBytes: 0 };
  readonly #receiveMemory: SharedMemory = { limitBytes: DATAGRAM_RECEIVE_QUEUE_BYTES, usedBytes: 0 };

  constructor(options: FlowDatagramsOptions) {
    this.#fullDatagramBytes = options.fullDatagramBytes;
    this.#onCommand = options.onCommand;
    this.counts = options.datagramCounts;
  }

  /** The size of the largest message now (spec datagrams 2.2). */
  get maxBytes(): number {
    return this.#fullDatagramBytes() - DATAGRAM_HEADROOM_BYTES;
  }
  /** How much memory all queues take. */
  get queuedBytes(): number {
    return this.#sendMemory.usedBytes + this.#receiveMemory.usedBytes;
  }

  // ---- the application --------------------------------------------------------------------------------------

  /** Queues a message. */
  send(stream: FlowStream, now: number, message: Uint8Array): DatagramOutcome {
    const { counts } = this;
    if (message.length > this.maxBytes) {
      counts.tooLarge++;
      return 'too-large';
    }
    const { toSend } = this.#flowOf(stream);
    // The newest messages are worth the most (spec datagrams 3.1).
    while (!toSend.hasRoomFor(message.length) && toSend.shift() !== undefined) counts.sendQueueFull++;
    if (!toSend.hasRoomFor(message.length)) {
      counts.sendQueueFull++;
      return 'queue-full';
    }
    toSend.push(message, now);
    if (stream.incoming || !stream.isUnsent) this.#turns.add(stream);
    this.#onCommand();
    return 'queued';
  }

  /** Takes the next message that has arrived. */
  read(stream: FlowStream): Uint8Array | undefined {
    const message = this.#flows.get(stream)?.received.shift();
    if (message !== undefined) this.counts.received++;
    return message;
  }

  // ---- streams ----------------------------------------------------------------------------------------------

  /** The first bytes of the stream are in a packet, so messages may follow (spec datagrams 1.2). */
  onFirstSent(stream: FlowStream): void {
    if (this.#flows.has(stream)) this.#turns.add(stream);
  }

  /** The stream has ended, or leaves the connection. */
  forget(stream: FlowStream): void {
    const flow = this.#flows.get(stream);
    if (flow === undefined) return;
    this.counts.expired += flow.toSend.clear();
    flow.received.clear();
    this.#flows.delete(stream);
    this.#turns.delete(stream);
  }

  // ---- frames -----------------------------------------------------------------------------------------------

  /** A DATAGRAM frame arrived. @param stream undefined if it is not open */
  onFrame(stream: FlowStream | undefined, frame: FrameReader): void {
    this.isKnownToPeer = true;
    const { bytes, dataStart, dataLength } = frame;
    if (stream === undefined) {
      this.counts.withoutFlow++;
      return;
    }
    const { received } = this.#flowOf(stream);
    if (!received.hasRoomFor(dataLength)) this.counts.receiveQueueFull++;
    else received.push(copyBytes(bytes.subarray(dataStart, dataStart + dataLength)), 0);
  }

  /** Whether there may be a message to send. */
  get isWaiting(): boolean {
    return this.#turns.size > 0;
  }

  /** Writes DATAGRAM frames until no more fit. Messages that are too old are dropped on the way.
   *  @param isBare whether the packet is as large as the path permits, and has nothing but HELLO. What does not fit then
   *    will not fit into any packet of this path (spec datagrams 2.2)
   *  @returns the position after them */
  writeFrames(now: number, bytes: Uint8Array, position: number, room: number, isBare: boolean): number {
    let at = position;
    for (let count = 0; count < MAX_DATAGRAMS_PER_PACKET; ) {
      const stream = this.#next(now);
      if (stream === undefined) break;
      const { toSend } = this.#flows.get(stream) as Flow;
      const message = toSend.oldest as Uint8Array;
      const length = datagramHeaderLength(stream.id, message.length) + message.length;
      const fits = length <= position + room - at;
      if (!fits && !(isBare && at === position)) break;
      toSend.shift();
      this.#rotate(stream, toSend);
      if (!fits) {
        this.counts.tooLarge++;
        continue;
      }
      at = writeDatagramHeader(bytes, at, stream.id, message.length);
      bytes.set(message, at);
      at += message.length;
      this.counts.sent++;
      count++;
    }
    return at;
  }

  // ---- inside -----------------------------------------------------------------------------------------------

  #flowOf(stream: FlowStream): Flow {
    let flow = this.#flows.get(stream);
    if (flow === undefined) {
      flow = {
        toSend: new DatagramQueue(this.#sendMemory),
        received: new DatagramQueue(this.#receiveMemory),
      };
      this.#flows.set(stream, flow);
    }
    return flow;
  }

  /** The flow whose turn it is. Its oldest message is not too old. */
  #next(now: number): FlowStream | undefined {
    for (const stream of this.#turns) {
      const { toSend } = this.#flows.get(stream) as Flow;
      while (toSend.length > 0 && now - toSend.oldestAt >= MAX_DATAGRAM_WAIT_MS) {
        toSend.shift();
        this.counts.expired++;
      }
      if (toSend.length > 0) return stream;
      this.#turns.delete(stream);
    }
    return undefined;
  }

  /** The flow has had its turn. */
  #rotate(stream: FlowStream, toSend: DatagramQueue): void {
    if (this.#turns.size === 1 && toSend.length > 0) return;
    this.#turns.delete(stream);
    if (toSend.length > 0) this.#turns.add(stream);
  }
}
