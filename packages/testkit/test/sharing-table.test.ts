/** Who gets how much of a link that two tunnels share (spec congestion 4.5). To accept a change:
 *  `npx vitest run packages/testkit/test/sharing-table.test.ts -u`. */
import { expect, it } from 'vitest';
import { formatSharingTable, measureSharing, SHARINGS } from '../src/sharing-table.js';

it('sharing a link is what docs/sharing-table.txt says', { timeout: 180_000 }, async () => {
  const rows = SHARINGS.map(measureSharing);
  await expect(formatSharingTable(rows)).toMatchFileSnapshot('../../../docs/sharing-table.txt');
  for (const { shares } of rows) {
    expect(shares.at(-1)).toBeGreaterThan(0.3);
    expect(shares.at(-1)).toBeLessThan(0.7);
  }
});
