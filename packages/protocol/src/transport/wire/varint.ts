/** Variable-length integers (RFC 9000 §16; spec streams 1.3). The first two bits give the length, 1, 2, 4 or 8 bytes,
 *  and the other 6, 14, 30 or 62 bits the value, most significant byte first. */

/** The largest value that is written or accepted. Larger ones are not exact in a JavaScript number. */
export const MAX_VARINT = Number.MAX_SAFE_INTEGER;

const TWO_32 = 0x1_0000_0000;

/** Returns how many bytes the shortest encoding of `value` takes. */
export function varintLength(value: number): 1 | 2 | 4 | 8 {
  return value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x4000_0000 ? 4 : 8;
}

/** Writes the shortest encoding of `value`, an integer from 0 to MAX_VARINT, at `position`.
 *  @returns the position after it */
export function writeVarint(bytes: Uint8Array, position: number, value: number): number {
  if (value < 0x40) {
    bytes[position] = value;
    return position + 1;
  }
  if (value < 0x4000) {
    bytes[position] = 0x40 | (value >>> 8);
    bytes[position + 1] = value;
    return position + 2;
  }
  if (value < 0x4000_0000) {
    writeUint32(bytes, position, (0x8000_0000 | value) >>> 0);
    return position + 4;
  }
  writeUint32(bytes, position, (0xc000_0000 | Math.floor(value / TWO_32)) >>> 0);
  writeUint32(bytes, position + 4, value >>> 0);
  return position + 8;
}

/** Returns the length in bytes of an encoding that starts with `firstByte`. */
export function announcedVarintLength(firstByte: number): number {
  return 1 << (firstByte >>> 6);
}

/** Reads the varint at `position`. The caller has checked that all its bytes are there.
 *  @returns the value, or -1 if it is above MAX_VARINT */
export function readVarint(bytes: Uint8Array, position: number): number {
  const first = bytes[position] as number;
  switch (first >>> 6) {
    case 0:
      return first;
    case 1:
      return ((first & 0x3f) << 8) | (bytes[position + 1] as number);
    case 2:
      return readUint32(bytes, position) & 0x3fff_ffff;
    default: {
      const high = readUint32(bytes, position) & 0x3fff_ffff;
      // Above 2^53 - 1 (spec streams 1.3).
      return high >= 0x20_0000 ? -1 : high * TWO_32 + readUint32(bytes, position + 4);
    }
  }
}

/** Writes a 32-bit integer, most significant byte first, unlike ../../little-endian.ts. */
function writeUint32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 24;
  bytes[position + 1] = value >>> 16;
  bytes[position + 2] = value >>> 8;
  bytes[position + 3] = value;
}

function readUint32(bytes: Uint8Array, position: number): number {
  return (
    (((bytes[position] as number) << 24) |
      ((bytes[position + 1] as number) << 16) |
      ((bytes[position + 2] as number) << 8) |
      (bytes[position + 3] as number)) >>>
    0
  );
}
