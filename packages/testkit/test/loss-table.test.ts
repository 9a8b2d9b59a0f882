/** What loss does to each controller: a change of behaviour shows as a changed table. To accept one:
 *  `npx vitest run packages/testkit/test/loss-table.test.ts -u`, then `node scripts/plot-loss.mjs`. */
import { describe, expect, it } from 'vitest';
import { formatLossTable, measureLossTable } from '../src/loss-table.js';

describe('throughput by loss, round trip and controller', () => {
  it('is what docs/loss-table.txt says', { timeout: 120_000 }, async () => {
    const rows = measureLossTable();
    await expect(formatLossTable(rows)).toMatchFileSnapshot('../../../docs/loss-table.txt');
    const of = (congestion: string, lossChance: number) =>
      rows.find(
        (row) => row.congestion === congestion && row.lossChance === lossChance && row.roundTripMs === 80,
      );
    expect(of('bbr', 0.01)?.goodput).toBeGreaterThan(4 * (of('cubic', 0.01)?.goodput as number));
  });
});
