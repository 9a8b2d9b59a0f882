import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { datagramBytesIn, MAX_COALESCED } from '../src/coalesced.js';

const A = [1, 2, 3, 4];
const B = [9, 8, 7, 6];

/** A transport message to the receiver with this index, filled with `fill`. */
function transport(index: readonly number[], bytes: number, fill = 0xee): Uint8Array {
  const message = new Uint8Array(bytes).fill(fill);
  message.set([4, 0, 0, 0, ...index]);
  return message;
}

function handshake(type: 1 | 2 | 3): Uint8Array {
  const message = new Uint8Array([0, 148, 92, 64][type] as number).fill(0xdd);
  message.set([type, 0, 0, 0, ...A]);
  return message;
}

function join(...datagrams: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(datagrams.flatMap((datagram) => [...datagram]));
}

/** Counts how often it is searched. */
class Observed extends Uint8Array {
  static searches = 0;
  override indexOf(value: number, from?: number): number {
    Observed.searches++;
    return super.indexOf(value, from);
  }
}

describe('the datagrams of a coalesced message', () => {
  it('are one when only one arrived', () => {
    expect(datagramBytesIn(transport(A, 1472))).toBe(1472);
    expect(datagramBytesIn(transport(A, 32))).toBe(32);
    expect(datagramBytesIn(handshake(1))).toBe(148);
    expect(datagramBytesIn(handshake(2))).toBe(92);
    expect(datagramBytesIn(handshake(3))).toBe(64);
  });

  it('are told apart by their common first bytes, and the last may be shorter', () => {
    expect(datagramBytesIn(join(transport(A, 1472), transport(A, 1472)))).toBe(1472);
    expect(datagramBytesIn(join(transport(A, 1472), transport(A, 1472), transport(A, 48)))).toBe(1472);
    expect(datagramBytesIn(join(transport(A, 1472), transport(A, 32)))).toBe(1472);
    expect(datagramBytesIn(join(...Array.from({ length: MAX_COALESCED }, () => transport(A, 500))))).toBe(
      500,
    );
  });

  it('are found by looking at the first two, whatever their counters are', () => {
    for (const counter of [0x01, 0x0100, 0x01_0000, 0x0400_0000]) {
      const datagram = transport(A, 1472);
      new DataView(datagram.buffer).setUint32(8, counter, true);
      datagram.fill(0, 12, 16);
      Observed.searches = 0;
      expect(datagramBytesIn(new Observed(join(...Array(44).fill(datagram))))).toBe(1472);
      // A few for each of the two headers and counters.
      expect(Observed.searches).toBeLessThan(40);
    }
  });

  it('are told apart when the receiver index changes on the way', () => {
    expect(datagramBytesIn(join(transport(A, 1472), transport(B, 1472)))).toBe(1472);
    expect(datagramBytesIn(join(transport(A, 96), transport(B, 96), transport(B, 96)))).toBe(96);
    expect(datagramBytesIn(join(transport(A, 96), transport(A, 96), transport(B, 96)))).toBe(96);
    expect(datagramBytesIn(join(transport(A, 96), transport(B, 48)))).toBe(96);
  });

  it('are told apart where some are handshake messages', () => {
    expect(datagramBytesIn(join(handshake(1), handshake(1)))).toBe(148);
    expect(datagramBytesIn(join(handshake(1), transport(A, 96)))).toBe(148);
    expect(datagramBytesIn(join(handshake(2), transport(A, 32)))).toBe(92);
    expect(datagramBytesIn(join(transport(A, 1472), handshake(1)))).toBe(1472);
    expect(datagramBytesIn(join(transport(A, 148), handshake(1), transport(A, 148)))).toBe(148);
  });

  it('are not confused by other types and handshake messages of a wrong size', () => {
    const odd = transport(A, 1472);
    odd.set([1, 0, 0, 0], 700);
    expect(datagramBytesIn(odd)).toBe(1472);
    odd.set([5, 0, 0, 0], 700);
    expect(datagramBytesIn(odd)).toBe(1472);
  });

  it.each([
    ['a handshake message of a wrong size', [1, 0, 0, 0]],
    ['no type', [0, 0, 0, 0]],
    ['an unknown type', [5, 0, 0, 0]],
    ['another first byte behind the type', [4, 1, 0, 0]],
    ['another second byte', [4, 0, 1, 0]],
    ['another third byte', [4, 0, 0, 1]],
  ])('are not divided at %s', (_what, start) => {
    const message = transport(A, 1472);
    message.set([...start, ...A], 736);
    expect(datagramBytesIn(message)).toBe(1472);
  });

  it('have at least the size of a keepalive, and a cut-off handshake message its own', () => {
    const message = transport(A, 100);
    message.set([4, 0, 0, 0, ...A], 20);
    expect(datagramBytesIn(message)).toBe(100);
    expect(datagramBytesIn(join(transport(A, 32), transport(A, 32)))).toBe(32);
    expect(datagramBytesIn(join(transport(A, 96), transport(B, 32)))).toBe(96);
    expect(datagramBytesIn(join(transport(A, 96), transport(B, 31)))).toBe(127);
    expect(datagramBytesIn(handshake(1).subarray(0, 100))).toBe(100);
  });

  it('survive a datagram of somebody else among them', () => {
    const forged = new Uint8Array(1472).fill(0xab);
    const genuine = transport(A, 1472);
    expect(datagramBytesIn(join(forged, genuine, genuine, genuine))).toBe(1472);
    expect(datagramBytesIn(join(genuine, forged, genuine, genuine, genuine))).toBe(1472);
    expect(datagramBytesIn(join(genuine, genuine, genuine, forged))).toBe(1472);
    expect(datagramBytesIn(join(genuine, genuine, genuine, forged.subarray(0, 5)))).toBe(1472);
  });

  it('survive a datagram that pretends to be many small ones', () => {
    const hostile = new Uint8Array(1472);
    for (let at = 0; at < 1472; at += 32) hostile.set([4, 0, 0, 0, ...A], at);
    const genuine = transport(B, 1472);
    expect(datagramBytesIn(join(hostile, genuine, genuine, genuine))).toBe(1472);
    expect(datagramBytesIn(join(genuine, genuine, hostile, genuine))).toBe(1472);
  });

  it('are never more than the system joins, so that a message costs a bounded number of attempts', () => {
    for (const [length, step] of [
      [65_507, 32],
      [65_507, 40],
      [100 * MAX_COALESCED, 100],
      [100 * MAX_COALESCED + 1, 100],
    ] as const) {
      const hostile = new Uint8Array(length).fill(0xee);
      for (let at = 0; at + 8 <= length; at += step) hostile.set([4, 0, 0, 0, ...A], at);
      expect(Math.ceil(length / datagramBytesIn(hostile))).toBeLessThanOrEqual(MAX_COALESCED);
    }
  });

  it('are searched for a bounded number of times, whatever arrives', () => {
    const hostile = new Observed(65_507).fill(0xee);
    for (let at = 0; at + 8 <= hostile.length; at += 8) hostile.set([4, 0, 0, 0, ...A], at);
    Observed.searches = 0;
    datagramBytesIn(hostile);
    // Three zeros of each of the sizes that are compared.
    expect(Observed.searches).toBeLessThan(1600);
  });

  it('are found for all sizes and contents', () => {
    fc.assert(
      fc.property(
        fc.nat(43),
        fc.integer({ min: 1, max: 44 }),
        fc.integer({ min: 32, max: 1472 }),
        fc.integer({ min: 32, max: 1472 }),
        fc.uint8Array({ minLength: 1472, maxLength: 1472 }),
        (newKeysAfter, count, bytes, lastBytes, noise) => {
          // The keys change at most once among datagrams that arrive together.
          const datagrams = Array.from({ length: count }, (_, i) => {
            const datagram = noise.slice(0, i === count - 1 ? Math.min(bytes, lastBytes) : bytes);
            datagram.set([4, 0, 0, 0, ...(i > newKeysAfter ? B : A), i]);
            return datagram;
          });
          const expected = count === 1 ? datagrams[0]?.length : bytes;
          expect(datagramBytesIn(join(...datagrams))).toBe(expected);
        },
      ),
    );
  });

  it('have a size that makes sense, whatever arrives', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4096 }), fc.array(fc.nat(4095)), (message, headers) => {
        for (const at of headers) if (at + 8 <= message.length) message.set([4, 0, 0, 0, ...A], at);
        const size = datagramBytesIn(message);
        expect(size).toBeLessThanOrEqual(message.length);
        if (message.length > 0) expect(Math.ceil(message.length / size)).toBeLessThanOrEqual(MAX_COALESCED);
      }),
    );
  });
});
