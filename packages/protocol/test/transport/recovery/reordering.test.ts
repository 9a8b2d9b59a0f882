import { describe, expect, it } from 'vitest';
import {
  GRANULARITY_MS,
  MAX_PACKET_THRESHOLD,
  PACKET_THRESHOLD,
  REORDERING_MEMORY_MS,
} from '../../../src/transport/limits.js';
import { Reordering } from '../../../src/transport/recovery/reordering.js';

const RTT = 100;
const DEFAULT_DELAY_MS = (9 / 8) * RTT;

describe('the packet threshold (spec recovery 3.1, 3.3)', () => {
  it.each([
    [PACKET_THRESHOLD - 1, PACKET_THRESHOLD],
    [PACKET_THRESHOLD, PACKET_THRESHOLD + 1],
    [MAX_PACKET_THRESHOLD - 1, MAX_PACKET_THRESHOLD],
    [MAX_PACKET_THRESHOLD, Number.POSITIVE_INFINITY],
  ])('after a spurious loss of the packet %i below the largest is %i', (distance, threshold) => {
    const reordering = new Reordering();
    reordering.onSpuriousLoss(distance);
    expect(reordering.packetThreshold).toBe(threshold);
  });

  it('never falls again', () => {
    const reordering = new Reordering();
    for (const distance of [10, 3, 10]) reordering.onSpuriousLoss(distance);
    expect(reordering.packetThreshold).toBe(11);
    reordering.onSpuriousLoss(MAX_PACKET_THRESHOLD);
    reordering.onSpuriousLoss(10);
    expect(reordering.packetThreshold).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('the time threshold (spec recovery 3.1, 3.3)', () => {
  it('is 9/8 of a round trip, but no less than the granularity of timers', () => {
    expect(new Reordering().lossDelayMs(0, RTT)).toBe(DEFAULT_DELAY_MS);
    expect(new Reordering().lossDelayMs(0, 0.1)).toBe(GRANULARITY_MS);
  });

  it('is a little more than the longest round trip of a late packet, up to two round trips', () => {
    const reordering = new Reordering();
    for (const lateMs of [120, 150, 130]) reordering.onLatePacket(0, lateMs);
    expect(reordering.lossDelayMs(1, RTT)).toBe(150 + GRANULARITY_MS);
    reordering.onLatePacket(1, 1_000);
    expect(reordering.lossDelayMs(1, RTT)).toBe(2 * RTT + GRANULARITY_MS);
  });

  it.each([
    ['for a whole span after it', REORDERING_MEMORY_MS - 1, 0, 150 + GRANULARITY_MS],
    ['for the span after that', REORDERING_MEMORY_MS, 2 * REORDERING_MEMORY_MS - 1, 150 + GRANULARITY_MS],
    ['and no longer', REORDERING_MEMORY_MS, 2 * REORDERING_MEMORY_MS, DEFAULT_DELAY_MS],
    ['and not at all after two spans without a look', 2 * REORDERING_MEMORY_MS, 0, DEFAULT_DELAY_MS],
  ])('remembers a late packet %s', (_when, first, second, expected) => {
    const reordering = new Reordering();
    reordering.onLatePacket(0, 150);
    let delay = reordering.lossDelayMs(first, RTT);
    if (second > 0) delay = reordering.lossDelayMs(second, RTT);
    expect(delay).toBe(expected);
  });

  it('counts a late packet from when it arrives, even if nothing was asked for long', () => {
    const reordering = new Reordering();
    reordering.onLatePacket(0, 150);
    reordering.onLatePacket(20_000, 130);
    expect(reordering.lossDelayMs(20_001, RTT)).toBe(130 + GRANULARITY_MS);
    expect(reordering.lossDelayMs(20_000 + REORDERING_MEMORY_MS, RTT)).toBe(130 + GRANULARITY_MS);
  });
});
