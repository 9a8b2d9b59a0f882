/** Decodes text as other systems save it. In Windows PowerShell `>` writes UTF-16 with a byte order mark, and Windows
 *  editors put one before UTF-8. */

/** Returns the ASCII bytes of a text in UTF-8 or UTF-16, with or without a byte order mark. Other characters of UTF-16
 *  become 0xff.
 *
 *  @returns a view into `bytes` if possible; otherwise a copy, and `bytes` is wiped because the text may be a key */
export function asciiOf(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return bytes.subarray(3);
  const isLittleEndian = bytes[0] === 0xff && bytes[1] === 0xfe;
  const isBigEndian = bytes[0] === 0xfe && bytes[1] === 0xff;
  if (!isLittleEndian && !isBigEndian) return bytes;
  // V8 would move a small array in its own heap, and leave the bytes behind.
  const ascii = new Uint8Array(new ArrayBuffer((bytes.length - 2) >> 1));
  for (let i = 0; i < ascii.length; i++) {
    const first = bytes[2 + 2 * i] ?? 0;
    const second = bytes[3 + 2 * i] ?? 0;
    const [low, high] = isLittleEndian ? [first, second] : [second, first];
    ascii[i] = high === 0 ? low : 0xff;
  }
  bytes.fill(0);
  return ascii;
}

/** Returns the characters of a text in UTF-8 or UTF-16, without the byte order mark. */
export function textOf(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  return new TextDecoder('utf-8').decode(bytes);
}
