/** Unsigned 32-bit integers, least significant byte first. All integers in WireGuard's messages are like this, except
 *  those of TAI64N timestamps (spec wire 1.1). */

/** Reads the four bytes at `position` as a number from 0 to 2^32 - 1. */
export function readUint32(bytes: Uint8Array, position: number): number {
  return (
    ((bytes[position] as number) |
      ((bytes[position + 1] as number) << 8) |
      ((bytes[position + 2] as number) << 16) |
      ((bytes[position + 3] as number) << 24)) >>>
    0
  );
}

/** Writes `value`, a number from 0 to 2^32 - 1, into the four bytes at `position`. */
export function writeUint32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value;
  bytes[position + 1] = value >>> 8;
  bytes[position + 2] = value >>> 16;
  bytes[position + 3] = value >>> 24;
}
