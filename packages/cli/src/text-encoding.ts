/** Text as editors and shells of other systems save it. Windows PowerShell's `>` writes UTF-16 with a byte order mark,
 *  and its editors put one before UTF-8. */

/** The ASCII bytes of a text in UTF-8 or UTF-16 that may begin with a byte order mark. Other characters of UTF-16
 *  become 0xff.
 *  @returns a view into `bytes` where it can; otherwise a copy, and `bytes` is wiped, since the text may be a key */
export function asciiOf(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return bytes.subarray(3);
  const isLittleEndian = bytes[0] === 0xff && bytes[1] === 0xfe;
  const isBigEndian = bytes[0] === 0xfe && bytes[1] === 0xff;
  if (!isLittleEndian && !isBigEndian) return bytes;
  const ascii = new Uint8Array((bytes.length - 2) >> 1);
  for (let i = 0; i < ascii.length; i++) {
    const first = bytes[2 + 2 * i] ?? 0;
    const second = bytes[3 + 2 * i] ?? 0;
    const [low, high] = isLittleEndian ? [first, second] : [second, first];
    ascii[i] = high === 0 ? low : 0xff;
  }
  bytes.fill(0);
  return ascii;
}

/** The characters of a text in UTF-8 or UTF-16, without the byte order mark. */
export function textOf(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  return new TextDecoder('utf-8').decode(bytes);
}
