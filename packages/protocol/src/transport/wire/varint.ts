/** Variable-length integers (RFC 9000 §16; spec streams 1.3): two bits of length, then 6, 14, 30 or 62 bits. */

/** The largest value that is written or accepted: exact in a JavaScript number. */
export const MAX_VARINT = Number.MAX_SAFE_INTEGER;

const TWO_32 = 0x1_0000_0000;

/** Bytes that `value` takes. */
export function varintLength(value: number): 1 | 2 | 4 | 8 {
  return value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x4000_0000 ? 4 : 8;
}

/** Writes `value` (an integer from 0 to MAX_VARINT) at `position`.
 *  @returns the position behind it */
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

/** The encoded length that the first byte announces. */
export function announcedVarintLength(firstByte: number): number {
  return 1 << (firstByte >>> 6);
}

/** Reads the varint at `position`, all of whose bytes are there.
 *  @returns the value, or -1 when it is above MAX_VARINT */
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
      // spec streams 1.3: 2^53 - 1 is the largest
      return high >= 0x20_0000 ? -1 : high * TWO_32 + readUint32(bytes, position + 4);
    }
  }
}

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
