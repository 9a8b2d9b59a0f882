import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_STAMPS_AHEAD } from '../../src/wireguard/constants.js';
import { SeenStamps } from '../../src/wireguard/seen-stamps.js';
import { encodeTai64n, tai64nFromUnixMs } from '../../src/wireguard/tai64n.js';

const NOW = 1_795_600_000_000;
const SECOND = 1_000;
const YEAR = 365 * 86_400 * SECOND;

/** Offers an initiation of a client whose clock is at `unixMs` to a relay whose clock is at `clock`.
 *  @returns whether it was accepted */
function offer(seen: SeenStamps, unixMs: number, clock = NOW): boolean {
  const stamp = encodeTai64n(tai64nFromUnixMs(unixMs));
  if (!seen.isNew(stamp, clock)) return false;
  seen.add(stamp, clock);
  return true;
}

describe('SeenStamps (spec handshake 3.3)', () => {
  // spec handshake 3.3: "timestamp is not greater, compared byte by byte"
  test('refuse a timestamp that is not greater than the greatest one', () => {
    const seen = new SeenStamps();
    expect(offer(seen, NOW - 20 * SECOND)).toBe(true);
    expect(offer(seen, NOW - 20 * SECOND)).toBe(false);
    expect(offer(seen, NOW - 30 * SECOND)).toBe(false);
    expect(offer(seen, NOW - 10 * SECOND)).toBe(true);
    expect(seen.floor).toEqual(encodeTai64n(tai64nFromUnixMs(NOW - 10 * SECOND)));
  });

  test('accept a client again whose clock was once a year ahead', () => {
    const seen = new SeenStamps();
    for (let i = 0; i < 5; i++) expect(offer(seen, NOW + YEAR + i * SECOND)).toBe(true);
    expect(offer(seen, NOW)).toBe(true);
    expect(offer(seen, NOW - SECOND)).toBe(false);
    expect(seen.floor).toEqual(encodeTai64n(tai64nFromUnixMs(NOW)));
  });

  test('never accept a timestamp twice, in whatever order more come than are remembered one by one', () => {
    const stamps = fc.array(fc.nat(3 * MAX_STAMPS_AHEAD), {
      minLength: 2 * MAX_STAMPS_AHEAD,
      maxLength: 6 * MAX_STAMPS_AHEAD,
    });
    fc.assert(
      fc.property(stamps, (seconds) => {
        const seen = new SeenStamps();
        const accepted = new Set<number>();
        for (const second of seconds) {
          if (!offer(seen, NOW + YEAR + second * SECOND)) continue;
          expect(accepted.has(second)).toBe(false);
          accepted.add(second);
        }
        expect(accepted.size).toBeGreaterThan(MAX_STAMPS_AHEAD / 2);
      }),
      { numRuns: 30, seed: 3, endOnFailure: true },
    );
  });

  // spec handshake 3.3: "MUST NOT accept the same timestamp twice"
  test('never accept a timestamp twice, not even once our clock has reached it', () => {
    const seen = new SeenStamps();
    const ahead = [1, 3, 5].map((hours) => NOW + hours * 3_600 * SECOND);
    for (const stamp of ahead) expect(offer(seen, stamp)).toBe(true);
    offer(seen, NOW);
    for (const clock of [NOW, NOW + 4 * 3_600 * SECOND, NOW + YEAR, NOW - YEAR]) {
      for (const stamp of [...ahead, NOW]) expect(offer(seen, stamp, clock), String(clock)).toBe(false);
    }
  });

  test('accept a client at once after its clock was two hours ahead for days', () => {
    const seen = new SeenStamps();
    const aheadBy = 7_200 * SECOND;
    let clock = NOW;
    for (; clock < NOW + 3 * 86_400 * SECOND; clock += 120 * SECOND) {
      expect(offer(seen, clock + aheadBy, clock)).toBe(true);
      expect(seen.aheadCount).toBeLessThanOrEqual(MAX_STAMPS_AHEAD);
    }
    expect(offer(seen, clock + SECOND, clock + SECOND)).toBe(true);
  });

  // spec handshake 3.3: "MUST drop every timestamp within that range"
  test('keep a bounded number of timestamps ahead, and still accept none of them twice', () => {
    const seen = new SeenStamps();
    const stamps = Array.from({ length: 4 * MAX_STAMPS_AHEAD }, (_, i) => NOW + YEAR + i * SECOND);
    for (const stamp of stamps) expect(offer(seen, stamp)).toBe(true);
    expect(seen.aheadCount).toBe(MAX_STAMPS_AHEAD);
    for (const stamp of stamps) expect(offer(seen, stamp)).toBe(false);
    expect(offer(seen, NOW)).toBe(true);
  });

  test('keep a range until our clock has passed all of it', () => {
    const seen = new SeenStamps();
    const encoded = (seconds: number) => encodeTai64n(tai64nFromUnixMs(NOW + seconds * SECOND));
    for (let i = 0; i < MAX_STAMPS_AHEAD + 5; i++) offer(seen, NOW + (10 + i) * SECOND);
    seen.isNew(encoded(0), NOW + 12 * SECOND);
    expect([seen.aheadCount, seen.floor]).toEqual([MAX_STAMPS_AHEAD, undefined]);
    seen.isNew(encoded(0), NOW + 15 * SECOND);
    expect([seen.aheadCount, seen.floor]).toEqual([MAX_STAMPS_AHEAD - 1, encoded(15)]);
  });

  test('refuse a clock that is behind the last timestamp, as WireGuard does', () => {
    const seen = new SeenStamps();
    offer(seen, NOW);
    expect(offer(seen, NOW - YEAR)).toBe(false);
  });

  test('move what the clock has reached to the floor, each at its own time', () => {
    const seen = new SeenStamps();
    const encoded = (unixMs: number) => encodeTai64n(tai64nFromUnixMs(unixMs));
    for (const seconds of [30, 10, 20]) expect(offer(seen, NOW + seconds * SECOND)).toBe(true);
    expect([seen.aheadCount, seen.floor]).toEqual([3, undefined]);
    for (const [clock, count, floor] of [
      [NOW + 10 * SECOND - 100, 3, undefined],
      [NOW + 10 * SECOND, 2, NOW + 10 * SECOND],
      [NOW + 25 * SECOND, 1, NOW + 20 * SECOND],
      [NOW + 40 * SECOND, 0, NOW + 30 * SECOND],
    ] as const) {
      seen.isNew(encoded(NOW + YEAR), clock);
      expect([seen.aheadCount, seen.floor]).toEqual([count, floor && encoded(floor)]);
    }
    // What equals our clock is not ahead of it.
    expect(offer(seen, NOW + 50 * SECOND, NOW + 50 * SECOND)).toBe(true);
    expect(seen.aheadCount).toBe(0);
  });
});
