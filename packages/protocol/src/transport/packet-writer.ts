import { PADDING_BYTES } from '../datagram-layout.js';
import { PACKET_TYPE } from './limits.js';
import {
  type FrameType,
  limitLength,
  PATH_DATA_BYTES,
  resetStreamLength,
  streamLimitLength,
  writeClose,
  writeLimit,
  writePath,
  writePing,
  writeResetStream,
  writeStreamLimit,
} from './wire/frames.js';
import { writeVarint } from './wire/varint.js';

const NO_BYTES = new Uint8Array(0);

/** The packet that is being written: where the next frame goes, and how much room is left (spec streams 1.1).
 *
 *  Each `add…` method writes one frame. Those that return a boolean write nothing and return false if the frame does
 *  not fit; for the others, the caller has to know that it fits. ACK and STREAM frames are written by the parts that
 *  know their contents: these get `bytes`, `at` and `room`, and the position after the frame is passed to `advance`.
 *
 *  The packet builder owns the writer and reuses it for every packet. The writer writes in place, into the batch that
 *  will be sent. It decides nothing: not what goes into a packet, and not whether it may be sent. */
export class PacketWriter {
  /** The buffer that the packet is written into. */
  bytes: Uint8Array = NO_BYTES;
  /** Where the next frame goes. */
  at = 0;
  /** Whether a frame in the packet asks for an acknowledgement. */
  isAckEliciting = false;
  #start = 0;
  #firstFrame = 0;
  #end = 0;

  /** Begins a packet in bytes[start, start + maxBytes), and writes its number. */
  begin(bytes: Uint8Array, start: number, maxBytes: number, packetNumber: number): void {
    this.bytes = bytes;
    this.isAckEliciting = false;
    this.#start = start;
    this.#end = start + maxBytes;
    bytes[start] = PACKET_TYPE;
    this.at = writeVarint(bytes, start + 1, packetNumber);
    this.#firstFrame = this.at;
  }

  /** How many bytes are left for frames. */
  get room(): number {
    return this.#end - this.at;
  }
  /** Whether there is no frame in the packet yet. */
  get isEmpty(): boolean {
    return this.at === this.#firstFrame;
  }

  /** Another part has written a frame at `at`.
   *  @param at the position after the frame, or the old position if the frame did not fit
   *  @returns whether it did fit */
  advance(at: number, isAckEliciting: boolean): boolean {
    if (at === this.at) return false;
    this.at = at;
    if (isAckEliciting) this.isAckEliciting = true;
    return true;
  }

  /** Takes back the frames from `at` on, none of which asks for an acknowledgement. */
  rewind(at: number): void {
    this.at = at;
  }

  /** Adds a HELLO frame, for which there must be room. */
  addHello(frame: Uint8Array): void {
    this.bytes.set(frame, this.at);
    this.advance(this.at + frame.length, true);
  }

  addPing(): boolean {
    if (this.room < 1) return false;
    return this.advance(writePing(this.bytes, this.at), true);
  }

  addPath(type: FrameType, data: Uint8Array): boolean {
    if (this.room < 1 + PATH_DATA_BYTES) return false;
    return this.advance(writePath(this.bytes, this.at, type, data), true);
  }

  addLimit(type: FrameType, limit: number): boolean {
    if (this.room < limitLength(limit)) return false;
    return this.advance(writeLimit(this.bytes, this.at, type, limit), true);
  }

  addStreamLimit(type: FrameType, streamId: number, value: number): boolean {
    if (this.room < streamLimitLength(streamId, value)) return false;
    return this.advance(writeStreamLimit(this.bytes, this.at, type, streamId, value), true);
  }

  addResetStream(streamId: number, code: number, finalSize: number): boolean {
    if (this.room < resetStreamLength(streamId, code, finalSize)) return false;
    return this.advance(writeResetStream(this.bytes, this.at, streamId, code, finalSize), true);
  }

  /** Adds CLOSE, for which there must be room.
   *  @param reason at most MAX_CLOSE_REASON_BYTES of printable ASCII */
  addClose(code: number, reason: string): void {
    const text = new Uint8Array(reason.length);
    for (let i = 0; i < reason.length; i++) text[i] = reason.charCodeAt(i) & 0x7f;
    this.at = writeClose(this.bytes, this.at, code, text);
  }

  /** Fills the rest of the room with padding. */
  fill(): void {
    this.bytes.fill(0, this.at, this.#end);
    this.at = this.#end;
  }

  /** Ends the packet, and pads it to a multiple of 16 as WireGuard does, as far as there is room.
   *  @returns its length */
  finish(): number {
    const padded = Math.ceil((this.at - this.#start) / PADDING_BYTES) * PADDING_BYTES;
    const end = Math.min(this.#start + padded, this.#end);
    if (end > this.at) this.bytes.fill(0, this.at, end);
    this.at = end;
    return end - this.#start;
  }
}
