import { capturedHandshakes, toHex } from '@underpass/testkit/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareTai64n,
  encodeTai64n,
  nextTai64n,
  TAI64N_BYTES,
  type Tai64n,
  tai64nFromUnixMs,
} from '../../src/wireguard/tai64n.js';

const STEP = 2 ** 24;
const unixMs = fc.oneof(fc.nat(), fc.nat(2 ** 45), fc.double({ min: 0, max: 2 ** 45, noNaN: true }));

describe('TAI64N (spec handshake 3.3)', () => {
  it.each(capturedHandshakes)('is encoded as it was captured: $name', (hex) => {
    const stamp = {
      seconds: hex['timestamp_seconds_after_2^62'] - 10,
      nanoseconds: hex.timestamp_nanoseconds,
    };
    expect(toHex(encodeTai64n(stamp))).toBe(hex.timestamp_tai64n);
  });

  it('counts from 2^62 + 10 s, big-endian', () => {
    expect(toHex(encodeTai64n({ seconds: 0, nanoseconds: 0 }))).toBe('400000000000000a00000000');
    expect(toHex(encodeTai64n({ seconds: 2 ** 32 - 10, nanoseconds: STEP }))).toBe(
      '400000010000000001000000',
    );
    expect(toHex(encodeTai64n(tai64nFromUnixMs(1_700_000_000_500)))).toBe('400000006553f10a1d000000');
  });

  it('is the time of the clock, rounded down to a multiple of 2^24 ns', () => {
    fc.assert(
      fc.property(unixMs, (ms) => {
        const { seconds, nanoseconds } = tai64nFromUnixMs(ms);
        expect(nanoseconds % STEP).toBe(0);
        expect(nanoseconds).toBeLessThan(1e9);
        const behindMs = ms - (seconds * 1000 + nanoseconds / 1e6);
        expect(behindMs).toBeGreaterThan(-0.02);
        expect(behindMs).toBeLessThan(STEP / 1e6 + 0.02);
      }),
    );
  });

  it('is never before 1970, even if the clock is', () => {
    expect(tai64nFromUnixMs(-5)).toEqual({ seconds: 0, nanoseconds: 0 });
  });

  it('is ordered as time is, byte by byte', () => {
    fc.assert(
      fc.property(unixMs, unixMs, (a, b) => {
        const [first, second] = [tai64nFromUnixMs(a), tai64nFromUnixMs(b)];
        const expected = Math.sign(first.seconds - second.seconds || first.nanoseconds - second.nanoseconds);
        expect(Math.sign(compareTai64n(encodeTai64n(first), encodeTai64n(second)))).toBe(expected);
      }),
    );
    for (let i = 0; i < TAI64N_BYTES; i++) {
      const one = new Uint8Array(TAI64N_BYTES).fill(0x80);
      const other = new Uint8Array(one);
      other[i] = 0x7f;
      expect(compareTai64n(one, other)).toBeGreaterThan(0);
      expect(compareTai64n(other, one)).toBeLessThan(0);
      expect(compareTai64n(one, new Uint8Array(one))).toBe(0);
    }
  });

  it('is always later than the last timestamp sent, whatever the clock does', () => {
    fc.assert(
      fc.property(fc.array(unixMs, { minLength: 1, maxLength: 50 }), (clock) => {
        let last: Tai64n | undefined;
        for (const ms of clock) {
          const next = nextTai64n(last, ms);
          if (last !== undefined) {
            expect(compareTai64n(encodeTai64n(next), encodeTai64n(last))).toBeGreaterThan(0);
          }
          expect(next.nanoseconds).toBeLessThan(1e9);
          last = next;
        }
      }),
    );
  });

  it('is one step after the last timestamp while the clock stands still, across seconds too', () => {
    let stamp = nextTai64n(undefined, 5_000);
    const stamps = Array.from({ length: 61 }, () => {
      stamp = nextTai64n(stamp, 5_000);
      return stamp;
    });
    expect(stamps[0]).toEqual({ seconds: 5, nanoseconds: STEP });
    expect(stamps[58]).toEqual({ seconds: 5, nanoseconds: 59 * STEP });
    expect(stamps[59]).toEqual({ seconds: 6, nanoseconds: 0 });
    expect(nextTai64n(stamp, 7_000)).toEqual({ seconds: 7, nanoseconds: 0 });
  });
});
