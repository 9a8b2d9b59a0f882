import { type Aead, type CryptoSuite, createPortableSuite } from '@underpass/protocol';
import { chooseSuite, createNativeSuite, loadSodium } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';

const portable = createPortableSuite();
const native = createNativeSuite();

/** A suite that is correct except for the given parts. */
function broken(parts: Partial<CryptoSuite>): () => CryptoSuite {
  return () => ({ ...native, ...parts, name: 'broken' });
}

/** An AEAD that is correct except for the given parts. */
function brokenAead(parts: (right: Aead) => Partial<Aead>): () => CryptoSuite {
  return broken({
    aead(key) {
      const right = native.aead(key);
      return {
        seal: (...parameters) => right.seal(...parameters),
        open: (...parameters) => right.open(...parameters),
        destroy: () => right.destroy(),
        ...parts(right),
      };
    },
  });
}

describe('the choice of a suite', () => {
  it('takes sodium where it is installed, and node:crypto where it is not', () => {
    const expected = loadSodium() === undefined ? 'native (node:crypto)' : 'native (node:crypto + sodium)';
    expect(chooseSuite().name).toBe(expected);
    expect(chooseSuite([() => createNativeSuite(undefined)]).name).toBe('native (node:crypto)');
  });

  it('takes the first that works', () => {
    expect(chooseSuite([() => native, () => portable])).toBe(native);
    expect(chooseSuite([() => portable, () => native])).toBe(portable);
  });

  it('falls back to the portable suite', () => {
    expect(chooseSuite([]).name).toBe(portable.name);
  });

  it('skips a suite that cannot be created', () => {
    const missing = () => {
      throw new Error('Cannot find module');
    };
    expect(chooseSuite([missing, () => native])).toBe(native);
    expect(chooseSuite([missing]).name).toBe(portable.name);
  });

  it('skips sodium if functions are missing', () => {
    expect(chooseSuite([() => createNativeSuite({} as never), () => native])).toBe(native);
  });

  it.each<[string, () => CryptoSuite]>([
    [
      'does not refuse points of low order',
      broken({ x25519: (a, b) => native.x25519(a, b) ?? new Uint8Array(32) }),
    ],
    ['refuses every point', broken({ x25519: () => undefined })],
    ['gives wrong public keys', broken({ x25519PublicKey: () => new Uint8Array(32) })],
    ['hashes wrongly', broken({ hash: (first) => native.hash(first as Uint8Array) })],
    ['has no keyed hash', broken({ mac: (_, input) => native.hash(input).subarray(0, 16) })],
    ['has a wrong HMAC', broken({ hmac: (key, input) => native.hash(key, input) })],
    ['opens every cookie', broken({ xaeadOpen: (_key, _nonce, sealed) => sealed })],
    ['thinks all things equal', broken({ equal: (a, b) => a.length === b.length })],
    [
      'throws',
      broken({
        hmac: () => {
          throw new Error('digital envelope routines::unsupported');
        },
      }),
    ],
    [
      'loses the counter above 2^32',
      brokenAead((right) => ({
        seal: (_, ...rest) => right.seal(0, ...rest),
        open: (_, ...rest) => right.open(0, ...rest),
      })),
    ],
    [
      'opens forged messages',
      brokenAead((right) => ({ open: (...parameters) => right.open(...parameters) || true })),
    ],
    [
      'ignores the additional data',
      brokenAead((right) => ({
        seal: (high, low, buffer, offset, length) => right.seal(high, low, buffer, offset, length),
      })),
    ],
  ])('skips a suite that %s', (_, create) => {
    expect(chooseSuite([create]).name).toBe(portable.name);
  });
});
