/** What a connection remembers of the packets that it sent.
 *
 *  One ring, a slot for each packet number, with a column for each fact: `log.sentAt[log.slot(packetNumber)]`. It has no memory
 *  before the first packet, grows up to `MAX_SENT_PACKETS` and shrinks again; `push`, `forget` and `trim` may replace the columns.
 *  Each column has one writer: `Recovery` those of what became of a packet, `DeliveryRate` those of how much had been delivered before it,
 *  and the packet builder, through `begin` and `add…`, those of what was in it.
 *
 *  A packet is remembered until it is acknowledged or until nobody would believe a late acknowledgement any more, and
 *  then forgotten with everything that was in it. Streams are named by id, so nothing here keeps one alive. */
import { assert } from '../../assert.js';
import { MAX_SENT_FRAMES, MAX_SENT_PACKETS } from '../limits.js';
import { NO_BYTES, NO_FLOATS, NO_SHORTS, NO_WORDS, resized, slotsFor, trimmedSlotsFor } from './ring.js';
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

  sentAt = NO_FLOATS;
  /** What it counts in flight; 0 when it does not. */
  size = NO_SHORTS;
  state = NO_BYTES;
  kind = NO_BYTES;
  /** Of an acknowledged packet: so many numbers lower, and no closer, may be one that is not acknowledged. */
  distance = NO_WORDS;

  // ---- columns: the path when it was sent (see DeliveryRate) ------------------------------------------------

  delivered = NO_FLOATS;
  deliveredAt = NO_FLOATS;
  firstSentAt = NO_FLOATS;
  bytesInFlight = NO_FLOATS;
  lostBytes = NO_FLOATS;
  limited = NO_BYTES;

  // ---- columns: what was in it ------------------------------------------------------------------------------

  contents = NO_BYTES;
  /** With `Content.ack`: the largest number that its ACK named. */
  ackLargest = NO_FLOATS;
  /** With `Content.hello`: the keypair that it went out under. */
  keypair = NO_FLOATS;
  firstFrame = NO_FLOATS;
  frameCount = NO_SHORTS;

  /** One less than the slots. */
  #mask = -1;
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
    return this.sentAt.buffer.byteLength + this.frames.allocatedBytes;
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
    this.#resize(slotsFor(this.#next - this.#first, this.#slots));
  }

  /** Gives back the memory that a connection without streams does not need. */
  trim(): void {
    this.#resize(trimmedSlotsFor(this.#next - this.#first, this.#slots));
    this.frames.trim();
  }

  #claim(): number {
    assert(this.#next - this.#first < MAX_SENT_PACKETS, 'more packets sent than are remembered');
    this.#resize(slotsFor(this.#next - this.#first + 1, this.#slots));
    return this.#next++;
  }

  get #slots(): number {
    return this.#mask + 1;
  }

  #resize(slots: number): void {
    if (slots === this.#slots) return;
    const columns = Object.fromEntries(COLUMNS.map((name) => [name, this[name]]));
    Object.assign(this, resized(columns, this.#mask, slots, this.#first, this.#next));
    this.#mask = slots - 1;
  }
}

/** The widest first. */
const COLUMNS = [
  'sentAt',
  'delivered',
  'deliveredAt',
  'firstSentAt',
  'bytesInFlight',
  'lostBytes',
  'ackLargest',
  'keypair',
  'firstFrame',
  'distance',
  'size',
  'frameCount',
  'state',
  'kind',
  'limited',
  'contents',
] as const satisfies readonly (keyof PacketLog)[];
