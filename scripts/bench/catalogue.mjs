// What can be measured, in the order of the report.

import { fileURLToPath } from 'node:url';
import { direct } from './peers/direct.mjs';
import { kcptun } from './peers/kcptun.mjs';
import { nodeProxy } from './peers/node-proxy.mjs';
import { quinn } from './peers/quinn.mjs';
import { ssh } from './peers/ssh.mjs';
import { underpass } from './peers/underpass.mjs';
import { wireguardGo } from './peers/wireguard-go.mjs';
import { bulk } from './scenarios/bulk.mjs';
import { connections } from './scenarios/connections.mjs';
import { roundTrips } from './scenarios/round-trips.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Those that need quiet come first: bulk leaves full buffers behind. */
export const SCENARIOS = [roundTrips, connections, ...bulk];

/** The first tunnel is the one that all others are compared with.
 *
 *  @param nodes  `{ version, path }` of each Node that is to run Underpass; the first one is the main one
 *  @param modules  see `--modules`
 *  @param against  `{ revision, root }` of another build. Then the other programs are left out */
export function tunnelsFor({ nodes, modules, against }) {
  const [main, ...more] = nodes;
  const own = [underpass({ id: 'underpass', title: 'Underpass', root: ROOT, node: main.path })];
  for (const { version, path } of more) {
    own.push(
      underpass({
        id: `underpass-node${version}`,
        title: `Underpass, Node ${version}`,
        root: ROOT,
        node: path,
      }),
    );
  }
  if (against !== undefined) {
    const title = `Underpass at ${against.revision}`;
    return [...own, underpass({ id: 'against', title, root: against.root, node: main.path })];
  }
  return [...own, ssh, quinn({ modules, node: main.path }), kcptun, wireguardGo, nodeProxy, direct];
}
