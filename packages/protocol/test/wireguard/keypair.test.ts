import { describe, expect, it } from 'vitest';
import { writeUint32 } from '../../src/little-endian.js';
import { Keypair } from '../../src/wireguard/keypair.js';
import { SUITE } from './session-pair.js';

const key = (byte: number) => new Uint8Array(32).fill(byte);

function newKeypair(firstCounter = 0): Keypair {
  return new Keypair(
    SUITE,
    { send: key(1), receive: key(2) },
    { id: 1, createdAt: 0, isInitiator: true, localIndex: 5, remoteIndex: 6, firstCounter },
  );
}

/** A message that the peer of `newKeypair` would send with this counter. */
function received(counter: bigint): Uint8Array {
  const datagram = new Uint8Array(48);
  const [high, low] = [Number(counter >> 32n), Number(counter & 0xffff_ffffn)];
  writeUint32(datagram, 0, 4);
  writeUint32(datagram, 4, 5);
  writeUint32(datagram, 8, low);
  writeUint32(datagram, 12, high);
  SUITE.aead(key(2)).seal(high, low, datagram, 16, 16);
  return datagram;
}

describe('the counters of a keypair (spec session 3.2)', () => {
  // spec session 3.2: "MUST NOT use a number twice"
  it('are written as 64 bits, little-endian, in order and each once', () => {
    const keypair = newKeypair(2 ** 32 - 1);
    const counters = [1, 2].map(() => {
      const datagram = new Uint8Array(32);
      keypair.seal(datagram, 0, 0);
      return new DataView(datagram.buffer).getBigUint64(8, true);
    });
    expect(counters).toEqual([2n ** 32n - 1n, 2n ** 32n]);
  });

  it('call for a new keypair after 2^48 packets', () => {
    const keypair = newKeypair(2 ** 48);
    expect(keypair.isWornOut).toBe(false);
    keypair.seal(new Uint8Array(32), 0, 0);
    expect(keypair.isWornOut).toBe(true);
    expect(keypair.canSend(0)).toBe(true);
  });

  it('end at 2^52 packets', () => {
    const keypair = newKeypair(2 ** 52 - 1);
    keypair.seal(new Uint8Array(32), 0, 0);
    expect(keypair.canSend(0)).toBe(false);
    expect(() => keypair.seal(new Uint8Array(32), 0, 0)).toThrow('no counter is left');
  });

  // spec session 3.2: "MUST NOT send or accept a counter"
  it('are accepted up to 2^64 - 2^13 - 2', () => {
    const limit = 2n ** 64n - 2n ** 13n - 1n;
    const keypair = newKeypair();
    expect(keypair.open(0, received(limit - 1n))).toBeUndefined();
    expect(keypair.open(0, received(limit))).toBe('replayed-counter');
    expect(keypair.open(0, received(2n ** 64n - 1n))).toBe('replayed-counter');
  });
});

describe('a keypair', () => {
  it('wipes the keys that it was given, and seals nothing after it was destroyed (spec session 8.1)', () => {
    const keys = { send: key(1), receive: key(2) };
    const options = { id: 1, createdAt: 0, isInitiator: true, localIndex: 5, remoteIndex: 6 };
    const keypair = new Keypair(SUITE, keys, options);
    expect([keys.send, keys.receive]).toEqual([key(0), key(0)]);
    keypair.destroy();
    expect(() => keypair.seal(new Uint8Array(32), 0, 0)).toThrow('destroyed');
  });
});
