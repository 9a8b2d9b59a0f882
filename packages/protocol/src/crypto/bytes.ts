/** Small functions on bytes that Node's Buffer would offer. The protocol runs without Node, so it has its own. */

/** Overwrites secrets with zeros.
 *
 *  The engine may have copied a secret before that, to a register or while collecting garbage. Wiping therefore
 *  shortens the time for which a secret is in memory, but it cannot promise that no trace is left. */
export function wipe(...secrets: (Uint8Array | undefined)[]): void {
  for (const secret of secrets) secret?.fill(0);
}

/** Returns `length` zero bytes to hold a secret that lives long.
 *
 *  V8 keeps small arrays in its own heap, where the garbage collector moves them and leaves their old bytes behind. An
 *  array over an ArrayBuffer of its own never moves, so wiping it leaves no other copy. */
export function secretBytes(length: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(length));
}

/** Copies a secret to memory that never moves (see `secretBytes`). */
export function copySecret(secret: Uint8Array): Uint8Array {
  const copy = secretBytes(secret.length);
  copy.set(secret);
  return copy;
}

/** Draws a random secret, such as a key, and wipes the bytes that the source returned.
 *  @returns a copy, because the source may return a view of a larger buffer */
export function drawSecret(random: (length: number) => Uint8Array, length: number): Uint8Array {
  const drawn = random(length);
  const secret = copySecret(drawn);
  wipe(drawn);
  return secret;
}

/** Returns the bytes of a text that consists of ASCII characters. */
export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Returns a string with one character for each byte. It serves as the key of a Map, which compares arrays by
 *  identity. */
export function bytesKey(bytes: Uint8Array): string {
  // Spreading the bytes would make an object for each of them.
  return Reflect.apply(String.fromCharCode, undefined, bytes);
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Encodes bytes in base64, with padding (RFC 4648 §4). */
export function base64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const group =
      ((bytes[i] as number) << 16) | ((left > 1 ? (bytes[i + 1] as number) : 0) << 8) | (bytes[i + 2] ?? 0);
    text += BASE64.charAt(group >>> 18) + BASE64.charAt((group >>> 12) & 63);
    text += left > 1 ? BASE64.charAt((group >>> 6) & 63) : '=';
    text += left > 2 ? BASE64.charAt(group & 63) : '=';
  }
  return text;
}

/** Whether all bytes are zero. It looks at every byte, so its time depends on the length alone. */
export function isAllZero(bytes: Uint8Array): boolean {
  let sum = 0;
  for (const byte of bytes) sum |= byte;
  return sum === 0;
}
