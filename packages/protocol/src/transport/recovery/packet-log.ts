/** What a connection remembers of the packets that it sent.
 *
 *  One ring of typed arrays, a slot for each packet number, that grows by doubling up to `MAX_SENT_PACKETS`. A column is
 *  `log.sentAt[log.slot(packetNumber)]`; read it again after `push`, which may replace it by a larger one. Each column has
 *  one writer: `Recovery` those of what became of a packet, `DeliveryRate` those of how much had been delivered before it,
 *  and the packet builder, through `begin` and `add…`, those of what was in it.
 *
 *  A packet is remembered until it is acknowledged or until nobody would believe a late acknowledgement any more, and
 *  then forgotten with everything that was in it. Streams are named by id, so nothing here keeps one alive. */
import { assert } from '../../assert.js';
import { MAX_SENT_FRAMES, MAX_SENT_PACKETS } from '../limits.js';
import { grownRing } from './ring.js';
import { BYTES_PER_FRAME, type SentFrameKind, SentFrames } from './sent-frames.js';

export const PacketState = {
  /** The number was never sent. */
  skipped: 0,
  outstanding: 1,
  acknowledged: 2,
  /** Declared lost; kept for a while to notice that it was not (spec recovery 3.3). */
  lost: 3,
} as const;
export type PacketState = (typeof PacketState)[keyof typeof PacketState];

export const PacketKind = {
  /** It holds only ACK, PADDING or CLOSE: the peer does not acknowledge it. */
  quiet: 0,
  ackEliciting: 1,
  mtuProbe: 2,
} as const;
export type PacketKind = (typeof PacketKind)[keyof typeof PacketKind];

/** What was in a packet beside the frames of streams, which are in `frames`. */
export const Content = {
  hello: 1,
  ack: 2,
  maxData: 4,
  maxStreams: 8,
} as const;

const INITIAL_CAPACITY = 128;
/** Sum of the columns below. */
const BYTES_PER_PACKET = 84;
/** What probes and acknowledgements need: new data waits before they do. */
const RESERVED_PACKETS = 1024;
const RESERVED_FRAMES = 1024;

export class PacketLog {
  /** What all columns take when nothing more can be remembered. */
  static readonly MAX_BYTES: number = MAX_SENT_PACKETS * BYTES_PER_PACKET + MAX_SENT_FRAMES * BYTES_PER_FRAME;

  /** Frames of streams, in the order in which they were sent. */
  readonly frames = new SentFrames();

  // ---- columns: what became of it ---------------------------------------------------------------------------

  sentAt = new Float64Array(INITIAL_CAPACITY);
  /** What it counts in flight; 0 when it does not. */
  size = new Uint16Array(INITIAL_CAPACITY);
  state = new Uint8Array(INITIAL_CAPACITY);
  kind = new Uint8Array(INITIAL_CAPACITY);
  /** Of an acknowledged packet: so many numbers lower, and no closer, may be one that is not acknowledged. */
  distance = new Uint32Array(INITIAL_CAPACITY);

  // ---- columns: the path when it was sent (see DeliveryRate) ------------------------------------------------

  delivered = new Float64Array(INITIAL_CAPACITY);
  deliveredAt = new Float64Array(INITIAL_CAPACITY);
  firstSentAt = new Float64Array(INITIAL_CAPACITY);
  bytesInFlight = new Float64Array(INITIAL_CAPACITY);
  lostBytes = new Float64Array(INITIAL_CAPACITY);
  limited = new Uint8Array(INITIAL_CAPACITY);

  // ---- columns: what was in it ------------------------------------------------------------------------------

  contents = new Uint8Array(INITIAL_CAPACITY);
  /** With `Content.ack`: the largest number that its ACK named. */
  ackLargest = new Float64Array(INITIAL_CAPACITY);
  /** With `Content.hello`: the keypair that it went out under. */
  keypair = new Float64Array(INITIAL_CAPACITY);
  firstFrame = new Float64Array(INITIAL_CAPACITY);
  frameCount = new Uint16Array(INITIAL_CAPACITY);

  #mask = INITIAL_CAPACITY - 1;
  #first = 0;
  #next = 0;
  /** Numbers that were left out and are remembered, ascending. */
  readonly #skipped: number[] = [];

  // The packet that is being built.
  #newContents = 0;
  #newAckLargest = 0;
  #newKeypair = 0;

  /** The lowest number still remembered. */
  get first(): number {
    return this.#first;
  }
  /** The next number to be sent. */
  get next(): number {
    return this.#next;
  }
  /** No room for one more packet and the number that may be skipped before it. */
  get isFull(): boolean {
    return this.#next - this.#first >= MAX_SENT_PACKETS - 2;
  }
  /** No more room than probes and acknowledgements need. */
  get isNearlyFull(): boolean {
    return (
      this.#next - this.#first >= MAX_SENT_PACKETS - RESERVED_PACKETS ||
      this.frames.count >= MAX_SENT_FRAMES - RESERVED_FRAMES
    );
  }
  /** Memory that is held. */
  get allocatedBytes(): number {
    let bytes = this.frames.allocatedBytes;
    for (const name of COLUMNS) bytes += this[name].byteLength;
    return bytes;
  }

  /** Where a remembered packet stands in each column. */
  slot(packetNumber: number): number {
    return packetNumber & this.#mask;
  }

  // ---- building ---------------------------------------------------------------------------------------------

  /** A packet is begun; what was added since the last `push` went nowhere. */
  begin(): void {
    this.#newContents = 0;
    this.frames.begin();
  }
  addContent(flag: number): void {
    this.#newContents |= flag;
  }
  addHello(keypairId: number): void {
    this.#newContents |= Content.hello;
    this.#newKeypair = keypairId;
  }
  addAck(largest: number): void {
    this.#newContents |= Content.ack;
    this.#newAckLargest = largest;
  }
  /** A frame of a stream; `frames.hasRoomFor` is asked first. `start` and `length` are those of STREAM frames, else 0. */
  addFrame(kind: SentFrameKind, streamId: number, start: number, length: number): void {
    this.frames.add(kind, streamId, start, length);
  }

  /** Remembers the packet that was built under the next number. @param sizeBytes what it counts in flight; 0 when it does not
   *  @returns the number */
  push(now: number, sizeBytes: number, kind: PacketKind): number {
    const packetNumber = this.#claim();
    const i = this.slot(packetNumber);
    this.sentAt[i] = now;
    this.size[i] = sizeBytes;
    this.state[i] = PacketState.outstanding;
    this.kind[i] = kind;
    this.contents[i] = this.#newContents;
    this.ackLargest[i] = this.#newAckLargest;
    this.keypair[i] = this.#newKeypair;
    this.firstFrame[i] = this.frames.next;
    this.frameCount[i] = this.frames.commit();
    this.#newContents = 0;
    return packetNumber;
  }

  /** Leaves out one number: an acknowledgement of it is a lie (spec streams 2.2). */
  skip(): void {
    const packetNumber = this.#claim();
    const i = this.slot(packetNumber);
    this.state[i] = PacketState.skipped;
    this.firstFrame[i] = this.frames.next;
    this.frameCount[i] = 0;
    this.#skipped.push(packetNumber);
  }

  // ---- what became of it ------------------------------------------------------------------------------------

  isAckEliciting(packetNumber: number): boolean {
    return this.kind[this.slot(packetNumber)] !== PacketKind.quiet;
  }
  /** Its loss says nothing about congestion (spec mtu 2.2). */
  isMtuProbe(packetNumber: number): boolean {
    return this.kind[this.slot(packetNumber)] === PacketKind.mtuProbe;
  }

  /** Whether a remembered number of [low, high] was left out. */
  hasSkippedIn(low: number, high: number): boolean {
    const skipped = this.#skipped;
    let from = 0;
    let to = skipped.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((skipped[middle] as number) < low) from = middle + 1;
      else to = middle;
    }
    return from < skipped.length && (skipped[from] as number) <= high;
  }

  acknowledge(packetNumber: number): void {
    const i = this.slot(packetNumber);
    this.state[i] = PacketState.acknowledged;
    this.distance[i] = 1;
  }

  /** The greatest remembered number up to `from` that is not acknowledged, or -1. Runs of acknowledged packets are stepped
   *  over, not walked: each look shortens the way of the next (path compression), so an ACK that repeats what is known
   *  costs the same however much is remembered. */
  unacknowledgedAtOrBelow(from: number): number {
    const first = this.#first;
    let n = from;
    while (n >= first && this.state[this.slot(n)] === PacketState.acknowledged) {
      n -= this.distance[this.slot(n)] as number;
    }
    const found = Math.max(n, first - 1);
    for (let m = from; m > found; ) {
      const i = this.slot(m);
      const step = this.distance[i] as number;
      this.distance[i] = m - found;
      m -= step;
    }
    return n >= first ? n : -1;
  }

  /** Forgets what nobody asks about any more: acknowledged, skipped, and lost packets sent before `lostBefore`. */
  forget(lostBefore: number): void {
    const before = this.#first;
    while (this.#first < this.#next) {
      const i = this.slot(this.#first);
      const state = this.state[i];
      if (state === PacketState.outstanding) break;
      if (state === PacketState.lost && (this.sentAt[i] as number) >= lostBefore) break;
      this.#first++;
    }
    if (this.#first === before) return;
    this.frames.forgetBelow(
      this.#first < this.#next ? (this.firstFrame[this.slot(this.#first)] as number) : this.frames.next,
    );
    while (this.#skipped.length > 0 && (this.#skipped[0] as number) < this.#first) this.#skipped.shift();
  }

  #claim(): number {
    assert(this.#next - this.#first < MAX_SENT_PACKETS, 'more packets sent than are remembered');
    if (this.#next - this.#first > this.#mask) this.#grow();
    return this.#next++;
  }

  #grow(): void {
    const { first, next } = this;
    const oldMask = this.#mask;
    const capacity = 2 * (oldMask + 1);
    for (const name of COLUMNS) {
      Object.assign(this, { [name]: grownRing(this[name], oldMask, capacity, first, next) });
    }
    this.#mask = capacity - 1;
  }
}

const COLUMNS = [
  'sentAt',
  'size',
  'state',
  'kind',
  'distance',
  'delivered',
  'deliveredAt',
  'firstSentAt',
  'bytesInFlight',
  'lostBytes',
  'limited',
  'contents',
  'ackLargest',
  'keypair',
  'firstFrame',
  'frameCount',
] as const satisfies readonly (keyof PacketLog)[];
