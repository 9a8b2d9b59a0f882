import { assert } from '../../assert.js';
import { MAX_SENT_FRAMES, MAX_SENT_PACKETS } from '../limits.js';
import { NO_BYTES, NO_FLOATS, NO_SHORTS, NO_WORDS, resized, slotsFor, trimmedSlotsFor } from './ring.js';
import { BYTES_PER_FRAME, type SentFrameKind, SentFrames } from './sent-frames.js';

/** What became of a packet number. */
export const PacketState = {
  /** No packet was sent with this number (see SkippedNumbers). */
  skipped: 0,
  outstanding: 1,
  acknowledged: 2,
  /** Declared lost, but kept for a while to notice if it was not (spec recovery 3.3). */
  lost: 3,
} as const;
export type PacketState = (typeof PacketState)[keyof typeof PacketState];

/** How recovery treats a packet. */
export const PacketKind = {
  /** It contains only ACK, PADDING or CLOSE, so it does not make the peer send an acknowledgement. */
  quiet: 0,
  ackEliciting: 1,
  mtuProbe: 2,
} as const;
export type PacketKind = (typeof PacketKind)[keyof typeof PacketKind];

/** Flags for what was in a packet, apart from the frames of streams, which are in `frames`. */
export const Content = {
  hello: 1,
  ack: 2,
  maxData: 4,
  maxStreams: 8,
} as const;

/** The memory for one packet: the sum of the columns below. */
const BYTES_PER_PACKET = 84;
/** Room that is kept for probes and acknowledgements, which must not wait. New data does. */
const RESERVED_PACKETS = 1024;
const RESERVED_FRAMES = 1024;

/** Remembers the packets that a connection has sent.
 *
 *  It is a ring with a slot for each packet number and a column for each fact: `log.sentAt[log.slot(packetNumber)]`. It
 *  has no memory before the first packet, grows up to MAX_SENT_PACKETS slots, and shrinks again. `push`, `skip`,
 *  `forget` and `trim` may replace the columns, so callers must not keep them.
 *
 *  Each column has one writer. Recovery writes what became of a packet, DeliveryRate how much had been delivered before
 *  it, and the packet builder, through `begin` and the `add…` methods, what was in it. Recovery owns the log.
 *
 *  A packet is remembered until it is acknowledged, or, if it was lost, until a late acknowledgement is no longer to be
 *  expected. It is then forgotten together with everything that was in it. */
export class PacketLog {
  /** The memory that all columns take at their largest. */
  static readonly MAX_BYTES: number = MAX_SENT_PACKETS * BYTES_PER_PACKET + MAX_SENT_FRAMES * BYTES_PER_FRAME;

  /** The frames of streams in these packets. */
  readonly frames = new SentFrames();

  // ---- columns: what became of it ---------------------------------------------------------------------------

  sentAt = NO_FLOATS;
  /** How many bytes it counts as in flight; 0 if it does not count. */
  size = NO_SHORTS;
  state = NO_BYTES;
  kind = NO_BYTES;
  /** For an acknowledged packet: the next lower packet that is not acknowledged is at least this many numbers below. */
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
  /** With `Content.ack`: the largest number in its ACK frame. */
  ackLargest = NO_FLOATS;
  /** With `Content.hello`: the id of the keypair that it was sealed under. */
  keypair = NO_FLOATS;
  firstFrame = NO_FLOATS;
  frameCount = NO_SHORTS;

  /** The number of slots less one. */
  #mask = -1;
  #first = 0;
  #next = 0;
  /** The skipped numbers that are still remembered, in ascending order. */
  readonly #skipped: number[] = [];

  // The packet that is being built.
  #newContents = 0;
  #newAckLargest = 0;
  #newKeypair = 0;

  /** The lowest number that is still remembered. */
  get first(): number {
    return this.#first;
  }
  /** The number of the next packet. */
  get next(): number {
    return this.#next;
  }
  /** Whether there is no room for one more packet and a skipped number before it. */
  get isFull(): boolean {
    return this.#next - this.#first >= MAX_SENT_PACKETS - 2;
  }
  /** Whether there is only room for probes and acknowledgements. */
  get isNearlyFull(): boolean {
    return (
      this.#next - this.#first >= MAX_SENT_PACKETS - RESERVED_PACKETS ||
      this.frames.count >= MAX_SENT_FRAMES - RESERVED_FRAMES
    );
  }
  /** How much memory the columns take. */
  get allocatedBytes(): number {
    return this.sentAt.buffer.byteLength + this.frames.allocatedBytes;
  }

  /** The index of a remembered packet in each column. */
  slot(packetNumber: number): number {
    return packetNumber & this.#mask;
  }

  // ---- building ---------------------------------------------------------------------------------------------

  /** Begins a packet. Anything added since the last `push` is discarded. */
  begin(): void {
    this.#newContents = 0;
    this.frames.begin();
  }
  /** Notes that the packet has this content. @param flag one of `Content` */
  addContent(flag: number): void {
    this.#newContents |= flag;
  }
  /** Notes that the packet has a HELLO. */
  addHello(keypairId: number): void {
    this.#newContents |= Content.hello;
    this.#newKeypair = keypairId;
  }
  /** Notes that the packet has an ACK with this largest number. */
  addAck(largest: number): void {
    this.#newContents |= Content.ack;
    this.#newAckLargest = largest;
  }
  /** Notes that the packet has this frame of a stream. The caller has asked `frames.hasRoomFor`.
   *  @param start for STREAM the offset of its first byte, otherwise 0
   *  @param length for STREAM the length of its data, otherwise 0 */
  addFrame(kind: SentFrameKind, streamId: number, start: number, length: number): void {
    this.frames.add(kind, streamId, start, length);
  }

  /** Remembers the packet that was built, under the next number.
   *  @param sizeBytes how many bytes it counts as in flight; 0 if it does not count
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

  /** Skips the next number. A peer that acknowledges it is lying (spec streams 2.2). */
  skip(): void {
    const packetNumber = this.#claim();
    const i = this.slot(packetNumber);
    this.state[i] = PacketState.skipped;
    this.firstFrame[i] = this.frames.next;
    this.frameCount[i] = 0;
    this.#skipped.push(packetNumber);
  }

  // ---- what became of it ------------------------------------------------------------------------------------

  /** Whether the packet makes the peer send an acknowledgement. */
  isAckEliciting(packetNumber: number): boolean {
    return this.kind[this.slot(packetNumber)] !== PacketKind.quiet;
  }
  /** Whether the packet is a probe of the MTU search, whose loss is no sign of congestion (spec mtu 2.2). */
  isMtuProbe(packetNumber: number): boolean {
    return this.kind[this.slot(packetNumber)] === PacketKind.mtuProbe;
  }

  /** Whether a remembered number from `low` to `high` was skipped. */
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

  /** Marks a packet as lost. */
  lose(packetNumber: number): void {
    this.state[this.slot(packetNumber)] = PacketState.lost;
  }

  /** Marks a packet as acknowledged. */
  acknowledge(packetNumber: number): void {
    const i = this.slot(packetNumber);
    this.state[i] = PacketState.acknowledged;
    this.distance[i] = 1;
  }

  /** Returns the greatest remembered number up to `from` that is not acknowledged, or -1.
   *
   *  It jumps over runs of acknowledged packets, and each search shortens the way for the next (path compression). So
   *  an ACK that repeats what is known costs the same however many packets are remembered (spec recovery 3.4). */
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

  /** Forgets packets from the lowest number on, up to one that is still outstanding, or that was lost and was sent at
   *  `lostBefore` or later. */
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

  /** Gives back memory that a connection without open streams does not need. */
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

/** The columns, those with the widest elements first. */
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
