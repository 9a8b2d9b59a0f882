/** A peer that has valid keys and breaks the rules: it sends whatever a test wants to one connection, without sessions
 *  and without a network. */
import { DEFAULT_TRANSPORT, type TransportConfig } from '../../src/transport/config.js';
import { Connection } from '../../src/transport/connection.js';
import { Epochs } from '../../src/transport/epochs.js';
import { PeerBudgets } from '../../src/transport/peer-budgets.js';
import type { Stream } from '../../src/transport/streams/stream.js';
import type { StreamEvent } from '../../src/transport/streams/stream-set.js';
import { END, FrameReader } from '../../src/transport/wire/frame-reader.js';
import {
  encodeHello,
  FrameType,
  writeDatagramHeader,
  writeLimit,
  writePath,
  writeResetStream,
  writeStreamHeader,
  writeStreamLimit,
} from '../../src/transport/wire/frames.js';
import { announcedVarintLength, readVarint, writeVarint } from '../../src/transport/wire/varint.js';

const KEYPAIR = 1;
const PACKET_BYTES = 1168;
const MAX_POLLS = 100_000;
/** The byte that follows each packet in the buffer, and must not change. */
const BEHIND = 0xa5;

/** A relay's connection, the victim, and the peer that attacks it. */
export class HostilePeer {
  now = 1000;
  victim: Connection;
  /** What the victim has reported to its application. */
  readonly events: StreamEvent[] = [];
  /** The numbers of the packets that the victim has sent. */
  readonly received: number[] = [];
  #nextNumber = 0;
  readonly #config: Partial<TransportConfig>;
  readonly #budgets = new PeerBudgets();
  #random = 7;

  constructor(config: Partial<TransportConfig> = {}) {
    this.#config = config;
    this.victim = this.#newVictim();
  }

  /** Begins a new connection of the same peer, as a new epoch does. */
  beginAgain(): void {
    this.victim.lose();
    this.victim = this.#newVictim();
    this.#nextNumber = 0;
    this.events.length = 0;
    this.received.length = 0;
  }

  #newVictim(): Connection {
    const config = { ...DEFAULT_TRANSPORT, ...this.#config };
    const epochs = new Epochs(new Uint8Array(8).fill(2));
    const random = (length: number) => Uint8Array.from({ length }, () => this.draw());
    const victim = new Connection('relay', config, epochs, this.#budgets, random, () => {});
    victim.handleSendable(this.now, true);
    return victim;
  }

  /** Sends a packet with these frames.
   *  @returns the code with which it ended the connection, or 'dropped', or undefined if it was accepted */
  say(...frames: Uint8Array[]): number | 'dropped' | undefined {
    const bytes = new Uint8Array(frames.reduce((sum, frame) => sum + frame.length, 0));
    let at = 0;
    for (const frame of frames) {
      bytes.set(frame, at);
      at += frame.length;
    }
    const reader = new FrameReader();
    reader.begin(bytes, 0, bytes.length);
    const outcome = this.victim.handlePacket(this.now, this.#nextNumber++, reader);
    for (let event = this.victim.pollEvent(); event !== undefined; event = this.victim.pollEvent()) {
      this.events.push(event);
    }
    if (outcome === undefined) return undefined;
    return 'failed' in outcome ? outcome.failed.code : 'dropped';
  }

  /** Skips a packet number. */
  skip(): void {
    this.#nextNumber++;
  }

  /** Takes the packets that the victim sends now, each of up to this many bytes.
   *  @returns the frames of each packet */
  listen(packetBytes = PACKET_BYTES): Frame[][] {
    const packets: Frame[][] = [];
    for (let polls = 0; ; polls++) {
      if (polls > MAX_POLLS) throw new Error('the victim sends packets without end');
      const bytes = new Uint8Array(packetBytes + 64).fill(BEHIND);
      const length = this.victim.pollPacket(this.now, KEYPAIR, bytes, 0, packetBytes);
      if (length === 0) return packets;
      if (bytes.subarray(packetBytes).some((byte) => byte !== BEHIND))
        throw new Error('written behind the packet');
      this.received.push(readVarint(bytes, 1));
      packets.push(parsed(bytes.subarray(0, length)));
    }
  }

  /** Lets time pass in steps of a millisecond.
   *  @returns the frames of each packet that the victim sent */
  wait(ms: number): Frame[][] {
    const packets: Frame[][] = [];
    for (const end = this.now + ms; this.now < end; ) {
      this.now++;
      this.victim.handleTimeout(this.now);
      packets.push(...this.listen());
    }
    return packets;
  }

  /** Acknowledges packets, each with a packet of its own.
   *  @returns the result of the first one that was not accepted */
  acknowledge(numbers: readonly number[]): ReturnType<HostilePeer['say']> {
    for (const number of numbers) {
      const code = this.say(ack(number, number));
      if (code !== undefined) return code;
    }
    return undefined;
  }

  /** Opens a stream on the victim's side. */
  open(): Stream {
    const stream = this.victim.openStream();
    if (stream === undefined) throw new Error('no stream');
    return stream;
  }

  /** The streams that the victim has reported as opened. */
  get opened(): Stream[] {
    return this.events.flatMap((event) => (event.type === 'stream-opened' ? [event.stream] : []));
  }

  get limits(): number {
    return this.victim.parts.streams.places.granted;
  }

  /** Draws a byte. The bytes are the same in every run. */
  draw(): number {
    this.#random = (Math.imul(this.#random, 1103515245) + 12345) >>> 0;
    return this.#random >>> 24;
  }
}

const CHUNK = new Uint8Array(65_536);
const MAX_FILL_BYTES = 256 * 1024 * 1024;

/** Writes zeros until the stream takes no more. A limit that does not hold is an error, not an endless loop.
 *  @returns how many bytes were written */
export function fill(stream: Stream): number {
  let bytes = 0;
  for (let taken = CHUNK.length; taken > 0; bytes += taken) {
    taken = stream.write(CHUNK);
    if (bytes > MAX_FILL_BYTES) throw new Error('a stream takes bytes without end');
  }
  return bytes;
}

export interface Frame {
  readonly type: number;
  readonly id: number;
  readonly dataLength: number;
  readonly limit: number;
}

function parsed(packet: Uint8Array): Frame[] {
  const reader = new FrameReader();
  reader.begin(packet, 1 + announcedVarintLength(packet[1] as number), packet.length);
  const frames: Frame[] = [];
  for (let type = reader.next(); type !== END; type = reader.next()) {
    frames.push({ type, id: reader.streamId, dataLength: reader.dataLength, limit: reader.limit });
  }
  return frames;
}

// ---- frames ---------------------------------------------------------------------------------------------------

const written = (write: (bytes: Uint8Array) => number): Uint8Array => {
  const bytes = new Uint8Array(256);
  return bytes.slice(0, write(bytes));
};

export function data(id: number, offset: number, length: number, fin = false): Uint8Array {
  const header = written((bytes) => writeStreamHeader(bytes, 0, id, offset, length, fin));
  const frame = new Uint8Array(header.length + length);
  frame.set(header);
  return frame;
}
export function datagram(id: number, length: number): Uint8Array {
  const header = written((bytes) => writeDatagramHeader(bytes, 0, id, length));
  const frame = new Uint8Array(header.length + length);
  frame.set(header);
  return frame;
}
export const ping = Uint8Array.of(FrameType.ping);
export const reset = (id: number, finalSize = 0) =>
  written((bytes) => writeResetStream(bytes, 0, id, 0, finalSize));
export const stop = (id: number) =>
  written((bytes) => writeStreamLimit(bytes, 0, FrameType.stopSending, id, 0));
export const maxStreamData = (id: number, maximum: number) =>
  written((bytes) => writeStreamLimit(bytes, 0, FrameType.maxStreamData, id, maximum));
export const maxData = (maximum: number) =>
  written((bytes) => writeLimit(bytes, 0, FrameType.maxData, maximum));
export const challenge = (byte: number) =>
  written((bytes) => writePath(bytes, 0, FrameType.pathChallenge, new Uint8Array(8).fill(byte)));

/** An ACK of the numbers from `low` to `high`.
 *  @param further (gap, length) pairs, encoded as they are */
export function ack(low: number, high: number, further: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(32 + 8 * further.length);
  bytes[0] = FrameType.ack;
  let at = 1;
  for (const value of [high, 0, further.length / 2, high - low, ...further])
    at = writeVarint(bytes, at, value);
  return bytes.subarray(0, at);
}

export const hello = (maximum: number) =>
  encodeHello({
    version: 1,
    epoch: new Uint8Array(8).fill(1),
    expectedEpoch: new Uint8Array(8),
    role: 'client',
    maxData: maximum,
    maxStreamData: maximum,
    maxStreams: 1024,
    maxDatagramBytes: 1472,
    softwareName: '',
  });
