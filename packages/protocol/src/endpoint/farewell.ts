/** A CLOSE that is written apart from any connection (spec streams 8.1): to a peer that is removed, and to a process
 *  whose connection another process with the same key has ended. It is sealed at once, because the keys go with it, and
 *  waits at the endpoint until it is sent. */
import type { Address } from '../address.js';
import { HEADER_BYTES } from '../datagram-layout.js';
import { FAREWELL_PACKET_NUMBER, PACKET_TYPE } from '../transport/limits.js';
import type { Path } from '../transport/path/path.js';
import { encodeHello, type Hello, writeClose } from '../transport/wire/frames.js';
import { writeVarint } from '../transport/wire/varint.js';
import type { Session } from '../wireguard/session.js';

/** HELLO and CLOSE with the longest texts, sealed. */
const MAX_FAREWELL_BYTES = 400;

export interface Farewell {
  readonly to: Address;
  /** A sealed transport message. */
  readonly datagram: Uint8Array;
}

/** Seals one under the current keypair. @returns undefined where none may be sent */
export function sealFarewell(
  now: number,
  session: Session<unknown>,
  path: Path,
  hello: Hello,
  error: { readonly code: number; readonly reason: string },
): Farewell | undefined {
  const to = path.address;
  if (to === undefined || session.sendableKeypairId(now) === undefined) return undefined;
  if (path.allowanceBytes < MAX_FAREWELL_BYTES) return undefined;
  const buffer = new Uint8Array(MAX_FAREWELL_BYTES);
  const length = writeFarewell(buffer, HEADER_BYTES, hello, error);
  return { to, datagram: buffer.subarray(0, session.seal(now, buffer, 0, length)) };
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
