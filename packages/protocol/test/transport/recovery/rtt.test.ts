import { describe, expect, it } from 'vitest';
import { INITIAL_RTT_MS, MAX_ACK_DELAY_MS } from '../../../src/transport/limits.js';
import { RttEstimator } from '../../../src/transport/recovery/rtt.js';

describe('the estimate of the round trip (spec recovery 2; RFC 9002 §5)', () => {
  it('is an assumption until a handshake or a sample replaces it', () => {
    const rtt = new RttEstimator();
    expect(rtt.probeTimeoutMs).toBe(INITIAL_RTT_MS + 4 * (INITIAL_RTT_MS / 2) + MAX_ACK_DELAY_MS);
    rtt.seed(40);
    expect(rtt).toMatchObject({ smoothedMs: 40, varianceMs: 20, hasSample: false });
    expect(rtt.probeTimeoutMs).toBe(40 + 80 + MAX_ACK_DELAY_MS);
    rtt.update(1_000, 900, 10);
    expect(rtt).toMatchObject({
      latestMs: 100,
      latestOfPathMs: 100,
      minMs: 100,
      smoothedMs: 100,
      varianceMs: 50,
      hasSample: true,
      firstSampleAt: 1_000,
    });
    rtt.seed(40);
    expect(rtt.smoothedMs).toBe(100);
  });

  it('moves an eighth of the way to each further sample, and its variance a quarter', () => {
    const rtt = new RttEstimator();
    rtt.update(100, 0, 0);
    rtt.update(180, 0, 0);
    expect(rtt).toMatchObject({ latestMs: 180, minMs: 100, firstSampleAt: 100 });
    expect([rtt.smoothedMs, rtt.varianceMs]).toEqual([110, 0.75 * 50 + 0.25 * 80]);
    rtt.update(180, 120, 0);
    expect(rtt.minMs).toBe(60);
  });

  it('does not begin with a handshake whose response waited while a side slept (spec recovery 2)', () => {
    const rtt = new RttEstimator();
    rtt.seed(5_001);
    expect(rtt.smoothedMs).toBe(INITIAL_RTT_MS);
    rtt.seed(5_000);
    expect(rtt.smoothedMs).toBe(5_000);
  });

  // spec recovery 2: "MUST NOT bring a sample below the minimum"
  it.each([
    ['is subtracted', 120, 20, 100],
    ['is subtracted down to the minimum', 105, 5, 100],
    ['is not subtracted below the minimum', 104, 5, 104],
    ['counts up to 25 ms', 150, 500, 125],
  ])('the delay that the peer reports %s', (_what, measured, reported, ofPath) => {
    const rtt = new RttEstimator();
    rtt.update(100, 0, 0);
    rtt.update(measured, 0, reported);
    expect(rtt).toMatchObject({ latestMs: measured, latestOfPathMs: ofPath, minMs: 100 });
  });

  it('is never 0, even if the clock did not move', () => {
    const rtt = new RttEstimator();
    rtt.seed(0);
    expect(rtt.smoothedMs).toBeGreaterThan(0);
    rtt.update(0, 0, 0);
    expect(rtt.minMs).toBeGreaterThan(0);
    expect(rtt.probeTimeoutMs).toBeGreaterThan(MAX_ACK_DELAY_MS + 1);
  });

  it('forgets a minimum that persistent congestion has called into question', () => {
    const rtt = new RttEstimator();
    for (const ms of [50, 200]) rtt.update(ms, 0, 0);
    rtt.forgetMinimum();
    expect(rtt.minMs).toBe(200);
  });

  describe('after a side has slept', () => {
    /** A round trip of 100 ms, which makes a probe timeout of 325 ms. */
    function known(): RttEstimator {
      const rtt = new RttEstimator();
      rtt.update(100, 0, 0);
      return rtt;
    }
    const UNCHANGED = { latestMs: 100, smoothedMs: 100, varianceMs: 50, minMs: 100 };

    // spec recovery 2: "MUST NOT use it, nor any other sample of a packet that was sent before this ACK arrived"
    it('leaves out the sample that is as long as the sleep, and those of all packets sent before', () => {
      const rtt = known();
      expect(rtt.update(60_000, 1_000, 0)).toBe(false);
      expect(rtt.update(60_010, 59_999, 0)).toBe(false);
      expect(rtt).toMatchObject(UNCHANGED);
      expect(rtt.update(60_110, 60_000, 0)).toBe(true);
      expect(rtt.latestMs).toBe(110);
    });

    it('uses the next one, however long it is, because the path may have become that slow', () => {
      const rtt = known();
      expect(rtt.update(60_000, 50_000, 0)).toBe(false);
      expect(rtt.update(70_000, 60_000, 0)).toBe(true);
      expect(rtt.smoothedMs).toBe(0.875 * 100 + 0.125 * 10_000);
      // From then on, 10 s are no longer eight probe timeouts.
      expect(rtt.update(80_000, 70_000, 0)).toBe(true);
    });

    it('notices every later sleep too', () => {
      const rtt = known();
      expect(rtt.update(60_000, 50_000, 0)).toBe(false);
      expect(rtt.update(60_100, 60_000, 0)).toBe(true);
      expect(rtt.update(90_000, 61_000, 0)).toBe(false);
    });

    it.each([
      ['eight probe timeouts', 8 * 325, true],
      ['a little less', 8 * 325 - 1, false],
    ])('takes %s for a sleep: %s ms, %s', (_what, sampleMs, isSleep) => {
      expect(known().update(sampleMs, 0, 0)).toBe(!isSleep);
    });

    it.each([
      [1_000, false],
      [999, true],
    ])(
      'takes no sample of less than a second for a sleep, on the fastest path: %s ms',
      (sampleMs, counts) => {
        const rtt = new RttEstimator();
        rtt.update(1, 0, 0);
        expect(rtt.update(sampleMs, 0, 0)).toBe(counts);
      },
    );
  });
});
