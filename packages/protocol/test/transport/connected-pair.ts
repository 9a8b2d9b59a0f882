/** Two associations with their first connections, which exchange packets directly and in virtual time, without sessions
 *  or endpoints. A filter decides which packets are lost. */
import { Association } from '../../src/transport/association.js';
import { DEFAULT_TRANSPORT, type TransportConfig } from '../../src/transport/config.js';
import type { Connection } from '../../src/transport/connection.js';
import { EPOCH_BYTES } from '../../src/transport/limits.js';
import type { PacketOutcome } from '../../src/transport/packet-handler.js';
import type { StreamEvent } from '../../src/transport/streams/stream-set.js';
import { FrameReader } from '../../src/transport/wire/frame-reader.js';
import { readVarint } from '../../src/transport/wire/varint.js';

export type Side = 'client' | 'relay';
export interface Packet {
  readonly from: Side;
  readonly at: number;
  readonly number: number;
  readonly bytes: Uint8Array;
}

interface Flight {
  readonly packet: Packet;
  readonly at: number;
}

/** The packets of one direction that are under way, in the order in which they arrive. Taking the first of thousands
 *  moves none of the others. */
class Flights {
  #flights: Flight[] = [];
  #taken = 0;

  get nextAt(): number {
    return this.#flights[this.#taken]?.at ?? Number.POSITIVE_INFINITY;
  }

  add(flight: Flight): void {
    this.#flights.push(flight);
  }

  /** @returns the packets that have arrived by `now` */
  take(now: number): Packet[] {
    const arrived: Packet[] = [];
    for (; this.nextAt <= now; this.#taken++) arrived.push((this.#flights[this.#taken] as Flight).packet);
    if (this.#taken > this.#flights.length / 2) {
      this.#flights = this.#flights.slice(this.#taken);
      this.#taken = 0;
    }
    return arrived;
  }
}

const KEYPAIR = 1;
const PACKET_BYTES = 1168;

export class ConnectedPair {
  now = 1000;
  oneWayMs = 10;
  /** The rate of each direction. Packets beyond it wait in a queue without a limit. */
  bytesPerMs = Number.POSITIVE_INFINITY;
  /** Whether packets are kept in `sent`. */
  isRecording = true;
  /** Decides whether a packet is delivered. If it returns false, the packet is lost. */
  filter: (packet: Packet) => boolean = () => true;
  readonly sent: Packet[] = [];
  readonly events: Record<Side, StreamEvent[]> = { client: [], relay: [] };
  readonly #associations: Record<Side, Association>;
  /** The packets under way, by sender. */
  readonly #inFlight: Record<Side, Flights> = { client: new Flights(), relay: new Flights() };
  /** Where a packet is built, before a copy of it is sent. */
  readonly #buffer = new Uint8Array(PACKET_BYTES);
  readonly #linkFreeAt: Record<Side, number> = { client: 0, relay: 0 };
  #random = 1;

  constructor(config: Partial<TransportConfig> = {}) {
    const transport = { ...DEFAULT_TRANSPORT, ...config };
    const draws = (epoch: number) => (length: number) =>
      length === EPOCH_BYTES
        ? new Uint8Array(length).fill(epoch)
        : Uint8Array.from({ length }, () => this.#draw());
    const nothing = (): void => {};
    const listener = {
      onBound: nothing,
      onConnected: nothing,
      onReturned: nothing,
      onEnded: nothing,
      onDisconnected: nothing,
      onEpochEnded: nothing,
      onCommand: nothing,
    };
    this.#associations = {
      client: new Association(
        { role: 'client', transport, random: draws(1), reader: new FrameReader() },
        listener,
      ),
      relay: new Association(
        { role: 'relay', transport, random: draws(2), reader: new FrameReader() },
        listener,
      ),
    };
    this.client.handleSendable(this.now, true);
    this.relay.handleSendable(this.now, true);
  }

  get client(): Connection {
    return this.of('client');
  }
  get relay(): Connection {
    return this.of('relay');
  }

  /** Runs until nothing happens any more, or `limitMs` of virtual time have passed, or `done` returns true. */
  run(limitMs = 60_000, done: () => boolean = () => false): void {
    const end = this.now + limitMs;
    for (;;) {
      this.#collect();
      if (done()) return;
      this.#transmit();
      const next = this.#next();
      if (next === undefined || next > end) return;
      this.now = Math.max(this.now, next);
      this.#deliver();
      this.client.handleTimeout(this.now);
      this.relay.handleTimeout(this.now);
    }
  }

  of(side: Side): Connection {
    return this.#associations[side].connection;
  }

  /** Delivers a packet to one side, as if the other side had sent it. */
  inject(to: Side, packetNumber: number, frames: Uint8Array): PacketOutcome {
    const reader = new FrameReader();
    reader.begin(frames, 0, frames.length);
    return this.of(to).handlePacket(this.now, packetNumber, reader);
  }

  /** Returns true with this probability. The results are the same in every run. */
  chance(probability: number): boolean {
    return (this.#draw() * 256 + this.#draw()) / 65_536 < probability;
  }

  #collect(): void {
    for (const side of ['client', 'relay'] as const) {
      for (let e = this.of(side).pollEvent(); e !== undefined; e = this.of(side).pollEvent())
        this.events[side].push(e);
    }
  }

  #transmit(): void {
    for (const from of ['client', 'relay'] as const) {
      for (;;) {
        const length = this.of(from).pollPacket(this.now, KEYPAIR, this.#buffer, 0, PACKET_BYTES);
        if (length === 0) break;
        const bytes = this.#buffer.slice(0, length);
        const packet = { from, at: this.now, number: readVarint(bytes, 1), bytes };
        if (this.isRecording) this.sent.push(packet);
        const sentAt = Math.max(this.now, this.#linkFreeAt[from]) + length / this.bytesPerMs;
        this.#linkFreeAt[from] = sentAt;
        if (this.filter(packet)) this.#inFlight[from].add({ packet, at: sentAt + this.oneWayMs });
      }
    }
  }

  #next(): number | undefined {
    let next = Number.POSITIVE_INFINITY;
    for (const side of ['client', 'relay'] as const) {
      next = Math.min(next, this.#inFlight[side].nextAt);
      next = Math.min(next, this.of(side).pollTimeout()?.at ?? Number.POSITIVE_INFINITY);
    }
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  #deliver(): void {
    for (const from of ['client', 'relay'] as const) {
      for (const packet of this.#inFlight[from].take(this.now)) {
        this.#associations[from === 'client' ? 'relay' : 'client'].handlePacket(
          this.now,
          KEYPAIR,
          packet.bytes,
        );
      }
    }
  }

  #draw(): number {
    this.#random = (Math.imul(this.#random, 1103515245) + 12345) >>> 0;
    return this.#random >>> 24;
  }
}
