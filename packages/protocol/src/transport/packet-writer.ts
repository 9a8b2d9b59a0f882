/** One packet while it is being written: where the next frame goes, and how much room is left (spec streams 1.1).
 *
 *  Each `add…` writes one frame if it fits and says whether it did. ACK and STREAM frames are written by whoever knows their contents:
 *  they get `bytes`, `at` and `room`, and the position behind them goes to `advance`. */
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

export class PacketWriter {
  bytes: Uint8Array = NO_BYTES;
  at = 0;
  /** Something in it asks for an acknowledgement. */
  isAckEliciting = false;
  #start = 0;
  #firstFrame = 0;
  #end = 0;

  begin(bytes: Uint8Array, start: number, maxBytes: number, packetNumber: number): void {
    this.bytes = bytes;
    this.isAckEliciting = false;
    this.#start = start;
    this.#end = start + maxBytes;
    bytes[start] = PACKET_TYPE;
    this.at = writeVarint(bytes, start + 1, packetNumber);
    this.#firstFrame = this.at;
  }

  get room(): number {
    return this.#end - this.at;
  }
  get isEmpty(): boolean {
    return this.at === this.#firstFrame;
  }

  /** Somebody else has written a frame. @param at behind it; where it was when the frame did not fit
   *  @returns false when it did not */
  advance(at: number, isAckEliciting: boolean): boolean {
    if (at === this.at) return false;
    this.at = at;
    if (isAckEliciting) this.isAckEliciting = true;
    return true;
  }

  /** There must be room. */
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

  /** There must be room. @param reason printable ASCII */
  addClose(code: number, reason: string): void {
    const text = new Uint8Array(reason.length);
    for (let i = 0; i < reason.length; i++) text[i] = reason.charCodeAt(i) & 0x7f;
    this.at = writeClose(this.bytes, this.at, code, text);
  }

  /** Padding to the end of the room. */
  fill(): void {
    this.bytes.fill(0, this.at, this.#end);
    this.at = this.#end;
  }

  /** Pads to the next multiple of 16, as WireGuard does, as far as there is room. @returns the length of the packet */
  finish(): number {
    const padded = Math.ceil((this.at - this.#start) / PADDING_BYTES) * PADDING_BYTES;
    const end = Math.min(this.#start + padded, this.#end);
    this.bytes.fill(0, this.at, end);
    this.at = end;
    return end - this.#start;
  }
}
