/** IP literals as bytes, without Node's net module: captures are also written in a browser. */

/** @returns 4 bytes, or undefined if the text is not an IPv4 literal. `::ffff:192.0.2.1` is one. */
export function ipv4Bytes(text: string): Uint8Array | undefined {
  const parts = text.replace(/^::ffff:/i, '').split('.');
  const isLiteral =
    parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
  return isLiteral ? Uint8Array.from(parts, Number) : undefined;
}

/** @returns 16 bytes, or undefined if the text is not an IPv6 literal (RFC 4291 §2.2) */
export function ipv6Bytes(text: string): Uint8Array | undefined {
  const halves = withHexTail(text).split('::');
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - tail.length;
  if (halves.length > 2 || (halves.length === 2 ? missing < 1 : missing !== 0)) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => '0'), ...tail];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return Uint8Array.from(
    groups.flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >>> 8, value & 0xff];
    }),
  );
}

/** Turns `::ffff:192.0.2.1` into `::ffff:c000:201`. */
function withHexTail(text: string): string {
  const colon = text.lastIndexOf(':');
  const tail = ipv4Bytes(text.slice(colon + 1));
  if (tail === undefined) return text;
  const group = (at: number): string => (((tail[at] as number) << 8) | (tail[at + 1] as number)).toString(16);
  return `${text.slice(0, colon + 1)}${group(0)}:${group(2)}`;
}
