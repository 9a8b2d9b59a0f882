/** Small things done to bytes that the platform-free protocol cannot take from a platform. */

/** Overwrites a secret. The engine may have copied it before (a moving collector, a register): this shortens the time
 *  for which a secret lies about, it does not promise that no trace is left. */
export function wipe(...secrets: (Uint8Array | undefined)[]): void {
  for (const secret of secrets) secret?.fill(0);
}

/** Zeros for a secret that lives for long. V8 keeps small arrays within its heap, and its collector moves them and leaves what was
 *  there; an array over a buffer of its own stays where it is, so that wiping it leaves no other copy. */
export function secretBytes(length: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(length));
}

/** A copy of a secret that stays where it is, as `secretBytes` does. */
export function copySecret(secret: Uint8Array): Uint8Array {
  const copy = secretBytes(secret.length);
  copy.set(secret);
  return copy;
}

/** Draws a key and wipes what the source gave.
 *  @returns a copy, because the source may give a view of something larger */
export function drawSecret(random: (length: number) => Uint8Array, length: number): Uint8Array {
  const drawn = random(length);
  const secret = copySecret(drawn);
  wipe(drawn);
  return secret;
}

/** The bytes of a text of ASCII characters. */
export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** The bytes as a string of as many characters: a key for a Map. */
export function bytesKey(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** RFC 4648 §4, with padding. */
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

export function isAllZero(bytes: Uint8Array): boolean {
  let sum = 0;
  for (const byte of bytes) sum |= byte;
  return sum === 0;
}
