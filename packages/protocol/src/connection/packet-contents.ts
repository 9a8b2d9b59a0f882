/** What was in each packet sent, so that it can be acknowledged or sent again: a ring that runs beside `SentPackets`.
 *
 *  A bulk packet holds one STREAM frame, which lives in typed arrays; only packets with more have a list. */
import { type Column, grownRing } from '../recovery/ring.js';
import type { ConnectionStream } from '../streams/stream.js';

export const Content = {
  fin: 1,
  maxData: 2,
  maxStreams: 4,
  hello: 8,
  ack: 16,
  /** There is a list of further frames. */
  more: 32,
  /** It searches for the path's MTU. */
  mtuProbe: 64,
} as const;

/** A frame beyond the packet's first STREAM frame. */
export interface FurtherFrame {
  readonly kind: 'stream' | 'reset' | 'stop' | 'max-stream-data';
  readonly stream: ConnectionStream;
  readonly start: number;
  readonly length: number;
  readonly fin: boolean;
}

export class PacketContents {
  #mask = 1023;
  #flags = new Uint8Array(1024);
  #streams: (ConnectionStream | undefined)[] = new Array(1024).fill(undefined);
  #starts = new Float64Array(1024);
  #lengths = new Uint16Array(1024);
  #ackLargest = new Float64Array(1024);
  #keypairs = new Float64Array(1024);
  #further: (FurtherFrame[] | undefined)[] = new Array(1024).fill(undefined);

  // The packet that is being built.
  #newFlags = 0;
  #newStream: ConnectionStream | undefined;
  #newStart = 0;
  #newLength = 0;
  #newAckLargest = 0;
  #newKeypair = 0;
  #newFurther: FurtherFrame[] | undefined;

  begin(): void {
    this.#newFlags = 0;
    this.#newStream = undefined;
    this.#newFurther = undefined;
  }
  addFlag(flag: number): void {
    this.#newFlags |= flag;
  }
  addHello(keypairId: number): void {
    this.#newFlags |= Content.hello;
    this.#newKeypair = keypairId;
  }
  addAck(largest: number): void {
    this.#newFlags |= Content.ack;
    this.#newAckLargest = largest;
  }
  addStream(stream: ConnectionStream, start: number, length: number, fin: boolean): void {
    if (this.#newStream !== undefined) {
      this.addFurther({ kind: 'stream', stream, start, length, fin });
      return;
    }
    this.#newStream = stream;
    this.#newStart = start;
    this.#newLength = length;
    if (fin) this.#newFlags |= Content.fin;
  }
  addFurther(frame: FurtherFrame): void {
    this.#newFlags |= Content.more;
    this.#newFurther ??= [];
    this.#newFurther.push(frame);
  }

  /** Files the packet that was built under its number. @param capacity of the ring of sent packets */
  commit(packetNumber: number, oldest: number, capacity: number): void {
    if (capacity > this.#mask + 1) this.#grow(capacity, oldest, packetNumber);
    const i = packetNumber & this.#mask;
    this.#flags[i] = this.#newFlags;
    this.#streams[i] = this.#newStream;
    this.#starts[i] = this.#newStart;
    this.#lengths[i] = this.#newLength;
    this.#ackLargest[i] = this.#newAckLargest;
    this.#keypairs[i] = this.#newKeypair;
    this.#further[i] = this.#newFurther;
  }

  flags(packetNumber: number): number {
    return this.#flags[packetNumber & this.#mask] as number;
  }
  stream(packetNumber: number): ConnectionStream | undefined {
    return this.#streams[packetNumber & this.#mask];
  }
  start(packetNumber: number): number {
    return this.#starts[packetNumber & this.#mask] as number;
  }
  length(packetNumber: number): number {
    return this.#lengths[packetNumber & this.#mask] as number;
  }
  ackLargest(packetNumber: number): number {
    return this.#ackLargest[packetNumber & this.#mask] as number;
  }
  keypair(packetNumber: number): number {
    return this.#keypairs[packetNumber & this.#mask] as number;
  }
  further(packetNumber: number): readonly FurtherFrame[] {
    return this.#further[packetNumber & this.#mask] ?? [];
  }
  /** Acknowledged: nothing will be asked again, and no stream is kept alive by it. */
  clear(packetNumber: number): void {
    const i = packetNumber & this.#mask;
    this.#flags[i] = 0;
    this.#streams[i] = undefined;
    this.#further[i] = undefined;
  }

  #grow(capacity: number, oldest: number, next: number): void {
    const mask = this.#mask;
    const grown = <T extends Column>(old: T, larger: T): T => grownRing(old, mask, larger, oldest, next);
    this.#flags = grown(this.#flags, new Uint8Array(capacity));
    this.#streams = grown(this.#streams, new Array(capacity).fill(undefined));
    this.#starts = grown(this.#starts, new Float64Array(capacity));
    this.#lengths = grown(this.#lengths, new Uint16Array(capacity));
    this.#ackLargest = grown(this.#ackLargest, new Float64Array(capacity));
    this.#keypairs = grown(this.#keypairs, new Float64Array(capacity));
    this.#further = grown(this.#further, new Array(capacity).fill(undefined));
    this.#mask = capacity - 1;
  }
}
