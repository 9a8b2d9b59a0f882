// Prints how two tunnels share a link, from the simulator: the table docs/sharing-table.txt.
//
//   node scripts/sharing-table.mjs > docs/sharing-table.txt
//
// It takes about a minute. The same code gives the same table. Exit code: 0 printed, 2 not built.

import { existsSync } from 'node:fs';

const TESTKIT = new URL('../packages/testkit/dist/index.js', import.meta.url);

if (!existsSync(TESTKIT)) {
  process.stderr.write('sharing-table: packages/testkit is not built: run npm run build first\n');
  process.exit(2);
}
const { formatSharingTable, measureSharing, SHARINGS } = await import(TESTKIT);
process.stdout.write(formatSharingTable(SHARINGS.map((sharing) => measureSharing(sharing))));
