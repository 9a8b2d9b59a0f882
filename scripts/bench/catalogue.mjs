// What can be measured, in the order of the report.

import { fileURLToPath } from 'node:url';
import { direct } from './peers/direct.mjs';
import { kcptun } from './peers/kcptun.mjs';
import { nodeProxy } from './peers/node-proxy.mjs';
import { quinn } from './peers/quinn.mjs';
import { ssh } from './peers/ssh.mjs';
import { underpass } from './peers/underpass.mjs';
import { wireguardGo } from './peers/wireguard-go.mjs';
import { besideBulk, besidePaced } from './scenarios/beside-bulk.mjs';
import { bulk } from './scenarios/bulk.mjs';
import { connections } from './scenarios/connections.mjs';
import { idlePeers } from './scenarios/idle-peers.mjs';
import { idleStreams } from './scenarios/idle-streams.mjs';
import { links } from './scenarios/links.mjs';
import { roundTrips } from './scenarios/round-trips.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Those that need quiet come first: bulk leaves full buffers behind. */
export const SCENARIOS = [
  roundTrips,
  connections,
  besidePaced,
  besideBulk,
  ...bulk,
  idleStreams,
  idlePeers,
  ...links,
];

/** The first tunnel is the one that all others are compared with.
 *
 *  @param nodes  `{ version, path }` of each Node that is to run Underpass; the first one is the main one
 *  @param modules  see `--modules`
 *  @param against  `{ revision, root }` of another build. Then the other programs are left out */
export function tunnelsFor({ nodes, modules, against }) {
  const [main, ...more] = nodes;
  const own = (id, title, options = {}) => underpass({ id, title, root: ROOT, node: main.path, ...options });
  const reference = own('underpass', 'Underpass');
  if (against !== undefined) {
    return [reference, own('against', `Underpass at ${against.revision}`, { root: against.root })];
  }
  return [
    reference,
    own('underpass-plain', 'Underpass, plain socket', { flags: ['--socket', 'plain'] }),
    own('underpass-portable', 'Underpass, portable suite', { flags: ['--suite', 'portable'] }),
    ...more.map(({ version, path }) =>
      own(`underpass-node${version}`, `Underpass, Node ${version}`, { node: path }),
    ),
    own('underpass-1000-peers', 'Underpass, 1,000 idle peers', { idlePeers: 1000, onlyIn: 'idle-peers' }),
    ssh,
    quinn({ modules, node: main.path }),
    kcptun,
    wireguardGo,
    nodeProxy,
    direct,
  ];
}
