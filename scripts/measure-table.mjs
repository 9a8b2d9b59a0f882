// Prints one of the tables of docs/loss.md, measured in the simulator. The same code gives the same table.
//
//   node scripts/measure-table.mjs loss > docs/loss-table.txt          (about a minute)
//   node scripts/measure-table.mjs jitter > docs/jitter-table.txt      (half a minute)
//   node scripts/measure-table.mjs sharing > docs/sharing-table.txt    (a minute)
//   node scripts/measure-table.mjs stalls > docs/stall-table.txt       (a minute)
//
// Exit code: 0 when it was printed, 2 when testkit is not built or there is no such table.

import { existsSync } from 'node:fs';

const TESTKIT = new URL('../packages/testkit/dist/index.js', import.meta.url);

if (!existsSync(TESTKIT)) fail('packages/testkit is not built: run npm run setup first');
const testkit = await import(TESTKIT);
const TABLES = {
  loss: () => testkit.formatLossTable(testkit.measureLossTable()),
  stalls: () => testkit.measureStallTable(),
  jitter: () => testkit.measureJitterTable(),
  sharing: () =>
    testkit.formatSharingTable(testkit.SHARINGS.map((sharing) => testkit.measureSharing(sharing))),
};
const measure = TABLES[process.argv[2]];
if (measure === undefined) fail(`name one of the tables: ${Object.keys(TABLES).join(', ')}`);
process.stdout.write(measure());

function fail(message) {
  process.stderr.write(`measure-table: ${message}\n`);
  process.exit(2);
}
