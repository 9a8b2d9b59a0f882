/** How long first contact takes (spec session 5.7, docs/adr/0007). To accept a change, run
 *  `npx vitest run packages/testkit/test/connect-table.test.ts -u`. */
import { expect, it } from 'vitest';
import { formatConnectTable } from '../src/connect-table.js';

it('first contact on a lossy path takes as long as docs/connect-table.txt says', {
  timeout: 60_000,
}, async () => {
  await expect(formatConnectTable()).toMatchFileSnapshot('../../../docs/connect-table.txt');
});
