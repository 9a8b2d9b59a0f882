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
    rtt.update(1_000, 100, 10);
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
    rtt.update(0, 100, 0);
    rtt.update(10, 180, 0);
    expect(rtt).toMatchObject({ latestMs: 180, minMs: 100, firstSampleAt: 0 });
    expect([rtt.smoothedMs, rtt.varianceMs]).toEqual([110, 0.75 * 50 + 0.25 * 80]);
    rtt.update(20, 60, 0);
    expect(rtt.minMs).toBe(60);
  });

  it.each([
    ['is subtracted', 120, 20, 100],
    ['is subtracted down to the minimum', 105, 5, 100],
    ['is not subtracted below the minimum', 104, 5, 104],
    ['counts up to 25 ms', 150, 500, 125],
  ])('the delay that the peer reports %s', (_what, measured, reported, ofPath) => {
    const rtt = new RttEstimator();
    rtt.update(0, 100, 0);
    rtt.update(1, measured, reported);
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
    for (const ms of [50, 200]) rtt.update(0, ms, 0);
    rtt.forgetMinimum();
    expect(rtt.minMs).toBe(200);
  });
});
