/** TAI64N timestamps, 12 bytes, big-endian: the only use of wall-clock time in the protocol (spec handshake 3.3). */

export const TAI64N_BYTES = 12;

/** A time in steps of 2^24 ns (16.8 ms). That is fine enough to order handshakes, and too coarse to reveal much about
 *  the clock. */
export interface Tai64n {
  /** Unix seconds, a whole number. */
  readonly seconds: number;
  /** A multiple of 2^24 below 10^9. */
  readonly nanoseconds: number;
}

const STEP_NANOSECONDS = 2 ** 24;
const NANOSECONDS_PER_SECOND = 1_000_000_000;
/** TAI64 labels count seconds from 2^62, and TAI was 10 s ahead of Unix time in 1970. */
const LABEL_HIGH = 0x4000_0000;
const TAI_OFFSET_SECONDS = 10;
const TWO_32 = 2 ** 32;
/** The greatest time that a JavaScript Date can hold. */
const MAX_DATE_MS = 8_640_000_000_000_000;

/** Converts a time to TAI64N, rounded down. Times before 1970 become 1970. */
export function tai64nFromUnixMs(unixTimeMs: number): Tai64n {
  const ms = Math.max(0, unixTimeMs);
  const seconds = Math.floor(ms / 1000);
  const nanoseconds = Math.floor((ms - seconds * 1000) * 1_000_000);
  return { seconds, nanoseconds: nanoseconds - (nanoseconds % STEP_NANOSECONDS) };
}

/** Returns the timestamp to send now: the clock's, or one step after the last one sent if the clock has not passed
 *  that. So timestamps rise even when the clock is set back, and the client is not locked out (spec handshake 3.3). */
export function nextTai64n(lastSent: Tai64n | undefined, unixTimeMs: number): Tai64n {
  const clock = tai64nFromUnixMs(unixTimeMs);
  if (lastSent === undefined || isLater(clock, lastSent)) return clock;
  const nanoseconds = lastSent.nanoseconds + STEP_NANOSECONDS;
  if (nanoseconds < NANOSECONDS_PER_SECOND) return { seconds: lastSent.seconds, nanoseconds };
  return { seconds: lastSent.seconds + 1, nanoseconds: 0 };
}

function isLater(a: Tai64n, b: Tai64n): boolean {
  return a.seconds > b.seconds || (a.seconds === b.seconds && a.nanoseconds > b.nanoseconds);
}

/** @returns 12 bytes, which compare as the times do */
export function encodeTai64n(stamp: Tai64n): Uint8Array {
  const bytes = new Uint8Array(TAI64N_BYTES);
  const label = stamp.seconds + TAI_OFFSET_SECONDS;
  writeBigEndian(bytes, 0, LABEL_HIGH + Math.floor(label / TWO_32));
  writeBigEndian(bytes, 4, label % TWO_32);
  writeBigEndian(bytes, 8, stamp.nanoseconds);
  return bytes;
}

/** Decodes a timestamp to Unix milliseconds, rounded down. A peer may send any 12 bytes, so the result is limited to
 *  times from 1970 on that a `Date` can hold. */
export function unixMsFromTai64n(bytes: Uint8Array): number {
  const seconds =
    (readBigEndian(bytes, 0) - LABEL_HIGH) * TWO_32 + readBigEndian(bytes, 4) - TAI_OFFSET_SECONDS;
  const milliseconds = Math.floor(seconds * 1000 + readBigEndian(bytes, 8) / 1_000_000);
  return Math.min(Math.max(milliseconds, 0), MAX_DATE_MS);
}

/** Compares two encoded timestamps byte by byte.
 *  @returns a negative number, zero or a positive number as `a` is earlier than, equal to or later than `b` */
export function compareTai64n(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < TAI64N_BYTES; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

function writeBigEndian(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 24;
  bytes[position + 1] = value >>> 16;
  bytes[position + 2] = value >>> 8;
  bytes[position + 3] = value;
}

function readBigEndian(bytes: Uint8Array, position: number): number {
  let value = 0;
  for (let i = 0; i < 4; i++) value = value * 256 + (bytes[position + i] as number);
  return value;
}
