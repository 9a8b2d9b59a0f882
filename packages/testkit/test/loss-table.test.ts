/** Goodput of each controller with loss, on a slower link and for less time than docs/loss-table.txt. */
import { describe, expect, it } from 'vitest';
import { TABLE_LINK } from '../src/loss-table.js';
import { measureTransfer } from '../src/measure-transfer.js';

const SHORT_LINK = { ...TABLE_LINK, bytesPerMs: 1_000, durationMs: 5_000 };

/** As a share of the link's rate. */
function use(congestion: 'cubic' | 'bbr', roundTripMs: number, lossChance: number): number {
  const { bytes } = measureTransfer({ ...SHORT_LINK, congestion, roundTripMs, lossChance });
  return bytes / SHORT_LINK.durationMs / SHORT_LINK.bytesPerMs;
}

describe('goodput on a lossy link', () => {
  it.each([
    { roundTripMs: 20, lossChance: 0, atLeast: 0.9 },
    { roundTripMs: 80, lossChance: 0, atLeast: 0.8 },
    { roundTripMs: 200, lossChance: 0, atLeast: 0.6 },
    { roundTripMs: 80, lossChance: 0.01, atLeast: 0.75 },
    { roundTripMs: 20, lossChance: 0.1, atLeast: 0.65 },
    { roundTripMs: 80, lossChance: 0.1, atLeast: 0.5 },
    { roundTripMs: 80, lossChance: 0.3, atLeast: 0.1 },
  ])('is at least $atLeast with BBR at a round trip of $roundTripMs ms and a loss of $lossChance', (row) => {
    expect(use('bbr', row.roundTripMs, row.lossChance)).toBeGreaterThan(row.atLeast);
  });

  it('is as high with CUBIC as with BBR without loss, and less than half of it at 1 %', () => {
    expect(use('cubic', 80, 0)).toBeGreaterThan(0.8);
    expect(use('cubic', 80, 0.01)).toBeLessThan(use('bbr', 80, 0.01) / 2);
  });
});
