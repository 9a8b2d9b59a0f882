/** Farewells: CLOSE packets that belong to no connection (spec streams 8.1). They go to a peer that is removed, and to
 *  a process whose connection another process with the same key has ended. A farewell is sealed at once, because its
 *  keys are wiped right after, and waits at the endpoint until it is sent. */
import type { Address } from '../address.js';
import { HEADER_BYTES } from '../datagram-layout.js';
import { FAREWELL_PACKET_NUMBER, PACKET_TYPE } from '../transport/limits.js';
import type { Path } from '../transport/path/path.js';
import { encodeHello, type Hello, writeClose } from '../transport/wire/frames.js';
import { writeVarint } from '../transport/wire/varint.js';
import type { Session } from '../wireguard/session.js';

/** Enough for HELLO and CLOSE with the longest texts, sealed. */
const MAX_FAREWELL_BYTES = 400;

export interface Farewell {
  readonly to: Address;
  /** Whether that address is proven, so that any number of copies may be sent there (spec path 2). */
  readonly isProven: boolean;
  /** A sealed transport message. */
  readonly datagram: Uint8Array;
  /** When its keypair expires, so that it may no longer be sent. */
  readonly expiresAt: number;
}

/** Makes a farewell, sealed under the current keypair.
 *  @returns undefined if there is no keypair or address, or the path does not permit it */
export function sealFarewell(
  now: number,
  session: Session<unknown>,
  path: Path,
  hello: Hello,
  error: { readonly code: number; readonly reason: string },
): Farewell | undefined {
  const to = path.address;
  const expiresAt = session.sendableUntil(now);
  if (to === undefined || expiresAt === undefined) return undefined;
  if (path.allowanceBytes < MAX_FAREWELL_BYTES) return undefined;
  const buffer = new Uint8Array(MAX_FAREWELL_BYTES);
  const length = writeFarewell(buffer, HEADER_BYTES, hello, error);
  const { isProven } = path;
  return { to, isProven, expiresAt, datagram: buffer.slice(0, session.seal(now, buffer, 0, length)) };
}

/** Writes the packet of a farewell.
 *  @param hello comes first. It binds the keypair, in case the receiver has accepted no other HELLO under it.
 *  @param reason printable ASCII, at most 128 characters
 *  @returns the length of the packet, which begins at `start` */
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
