import { DATAGRAM_CHARGE_BYTES } from '../limits.js';

/** Memory that the queues of all flows of a connection share. */
export interface SharedMemory {
  readonly limitBytes: number;
  usedBytes: number;
}

/** The messages of one flow that wait, in order (spec datagrams 3).
 *
 *  All queues of a connection take their memory from a shared limit. A queue may hold at most twice what it would leave
 *  free, so that a flow with much to queue leaves room for others. FlowDatagrams owns the queues. A queue keeps
 *  references to messages, and never looks at their bytes. */
export class DatagramQueue {
  readonly #memory: SharedMemory;
  readonly #messages: Uint8Array[] = [];
  /** When each message was queued. */
  readonly #queuedAt: number[] = [];
  /** The index of the oldest message. Those before it were taken. */
  #first = 0;
  #bytes = 0;

  constructor(memory: SharedMemory) {
    this.#memory = memory;
  }

  get length(): number {
    return this.#messages.length - this.#first;
  }
  /** The oldest message. */
  get oldest(): Uint8Array | undefined {
    return this.#messages[this.#first];
  }
  /** When the oldest message was queued. */
  get oldestAt(): number {
    return this.#queuedAt[this.#first] as number;
  }

  /** Whether a message of this length may be added. */
  hasRoomFor(length: number): boolean {
    const { limitBytes, usedBytes } = this.#memory;
    const charge = length + DATAGRAM_CHARGE_BYTES;
    return this.#bytes + charge <= 2 * (limitBytes - usedBytes - charge);
  }

  push(message: Uint8Array, now: number): void {
    this.#messages.push(message);
    this.#queuedAt.push(now);
    this.#count(message.length + DATAGRAM_CHARGE_BYTES);
  }

  /** Takes the oldest message. */
  shift(): Uint8Array | undefined {
    const message = this.#messages[this.#first];
    if (message === undefined) return undefined;
    this.#count(-(message.length + DATAGRAM_CHARGE_BYTES));
    this.#first++;
    // Moving the rest once in a while costs less than moving it each time.
    if (2 * this.#first >= this.#messages.length) {
      this.#messages.splice(0, this.#first);
      this.#queuedAt.splice(0, this.#first);
      this.#first = 0;
    }
    return message;
  }

  /** Drops everything.
   *  @returns how many messages that were */
  clear(): number {
    const { length } = this;
    this.#count(-this.#bytes);
    this.#messages.length = 0;
    this.#queuedAt.length = 0;
    this.#first = 0;
    return length;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#memory.usedBytes += bytes;
  }
}
