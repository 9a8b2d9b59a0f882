/** A CLOSE that is written apart from any connection (spec streams 8.1): to a peer that is removed, and to a process whose connection another
 *  process with the same key has ended. It is sealed at once, because the keys go with it, and waits at the endpoint until it is sent. */
import type { Address } from '../address.js';
import { FAREWELL_PACKET_NUMBER, PACKET_TYPE } from '../transport/limits.js';
import { encodeHello, type Hello, writeClose } from '../transport/wire/frames.js';
import { writeVarint } from '../transport/wire/varint.js';

export interface Farewell {
  readonly to: Address;
  /** A sealed transport message. */
  readonly datagram: Uint8Array;
}

/** @param hello binds the keypair where the receiver has accepted none under it, so the packet stands alone
 *  @param reason printable ASCII, at most 128 characters
 *  @returns the length of the packet that begins at `start` */
export function writeFarewell(
  into: Uint8Array,
  start: number,
  hello: Hello,
  { code, reason }: { readonly code: number; readonly reason: string },
): number {
  into[start] = PACKET_TYPE;
  let at = writeVarint(into, start + 1, FAREWELL_PACKET_NUMBER);
  const frame = encodeHello(hello);
  into.set(frame, at);
  at += frame.length;
  const text = Uint8Array.from(reason, (character) => character.charCodeAt(0) & 0x7f);
  return writeClose(into, at, code, text) - start;
}
