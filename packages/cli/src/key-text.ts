/** The text form of a 32-byte key: base64, as the `wg` program reads and prints it. It works on bytes, because a buffer
 *  can be wiped and a string cannot. */
import { timingSafeEqual } from 'node:crypto';

export const KEY_BYTES = 32;
/** 43 digits and one '='. */
export const KEY_TEXT_BYTES = 44;

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** @param text  44 bytes of canonical base64, in which the unused bits of the last digit are zero
 *  @returns the key, or undefined when the text does not have that form */
export function decodeKeyBytes(text: Uint8Array): Uint8Array | undefined {
  if (text.length !== KEY_TEXT_BYTES || text[KEY_TEXT_BYTES - 1] !== 0x3d) return undefined;
  // The garbage collector does not move a buffer of its own, so wiping it leaves no copy.
  const key = new Uint8Array(new ArrayBuffer(KEY_BYTES));
  let bits = 0;
  let bitCount = 0;
  let at = 0;
  for (let i = 0; i < KEY_TEXT_BYTES - 1; i++) {
    const digit = digitValue(text[i] ?? 0);
    if (digit < 0) {
      key.fill(0);
      return undefined;
    }
    bits = ((bits << 6) | digit) & 0xfff;
    bitCount += 6;
    if (bitCount >= 8) {
      bitCount -= 8;
      key[at++] = (bits >>> bitCount) & 0xff;
    }
  }
  if ((bits & ((1 << bitCount) - 1)) !== 0) {
    key.fill(0);
    return undefined;
  }
  return key;
}

/** The same, for keys that arrive as a string anyway. */
export function decodeKey(text: string): Uint8Array | undefined {
  return decodeKeyBytes(new TextEncoder().encode(text));
}

/** Where `decodePublicKey` puts what it reads. */
const decoded = Buffer.alloc(KEY_BYTES);

/** The same, for public keys, of which a config has thousands. It leaves no garbage outside V8's heap. */
export function decodePublicKey(text: string): Uint8Array | undefined {
  if (text.length !== KEY_TEXT_BYTES || decoded.write(text, 'base64') !== KEY_BYTES) return undefined;
  // Buffer accepts more forms than the canonical one.
  return encodeKey(decoded) === text ? new Uint8Array(decoded) : undefined;
}

/** The same as bytes, for secrets: the caller wipes them. */
export function encodeKeyBytes(key: Uint8Array): Uint8Array {
  const text = new Uint8Array(new ArrayBuffer(KEY_TEXT_BYTES)).fill(0x3d);
  let bits = 0;
  let bitCount = 0;
  let at = 0;
  for (const byte of key) {
    bits = ((bits << 8) | byte) & 0xfff;
    bitCount += 8;
    while (bitCount >= 6) {
      bitCount -= 6;
      text[at++] = DIGITS.charCodeAt((bits >>> bitCount) & 63);
    }
  }
  text[at] = DIGITS.charCodeAt((bits << (6 - bitCount)) & 63);
  return text;
}

export function encodeKey(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('base64');
}

/** Compares keys without converting them to text, which could not be wiped. */
export function isSameKey(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Whether a text has the shape of a key. Such a text is never printed, because it may be a private key. */
export function looksLikeKey(text: string): boolean {
  return /^[A-Za-z0-9+/]{40,46}={0,2}$/.test(text.trim());
}

/** Replaces everything that is exactly a key. */
export function withoutKeys(text: string): string {
  return text.replace(/(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=/g, '(a key, not shown)');
}

/** Clamps a private key in place (RFC 7748 §5), as `wg genkey` does. */
export function clampPrivateKey(key: Uint8Array): void {
  key[0] = (key[0] ?? 0) & 248;
  key[31] = ((key[31] ?? 0) & 127) | 64;
}

/** Whether a key is clamped, as every private key from keygen or wg genkey is. One public key in 16 also looks clamped,
 *  by chance. */
export function isClamped(key: Uint8Array): boolean {
  return ((key[0] ?? 0) & 7) === 0 && ((key[31] ?? 0) & 0xc0) === 0x40;
}

function digitValue(byte: number): number {
  if (byte >= 0x41 && byte <= 0x5a) return byte - 0x41;
  if (byte >= 0x61 && byte <= 0x7a) return byte - 0x61 + 26;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30 + 52;
  if (byte === 0x2b) return 62;
  if (byte === 0x2f) return 63;
  return -1;
}
