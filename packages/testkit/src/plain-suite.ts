/** A crypto suite for simulations: FAST, DETERMINISTIC AND NOT SECURE IN ANY WAY.
 *
 *  It has the same interface and sizes as the real suite, and the properties on which the protocol's correctness
 *  relies: both sides derive the same keys, different keys give different bytes, and a modified message does not open.
 *  Anybody can read and forge what it seals. */
import { type Aead, assert, type CryptoSuite, KEY_BYTES, TAG_BYTES } from '@underpass/protocol';

const GENERATOR = [
  0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1, 0xd3a2646d, 0xfd7046c5, 0xb55a4f09,
];
const LANES = GENERATOR.length;

export function createInsecureTestSuite(): CryptoSuite {
  return {
    name: 'INSECURE (for simulations only)',
    x25519: (privateKey, publicKey) => multiply(privateKey, readWords(publicKey)),
    x25519PublicKey: (privateKey) => multiply(privateKey, GENERATOR) ?? new Uint8Array(KEY_BYTES),
    hash: (...parts) => mix(0, ...parts),
    mac: (key, input) => mix(1, key, input).subarray(0, 16),
    hmac: (key, input) => mix(2, key, input),
    aead: (key) => new PlainAead(key),
    xaeadSeal(key, nonce, plaintext, additional) {
      const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
      sealed.set(plaintext);
      new PlainAead(mix(3, key, nonce)).seal(0, 0, sealed, 0, plaintext.length, additional);
      return sealed;
    },
    xaeadOpen(key, nonce, sealed, additional) {
      const opened = new Uint8Array(sealed);
      const isGenuine = new PlainAead(mix(3, key, nonce)).open(0, 0, opened, 0, sealed.length, additional);
      return isGenuine ? opened.subarray(0, sealed.length - TAG_BYTES) : undefined;
    },
    equal: (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]),
  };
}

/** "Diffie-Hellman" in eight lanes of multiplication modulo 2^32, which commutes and is easy to reverse.
 *  @returns undefined when the result is all zero, like the real one */
function multiply(privateKey: Uint8Array, factors: readonly number[]): Uint8Array | undefined {
  const product = readWords(privateKey).map((word, lane) => Math.imul(word | 1, factors[lane] as number));
  return product.every((word) => word === 0) ? undefined : writeWords(product);
}

/** 32 bytes that depend on every byte of every part. */
function mix(domain: number, ...parts: Uint8Array[]): Uint8Array {
  const state = GENERATOR.map((word) => word ^ domain);
  let lane = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) {
      const previous = state[(lane + LANES - 1) % LANES] as number;
      const word = Math.imul((state[lane] as number) ^ (part[i] as number), 0x01000193) + previous;
      state[lane] = word ^ (word >>> 15);
      lane = (lane + 1) % LANES;
    }
  }
  for (let round = 0; round < 4 * LANES; round++) {
    const previous = state[(lane + LANES - 1) % LANES] as number;
    const word = Math.imul((state[lane] as number) ^ previous, 0x85ebca6b) + round;
    state[lane] = word ^ (word >>> 13);
    lane = (lane + 1) % LANES;
  }
  return writeWords(state);
}

/** XORs with a keystream, and adds a keyed checksum of 128 bits over counter, additional data and ciphertext. It keeps
 *  its key until it is destroyed, like the real ciphers. */
class PlainAead implements Aead {
  readonly #key: number[];
  #destroyed = false;
  readonly #tag = new Uint8Array(TAG_BYTES);

  constructor(key: Uint8Array) {
    assert(key.length === KEY_BYTES, 'an AEAD key has 32 bytes');
    this.#key = readWords(key);
  }

  seal(
    high: number,
    low: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): void {
    this.#applyKeystream(high, low, buffer, offset, length);
    buffer.set(this.#checksum(high, low, buffer, offset, length, additional), offset + length);
  }

  open(
    high: number,
    low: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional?: Uint8Array,
  ): boolean {
    const textLength = length - TAG_BYTES;
    if (textLength < 0) return false;
    const tag = this.#checksum(high, low, buffer, offset, textLength, additional);
    for (let i = 0; i < TAG_BYTES; i++) if (buffer[offset + textLength + i] !== tag[i]) return false;
    this.#applyKeystream(high, low, buffer, offset, textLength);
    return true;
  }

  destroy(): void {
    this.#key.fill(0);
    this.#destroyed = true;
  }

  #applyKeystream(high: number, low: number, buffer: Uint8Array, offset: number, length: number): void {
    let word = (this.#key[0] as number) ^ Math.imul(low + 1, 0x9e3779b1) ^ high;
    const end = offset + length;
    let i = offset;
    for (; i + 4 <= end; i += 4) {
      word = nextWord(word);
      const mask = word ^ (word >>> 16);
      buffer[i] = (buffer[i] as number) ^ mask;
      buffer[i + 1] = (buffer[i + 1] as number) ^ (mask >>> 8);
      buffer[i + 2] = (buffer[i + 2] as number) ^ (mask >>> 16);
      buffer[i + 3] = (buffer[i + 3] as number) ^ (mask >>> 24);
    }
    for (; i < end; i++) {
      word = nextWord(word);
      buffer[i] = (buffer[i] as number) ^ (word >>> 24);
    }
  }

  #checksum(
    high: number,
    low: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    additional: Uint8Array | undefined,
  ): Uint8Array {
    assert(!this.#destroyed, 'the AEAD was destroyed');
    const key = this.#key;
    // Each step is a bijection of the state, so a single difference never disappears. Both halves of the counter take a
    // step in both sums, or else the same bit of both and of the first word would cancel out.
    let a = Math.imul((key[1] as number) ^ low, 0x01000193) ^ high;
    let b = Math.imul((key[2] as number) ^ low, 0x85ebca6b);
    a = Math.imul(a, 0x01000193);
    b = Math.imul(b ^ (b >>> 13) ^ high, 0x85ebca6b);
    b ^= b >>> 13;
    for (const byte of additional ?? []) {
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(b ^ byte, 0x85ebca6b);
      b ^= b >>> 13;
    }
    const end = offset + length;
    let i = offset;
    for (; i + 4 <= end; i += 4) {
      const word = readWord(buffer, i);
      a = Math.imul(a ^ word, 0x01000193);
      b = Math.imul(b ^ word, 0x85ebca6b);
      b ^= b >>> 13;
    }
    for (; i < end; i++) {
      const byte = buffer[i] as number;
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(b ^ byte, 0x85ebca6b);
      b ^= b >>> 13;
    }
    // Include the length, so that zeros at the end make a difference.
    const words = [a ^ length, b, Math.imul(a ^ (key[3] as number), b | 1), a + b + (key[4] as number)];
    for (let w = 0; w < words.length; w++) writeWord(this.#tag, 4 * w, words[w] as number);
    return this.#tag;
  }
}

function nextWord(word: number): number {
  return Math.imul(word ^ (word >>> 15), 0x2c1b3c6d) + 0x165667b1;
}

function readWord(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

function readWords(bytes: Uint8Array): number[] {
  const words: number[] = [];
  for (let i = 0; i < bytes.length; i += 4) words.push(readWord(bytes, i));
  return words;
}

function writeWords(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  for (let i = 0; i < words.length; i++) writeWord(bytes, 4 * i, words[i] as number);
  return bytes;
}

function writeWord(bytes: Uint8Array, position: number, word: number): void {
  for (let i = 0; i < 4; i++) bytes[position + i] = word >>> (8 * i);
}
