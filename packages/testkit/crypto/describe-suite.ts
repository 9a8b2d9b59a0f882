/** Tests for every `CryptoSuite`: all known answers, and the other promises of its interface. */
import { type CryptoSuite, kdf1, kdf2, kdf3 } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { describeAead } from './describe-aead.js';
import { fromHex, toHex } from './hex.js';
import {
  blake2sDigests,
  blake2sMacs,
  kdfs,
  lowOrderPublicKeys,
  rfc,
  rfc7693,
  sharedSecrets,
  xaeads,
  xaeadsOfWrongNonce,
} from './vectors.js';

/** @param name  used in the titles of the tests, for example `portable` */
export function describeSuite(name: string, create: () => CryptoSuite): void {
  describe(`the ${name} suite (spec handshake 1.1)`, () => {
    const suite = create();
    describeX25519(suite);
    describeAead(suite);
    describeXaead(suite);
    describeBlake2s(suite);
    describeKdf(suite);
    describeEqual(suite);
  });
}

function describeX25519(suite: CryptoSuite): void {
  describe('X25519', () => {
    it(`computes the ${sharedSecrets.length} shared secrets of Wycheproof and zinc, and refuses those that are zero`, () => {
      for (const [i, vector] of sharedSecrets.entries()) {
        const shared = suite.x25519(fromHex(vector.private), fromHex(vector.public));
        expect([i, toHex(shared) ?? null]).toEqual([i, vector.shared]);
      }
    });

    it('refuses every point of low order, whatever the private key (spec handshake 1.3)', () => {
      expect(lowOrderPublicKeys.length).toBeGreaterThanOrEqual(7);
      for (const publicKey of lowOrderPublicKeys) {
        for (const byte of [0x00, 0x5a, 0xff]) {
          expect(suite.x25519(new Uint8Array(32).fill(byte), fromHex(publicKey))).toBeUndefined();
        }
      }
    });

    it('computes the examples of RFC 7748', () => {
      for (const { scalar, u, out } of rfc.x25519) {
        expect(toHex(suite.x25519(fromHex(scalar), fromHex(u)))).toBe(out);
      }
      const { alicePrivate, alicePublic, bobPrivate, bobPublic, shared } = rfc.diffieHellman;
      expect(toHex(suite.x25519PublicKey(fromHex(alicePrivate)))).toBe(alicePublic);
      expect(toHex(suite.x25519PublicKey(fromHex(bobPrivate)))).toBe(bobPublic);
      expect(toHex(suite.x25519(fromHex(alicePrivate), fromHex(bobPublic)))).toBe(shared);
      expect(toHex(suite.x25519(fromHex(bobPrivate), fromHex(alicePublic)))).toBe(shared);
    });

    it('computes the thousandth iterate of RFC 7748 §5.2', () => {
      let scalar = new Uint8Array(32);
      scalar[0] = 9;
      let u = scalar;
      for (let i = 1; i <= 1000; i++) {
        [scalar, u] = [new Uint8Array(suite.x25519(scalar, u) as Uint8Array), scalar];
        if (i === 1) expect(toHex(scalar)).toBe(rfc.x25519Iterated.after1);
      }
      expect(toHex(scalar)).toBe(rfc.x25519Iterated.after1000);
    });

    it('accepts keys that are views into a larger buffer, and does not change them', () => {
      const { alicePrivate, bobPublic, shared } = rfc.diffieHellman;
      const larger = Buffer.from(`ffffff${alicePrivate}eeeeee${bobPublic}dd`, 'hex');
      const before = toHex(larger);
      expect(toHex(suite.x25519(larger.subarray(3, 35), larger.subarray(38, 70)))).toBe(shared);
      expect(toHex(suite.x25519PublicKey(larger.subarray(3, 35)))).toBe(rfc.diffieHellman.alicePublic);
      expect(toHex(larger)).toBe(before);
    });
  });
}

function describeXaead(suite: CryptoSuite): void {
  describe('XChaCha20-Poly1305', () => {
    it(`seals and opens the ${xaeads.length} vectors of Wycheproof, zinc and the draft`, () => {
      for (const [i, vector] of xaeads.entries()) {
        const [key, nonce, additional] = [vector.key, vector.nonce, vector.additional].map(fromHex) as [
          Uint8Array,
          Uint8Array,
          Uint8Array,
        ];
        const sealed = suite.xaeadSeal(key, nonce, fromHex(vector.plaintext), additional);
        expect([i, toHex(sealed) === vector.sealed]).toEqual([i, vector.valid]);
        const opened = suite.xaeadOpen(key, nonce, fromHex(vector.sealed), additional);
        expect([i, toHex(opened)]).toEqual([i, vector.valid ? vector.plaintext : undefined]);
      }
    });

    it('rejects a nonce of another length', () => {
      expect(xaeadsOfWrongNonce).toHaveLength(9);
      for (const { key, nonce, plaintext, sealed, additional } of xaeadsOfWrongNonce) {
        const [k, n, a] = [key, nonce, additional].map(fromHex) as [Uint8Array, Uint8Array, Uint8Array];
        expect(() => suite.xaeadSeal(k, n, fromHex(plaintext), a)).toThrow();
        expect(() => suite.xaeadOpen(k, n, fromHex(sealed), a)).toThrow();
      }
    });

    it('rejects a message shorter than a tag', () => {
      const { key, nonce } = rfc.xchacha20poly1305;
      for (let length = 0; length < 16; length++) {
        const sealed = new Uint8Array(length);
        expect(suite.xaeadOpen(fromHex(key), fromHex(nonce), sealed, new Uint8Array(0))).toBeUndefined();
      }
    });
  });
}

function describeBlake2s(suite: CryptoSuite): void {
  const counting = Uint8Array.from({ length: 256 }, (_, i) => i);

  describe('BLAKE2s', () => {
    it(`gives the ${blake2sDigests.length} known digests`, () => {
      for (const [length, digest] of blake2sDigests.entries()) {
        expect([length, toHex(suite.hash(counting.subarray(0, length)))]).toEqual([length, digest]);
      }
    });

    it('hashes several parts like one', () => {
      expect(toHex(suite.hash())).toBe(blake2sDigests[0]);
      for (const cut of [0, 1, 31, 32, 63, 64, 65, 199, 200]) {
        const parts = [counting.subarray(0, cut), counting.subarray(cut, 200), new Uint8Array(0)];
        expect(toHex(suite.hash(...parts))).toBe(blake2sDigests[200]);
      }
    });

    it(`gives the ${blake2sMacs.digests.length} known macs of 16 bytes`, () => {
      const key = fromHex(blake2sMacs.key);
      for (const [length, digest] of blake2sMacs.digests.entries()) {
        expect([length, toHex(suite.mac(key, counting.subarray(0, length)))]).toEqual([length, digest]);
      }
    });

    it('gives the digests of RFC 7693, with keys of 16 bytes too', () => {
      for (const { key, input, digest } of rfc7693) {
        const bytes = fromHex(input);
        expect(toHex(key === '' ? suite.hash(bytes) : suite.mac(fromHex(key), bytes))).toBe(digest);
      }
    });

    it('makes HMAC as RFC 2104 defines it, with keys of any length', () => {
      for (const keyLength of [0, 1, 32, 63, 64, 65, 200]) {
        const key = counting.subarray(1, 1 + keyLength);
        for (const length of [0, 1, 33, 64, 150]) {
          const input = counting.subarray(7, 7 + length);
          expect(toHex(suite.hmac(key, input))).toBe(toHex(plainHmac(suite, key, input)));
        }
      }
    });
  });
}

function plainHmac(suite: CryptoSuite, key: Uint8Array, input: Uint8Array): Uint8Array {
  const block = new Uint8Array(64);
  block.set(key.length > 64 ? suite.hash(key) : key);
  const inner = suite.hash(
    block.map((byte) => byte ^ 0x36),
    input,
  );
  return suite.hash(
    block.map((byte) => byte ^ 0x5c),
    inner,
  );
}

function describeKdf(suite: CryptoSuite): void {
  it("derives the keys of wireguard-go's vectors (spec handshake 1.4)", () => {
    for (const { key, input, t0, t1, t2 } of kdfs) {
      const [k, i] = [fromHex(key), fromHex(input)];
      expect(toHex(kdf1(suite, k, i))).toBe(t0);
      expect(kdf2(suite, k, i).map((bytes) => toHex(bytes))).toEqual([t0, t1]);
      expect(kdf3(suite, k, i).map((bytes) => toHex(bytes))).toEqual([t0, t1, t2]);
      expect([toHex(k), toHex(i)]).toEqual([key, input]);
    }
  });
}

function describeEqual(suite: CryptoSuite): void {
  it('compares bytes by length and by every byte', () => {
    const bytes = Uint8Array.from({ length: 32 }, (_, i) => i);
    expect(suite.equal(bytes, new Uint8Array(bytes))).toBe(true);
    expect(suite.equal(new Uint8Array(0), new Uint8Array(0))).toBe(true);
    expect(suite.equal(bytes, bytes.subarray(0, 31))).toBe(false);
    expect(suite.equal(bytes.subarray(0, 0), bytes)).toBe(false);
    for (let bit = 0; bit < 256; bit++) {
      const other = new Uint8Array(bytes);
      other[bit >>> 3] = (other[bit >>> 3] as number) ^ (1 << (bit & 7));
      expect(suite.equal(bytes, other)).toBe(false);
    }
  });
}
