import { createInsecureTestSuite, SeededRandom } from '@underpass/testkit';
import { describe, expect, test } from 'vitest';

const suite = createInsecureTestSuite();
const random = new SeededRandom(1);

describe('the insecure suite', () => {
  test('says in its name that it is insecure', () => expect(suite.name).toContain('INSECURE'));

  test('gives both sides the same shared secret, and others a different one', () => {
    const [a, b, c] = [random.bytes(32), random.bytes(32), random.bytes(32)];
    const shared = suite.x25519(a, suite.x25519PublicKey(b));
    expect(shared).toEqual(suite.x25519(b, suite.x25519PublicKey(a)));
    expect(shared).not.toEqual(suite.x25519(c, suite.x25519PublicKey(a)));
    expect(suite.x25519(a, new Uint8Array(32))).toBeUndefined();
  });

  test('opens what it sealed, but not with a changed bit, byte or additional data', () => {
    const aead = suite.aead(random.bytes(32));
    const additional = random.bytes(32);
    const plaintext = random.bytes(100);
    const sealed = new Uint8Array(116);
    sealed.set(plaintext);
    aead.seal(1, 2, sealed, 0, 100, additional);
    const opens = (bytes: Uint8Array, high = 1, low = 2, more = additional) =>
      aead.open(high, low, new Uint8Array(bytes), 0, bytes.length, more);
    expect(opens(sealed)).toBe(true);
    for (let bit = 0; bit < 8 * sealed.length; bit++) {
      const altered = new Uint8Array(sealed);
      altered[bit >>> 3] = (altered[bit >>> 3] as number) ^ (1 << (bit & 7));
      expect(opens(altered)).toBe(false);
    }
    for (let length = 0; length < sealed.length; length++)
      expect(opens(sealed.subarray(0, length))).toBe(false);
    expect(opens(sealed, 2, 2)).toBe(false);
    expect(opens(sealed, 1, 3)).toBe(false);
    expect(opens(sealed, 1, 2, new Uint8Array(32))).toBe(false);
    const opened = new Uint8Array(sealed);
    aead.open(1, 2, opened, 0, 116, additional);
    expect(opened.subarray(0, 100)).toEqual(plaintext);
  });

  test('opens nothing under another counter, however long the message (seed 6748)', () => {
    for (let length = 0; length < 1200; length += 60) {
      const aead = suite.aead(random.bytes(32));
      const sealed = random.bytes(length + 16);
      aead.seal(0, 7, sealed, 0, length);
      for (let bit = 0; bit < 32; bit++) {
        expect(aead.open((1 << bit) >>> 0, 7, new Uint8Array(sealed), 0, sealed.length)).toBe(false);
        expect(aead.open(0, (7 ^ (1 << bit)) >>> 0, new Uint8Array(sealed), 0, sealed.length)).toBe(false);
      }
    }
  });

  test('opens nothing with up to three changed bits, wherever they are (seed 505297)', () => {
    const aead = suite.aead(random.bytes(32));
    // As the network may change them: a counter of 8 bytes, a text of 8 and its tag.
    const message = new Uint8Array(8 + 8 + 16);
    const view = new DataView(message.buffer);
    view.setUint32(0, 0x4c5, true);
    aead.seal(0, 0x4c5, message, 8, 8);
    const sealed = new Uint8Array(message);
    const bits = 8 * message.length;
    const flip = (bit: number): void => {
      message[bit >>> 3] = (message[bit >>> 3] as number) ^ (1 << (bit & 7));
    };
    const opened: number[][] = [];
    /** Flips one more bit, up to three, in every possible way. */
    const tryFlips = (flipped: number[], from: number): void => {
      for (let bit = from; bit < bits; bit++) {
        flip(bit);
        if (aead.open(view.getUint32(4, true), view.getUint32(0, true), message, 8, 24)) {
          opened.push([...flipped, bit]);
          message.set(sealed);
          for (const again of [...flipped, bit]) flip(again);
        }
        if (flipped.length < 2) tryFlips([...flipped, bit], bit + 1);
        flip(bit);
      }
    };
    tryFlips([], 0);
    expect(opened).toEqual([]);
  });

  test('seals a message of no bytes', () => {
    const aead = suite.aead(random.bytes(32));
    const sealed = new Uint8Array(16);
    aead.seal(0, 0, sealed, 0, 0);
    expect(aead.open(0, 0, new Uint8Array(sealed), 0, 16)).toBe(true);
    expect(aead.open(0, 1, new Uint8Array(sealed), 0, 16)).toBe(false);
  });

  test('opens what it sealed under a long nonce', () => {
    const [key, nonce, additional] = [random.bytes(32), random.bytes(24), random.bytes(16)];
    const sealed = suite.xaeadSeal(key, nonce, random.bytes(16), additional);
    expect(sealed).toHaveLength(32);
    expect(suite.xaeadOpen(key, nonce, sealed, additional)).toHaveLength(16);
    expect(suite.xaeadOpen(key, random.bytes(24), sealed, additional)).toBeUndefined();
  });

  test('hashes every byte and every significant boundary', () => {
    const bytes = random.bytes(64);
    const hash = suite.hash(bytes);
    for (let i = 0; i < 64; i++) {
      const altered = new Uint8Array(bytes);
      altered[i] = (altered[i] as number) ^ 1;
      expect(suite.hash(altered)).not.toEqual(hash);
    }
    expect(suite.hash(bytes.subarray(0, 10), bytes.subarray(10))).toEqual(hash);
    expect(suite.mac(random.bytes(32), bytes)).toHaveLength(16);
  });
});
