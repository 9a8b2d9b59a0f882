/** The packets that a connection has sent and may still hear about: a ring of typed arrays indexed by packet number. */
import { assert } from '../assert.js';
import { MAX_SENT_PACKETS } from '../transport-constants.js';
import { grownRing } from './ring.js';

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
  /** Nobody answers it: only ACK, PADDING or CLOSE. */
  quiet: 0,
  ackEliciting: 1,
  mtuProbe: 2,
} as const;
export type PacketKind = (typeof PacketKind)[keyof typeof PacketKind];

const INITIAL_CAPACITY = 1024;
const RESERVED_PACKETS = 1024;

export class SentPackets {
  #mask = INITIAL_CAPACITY - 1;
  #sentAt = new Float64Array(INITIAL_CAPACITY);
  #size = new Uint16Array(INITIAL_CAPACITY);
  #state = new Uint8Array(INITIAL_CAPACITY);
  #kind = new Uint8Array(INITIAL_CAPACITY);
  /** Lowest number still remembered. */
  #first = 0;
  /** The next number to be sent. */
  #next = 0;

  get first(): number {
    return this.#first;
  }
  get next(): number {
    return this.#next;
  }
  /** No room to remember one more packet and the number that may be skipped before it. */
  get isFull(): boolean {
    return this.#next - this.#first >= MAX_SENT_PACKETS - 2;
  }
  /** No more than what probes and acknowledgements need: new data has to wait. */
  get isNearlyFull(): boolean {
    return this.#next - this.#first >= MAX_SENT_PACKETS - RESERVED_PACKETS;
  }
  /** Slots of the ring; a parallel ring of another part uses the same number modulo it. */
  get capacity(): number {
    return this.#mask + 1;
  }

  /** Remembers the next number. @param sizeBytes what it counts in flight; 0 when it does not */
  push(now: number, sizeBytes: number, kind: PacketKind): number {
    const packetNumber = this.#claim();
    const i = packetNumber & this.#mask;
    this.#sentAt[i] = now;
    this.#size[i] = sizeBytes;
    this.#state[i] = PacketState.outstanding;
    this.#kind[i] = kind;
    return packetNumber;
  }

  /** Leaves out one number: an acknowledgement of it is a lie (spec streams 2.2). */
  skip(): void {
    this.#state[this.#claim() & this.#mask] = PacketState.skipped;
  }

  sentAt(packetNumber: number): number {
    return this.#sentAt[packetNumber & this.#mask] as number;
  }
  size(packetNumber: number): number {
    return this.#size[packetNumber & this.#mask] as number;
  }
  state(packetNumber: number): PacketState {
    return this.#state[packetNumber & this.#mask] as PacketState;
  }
  isAckEliciting(packetNumber: number): boolean {
    return this.#kind[packetNumber & this.#mask] !== PacketKind.quiet;
  }
  /** Its loss says nothing about congestion (spec mtu 2.2). */
  isMtuProbe(packetNumber: number): boolean {
    return this.#kind[packetNumber & this.#mask] === PacketKind.mtuProbe;
  }
  setState(packetNumber: number, state: PacketState): void {
    this.#state[packetNumber & this.#mask] = state;
  }

  /** Forgets what nobody asks about any more: acknowledged, skipped, and lost packets sent before `lostBefore`. */
  forget(lostBefore: number): void {
    while (this.#first < this.#next) {
      const i = this.#first & this.#mask;
      const state = this.#state[i];
      if (state === PacketState.outstanding) return;
      if (state === PacketState.lost && (this.#sentAt[i] as number) >= lostBefore) return;
      this.#first++;
    }
  }

  #claim(): number {
    assert(this.#next - this.#first < MAX_SENT_PACKETS, 'more packets sent than are remembered');
    if (this.#next - this.#first > this.#mask) this.#grow();
    return this.#next++;
  }

  #grow(): void {
    const mask = this.#mask;
    const capacity = 2 * (mask + 1);
    const { first, next } = this;
    this.#sentAt = grownRing(this.#sentAt, mask, new Float64Array(capacity), first, next);
    this.#size = grownRing(this.#size, mask, new Uint16Array(capacity), first, next);
    this.#state = grownRing(this.#state, mask, new Uint8Array(capacity), first, next);
    this.#kind = grownRing(this.#kind, mask, new Uint8Array(capacity), first, next);
    this.#mask = capacity - 1;
  }
}
