/** Tests of ChaCha20-Poly1305 in place, with a 64-bit counter in two halves. */
import { createCipheriv } from 'node:crypto';
import { type Aead, AssertionError, type CryptoSuite } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { hchacha20 } from './hchacha20.js';
import { fromHex, toHex } from './hex.js';
import { type AeadVector, counterAeads, rfc, transportAeads, xaeads } from './vectors.js';

const TAG_BYTES = 16;
/** Bytes before and after the sealed ones, which must not change. */
const MARGIN = 5;
const MARGIN_BYTE = 0xc3;
const MAX_COUNTER = 2n ** 64n - 1n;
const COUNTERS = [
  0n,
  1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 52n,
  2n ** 53n + 1n,
  2n ** 63n,
  MAX_COUNTER - 2n ** 13n - 1n,
  MAX_COUNTER,
];

export function describeAead(suite: CryptoSuite): void {
  describe('ChaCha20-Poly1305', () => {
    it(`seals and opens the ${counterAeads.length} vectors of Wycheproof and zinc that have a counter`, () => {
      for (const [i, vector] of counterAeads.entries()) runVector(suite, i, vector);
    });

    it(`opens the ${transportAeads.length} transport packets of the captures and seals them again`, () => {
      for (const [i, vector] of transportAeads.entries()) runVector(suite, i, vector);
    });

    it(`seals and opens the ${xaeads.length} vectors of XChaCha20-Poly1305 under the keys derived from their nonces`, () => {
      const { key, nonce, out } = rfc.hchacha20;
      expect(toHex(hchacha20(fromHex(key), fromHex(nonce)))).toBe(out);
      for (const [i, vector] of xaeads.entries()) {
        const whole = fromHex(vector.nonce);
        const derived = toHex(hchacha20(fromHex(vector.key), whole.subarray(0, 16)));
        runVector(suite, i, { ...vector, key: derived, nonce: toHex(whole.subarray(16)) });
      }
    });

    it('puts the whole counter into the nonce, up to 2^64 - 1', () => {
      const key = new Uint8Array(32).fill(7);
      const aead = suite.aead(key);
      for (const counter of COUNTERS) {
        const text = Buffer.from('the counter is all that differs');
        const buffer = Buffer.concat([text, Buffer.alloc(TAG_BYTES)]);
        aead.seal(...halves(counter), buffer, 0, text.length);
        expect([counter, toHex(buffer)]).toEqual([counter, opensslSeal(key, counter, text)]);
        expect(aead.open(...halves(counter ^ 1n), new Uint8Array(buffer), 0, buffer.length)).toBe(false);
        expect(aead.open(...halves(counter ^ (1n << 63n)), new Uint8Array(buffer), 0, buffer.length)).toBe(
          false,
        );
        expect(aead.open(...halves(counter), buffer, 0, buffer.length)).toBe(true);
        expect(toHex(buffer.subarray(0, text.length))).toBe(toHex(text));
      }
      aead.destroy();
    });

    it('rejects a message with any bit changed', () => {
      const { aead, sealed, additional } = sealedSample(suite);
      for (let bit = 0; bit < 8 * sealed.length; bit++) {
        expect([bit, aead.open(0, 9, flipBit(sealed, bit), 0, sealed.length, additional)]).toEqual([
          bit,
          false,
        ]);
      }
      for (let bit = 0; bit < 8 * additional.length; bit++) {
        const other = flipBit(additional, bit);
        expect(aead.open(0, 9, new Uint8Array(sealed), 0, sealed.length, other)).toBe(false);
      }
      expect(aead.open(0, 9, new Uint8Array(sealed), 0, sealed.length)).toBe(false);
      expect(aead.open(0, 9, new Uint8Array(sealed), 0, sealed.length, additional)).toBe(true);
    });

    it('rejects a truncated message', () => {
      const { aead, sealed, additional } = sealedSample(suite);
      for (let length = 0; length < sealed.length; length++) {
        expect(aead.open(0, 9, new Uint8Array(sealed), 0, length, additional)).toBe(false);
      }
    });

    it('treats empty additional data like none', () => {
      const aead = suite.aead(new Uint8Array(32).fill(1));
      const [one, other] = [new Uint8Array(40), new Uint8Array(40)];
      aead.seal(0, 0, one, 0, 24);
      aead.seal(0, 0, other, 0, 24, new Uint8Array(0));
      expect(toHex(one)).toBe(toHex(other));
      expect(aead.open(0, 0, one, 0, 40, new Uint8Array(0))).toBe(true);
      expect(aead.open(0, 0, other, 0, 40)).toBe(true);
    });

    it('has its own copy of the key, and cannot be used once it is destroyed', () => {
      const key = new Uint8Array(32).fill(7);
      const aead = suite.aead(key);
      key.fill(0);
      const buffer = new Uint8Array(TAG_BYTES);
      aead.seal(0, 5, buffer, 0, 0);
      expect(toHex(buffer)).toBe(opensslSeal(new Uint8Array(32).fill(7), 5n, new Uint8Array(0)));
      aead.destroy();
      expect(() => aead.seal(0, 6, buffer, 0, 0)).toThrow(AssertionError);
      expect(() => aead.open(0, 6, buffer, 0, TAG_BYTES)).toThrow(AssertionError);
    });

    it('rejects a key of another length', () => {
      for (const length of [0, 16, 31, 33]) {
        expect(() => suite.aead(new Uint8Array(length))).toThrow(AssertionError);
      }
    });
  });
}

/** Seals and opens in the middle of a Buffer that is itself a view. */
function runVector(suite: CryptoSuite, id: number, vector: AeadVector): void {
  const { plaintext, sealed, valid } = vector;
  const aead = suite.aead(fromHex(vector.key));
  const additional = fromHex(vector.additional);
  const counter = halves(counterOf(vector.nonce));
  const buffer = withMargins(plaintext + '00'.repeat(TAG_BYTES));
  aead.seal(...counter, buffer, MARGIN, plaintext.length / 2, additional);
  expect([id, toHex(buffer) === toHex(withMargins(sealed))]).toEqual([id, valid]);

  const opening = withMargins(sealed);
  const end = MARGIN + sealed.length / 2;
  expect([id, aead.open(...counter, opening, MARGIN, end - MARGIN, additional)]).toEqual([id, valid]);
  if (valid) expect(toHex(opening.subarray(MARGIN, end - TAG_BYTES))).toBe(plaintext);
  const margins = [opening.subarray(0, MARGIN), opening.subarray(end)];
  for (const margin of margins) expect([id, toHex(margin)]).toEqual([id, 'c3'.repeat(MARGIN)]);
  aead.destroy();
}

function withMargins(hex: string): Uint8Array {
  const buffer = Buffer.alloc(hex.length / 2 + 2 * MARGIN + 3, MARGIN_BYTE).subarray(3);
  buffer.write(hex, MARGIN, 'hex');
  return buffer;
}

function sealedSample(suite: CryptoSuite): { aead: Aead; sealed: Uint8Array; additional: Uint8Array } {
  const aead = suite.aead(new Uint8Array(32).fill(3));
  const additional = Uint8Array.of(1, 2, 3);
  const sealed = new Uint8Array(70 + TAG_BYTES).fill(0x61);
  aead.seal(0, 9, sealed, 0, 70, additional);
  return { aead, sealed, additional };
}

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = new Uint8Array(bytes);
  flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7));
  return flipped;
}

/** The last 8 bytes of a nonce, little-endian. */
function counterOf(nonce: string): bigint {
  return Buffer.from(nonce, 'hex').subarray(-8).readBigUInt64LE();
}

function halves(counter: bigint): [high: number, low: number] {
  return [Number(counter >> 32n), Number(counter & 0xffff_ffffn)];
}

/** Ciphertext and tag in hex, computed with a nonce that is written independently of our code. */
function opensslSeal(key: Uint8Array, counter: bigint, plaintext: Uint8Array): string {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64LE(counter, 4);
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES });
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return toHex(Buffer.concat([ciphertext, cipher.getAuthTag()]));
}
