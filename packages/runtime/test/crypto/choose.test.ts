import { type Aead, type CryptoSuite, createPortableSuite } from '@underpass/protocol';
import {
  chooseSuite,
  createNodeSuite,
  loadOpenSsl,
  loadSodium,
  type MakeSuite,
  silentLog,
} from '@underpass/runtime';
import { describe, expect, it } from 'vitest';

const portable = createPortableSuite();
const native = createNodeSuite();

/** Only these suites can be made, apart from the portable one. */
function makers(parts: Partial<Record<'openssl' | 'sodium' | 'wasm' | 'node', MakeSuite>>) {
  const missing = () => {
    throw new Error('Cannot find module');
  };
  return {
    openssl: missing,
    sodium: missing,
    wasm: missing,
    node: missing,
    ...parts,
    portable: () => portable,
  };
}

/** A suite that works, with another name. */
const named = (name: string): CryptoSuite => ({ ...native, name });

/** A clock that gives these readings in turn, again and again: each measurement takes two. */
function clock(...readings: number[]): () => number {
  let next = 0;
  return () => readings[next++ % readings.length] as number;
}

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
  it('takes a native suite where its package is installed', async () => {
    const { name } = await chooseSuite();
    if (loadOpenSsl() === undefined && loadSodium() === undefined) expect(['wasm', 'node']).toContain(name);
    else expect(['openssl', 'sodium']).toContain(name);
  });

  it('measures the suites of a kind, and takes the fastest', async () => {
    const both = makers({ openssl: () => named('openssl'), sodium: () => named('sodium') });
    const slowFirst = await chooseSuite({ makers: both, now: clock(0, 2, 10, 11) });
    expect(slowFirst.name).toBe('sodium');
    const slowSecond = await chooseSuite({ makers: both, now: clock(0, 1, 10, 12) });
    expect(slowSecond.name).toBe('openssl');
  });

  it('takes the first of two that are about equally fast', async () => {
    const both = makers({ openssl: () => named('openssl'), sodium: () => named('sodium') });
    expect((await chooseSuite({ makers: both, now: clock(0, 100, 200, 295) })).name).toBe('openssl');
  });

  it('does not even make a suite of a slower kind', async () => {
    let made = 0;
    const wasm = () => {
      made++;
      return named('wasm');
    };
    expect((await chooseSuite({ makers: makers({ sodium: () => named('sodium'), wasm }) })).name).toBe(
      'sodium',
    );
    expect(made).toBe(0);
    expect((await chooseSuite({ makers: makers({ wasm }) })).name).toBe('wasm');
  });

  it('reports what it measured, for debugging', async () => {
    const lines: object[] = [];
    const log = { ...silentLog, debug: (fields: object) => void lines.push(fields) };
    const both = makers({ openssl: () => named('openssl'), sodium: () => named('sodium') });
    await chooseSuite({ makers: both, now: clock(0, 0.032, 1, 1.016), log });
    expect(lines).toEqual([
      {
        event: 'suite',
        suite: 'sodium',
        measured: [
          { suite: 'sodium', packetMicroseconds: 1 },
          { suite: 'openssl', packetMicroseconds: 2 },
        ],
      },
    ]);
  });

  it('says in words what it measured, and measures nothing where there is no choice', async () => {
    const lines: string[] = [];
    const debug = (_fields: object, text: string): void => void lines.push(text);
    const log = { ...silentLog, debug };
    const both = makers({ openssl: () => named('openssl'), sodium: () => named('sodium') });
    await chooseSuite({ makers: both, now: clock(0, 0.032, 1, 1.0176), log });
    const now = () => expect.unreachable();
    await chooseSuite({ makers: makers({ node: () => named('node') }), now, log });
    await chooseSuite({ makers: both, name: 'openssl', now, log });
    expect(lines).toEqual([
      'crypto suite: sodium 1.1 µs a packet, openssl 2.0 µs a packet',
      'crypto suite: node',
      'crypto suite: openssl',
    ]);
  });

  it('seals equally many packets with each suite to measure it, and keeps no key of that', async () => {
    const counts = new Map<string, number>();
    const count = (what: string, by = 1): void => void counts.set(what, (counts.get(what) ?? 0) + by);
    const counted = (name: string): CryptoSuite => ({
      ...native,
      name,
      aead(key) {
        const real = native.aead(key);
        count('keys');
        return {
          seal: (high, low, buffer, offset, length, additional) => {
            // The check of known answers seals with additional data.
            if (additional === undefined) count(`${name}, ${length} bytes`);
            real.seal(high, low, buffer, offset, length, additional);
          },
          open: (...parameters) => real.open(...parameters),
          destroy: () => {
            count('keys', -1);
            real.destroy();
          },
        };
      },
    });
    await chooseSuite({
      makers: makers({ openssl: () => counted('openssl'), sodium: () => counted('sodium') }),
    });
    expect(Object.fromEntries(counts)).toEqual({
      keys: 0,
      'openssl, 1334 bytes': 128,
      'sodium, 1334 bytes': 128,
    });
  });

  it('says what to do where no suite works, or one that needs no package', async () => {
    const none = { ...makers({}), portable: broken({ hash: () => new Uint8Array(32) }) };
    await expect(chooseSuite({ makers: none })).rejects.toMatchObject({
      code: 'invalid-option',
      message: 'no crypto suite works on this machine',
      hint: 'reinstall the program',
    });
    await expect(chooseSuite({ name: 'wasm', makers: none })).rejects.toMatchObject({
      message: "the crypto suite 'wasm' does not work on this machine",
      hint: 'leave the choice to the program',
    });
  });

  it('falls back to the portable suite', async () => {
    expect(await chooseSuite({ makers: makers({}) })).toBe(portable);
  });

  it('counts a suite whose library fails to load, sooner or later, as missing', async () => {
    const wasm = () => Promise.reject(new Error('no WebAssembly'));
    expect(await chooseSuite({ makers: makers({ wasm }) })).toBe(portable);
    await expect(chooseSuite({ name: 'wasm', makers: makers({ wasm }) })).rejects.toThrow(
      "the crypto suite 'wasm' does not work on this machine",
    );
  });

  it('takes the suite of a given name', async () => {
    for (const name of ['node', 'wasm', 'portable'] as const) {
      expect((await chooseSuite({ name })).name).toBe(name);
    }
  });

  it.each([
    ['sodium', 'sodium-native'],
    ['openssl', 'koffi'],
  ] as const)('says which package the %s suite needs if it is missing', async (name, needed) => {
    await expect(chooseSuite({ name, makers: makers({}) })).rejects.toMatchObject({
      code: 'invalid-option',
      message: `the crypto suite '${name}' does not work on this machine`,
      hint: `it needs the package ${needed}: install it, or leave the choice to the program`,
    });
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
  ])('skips a suite that %s', async (_, create) => {
    expect(await chooseSuite({ makers: makers({ sodium: create }) })).toBe(portable);
    await expect(chooseSuite({ name: 'sodium', makers: makers({ sodium: create }) })).rejects.toThrow();
  });
});
