// The two load processes of a network, as the benchmark sees them.

import { fileURLToPath } from 'node:url';
import { Program } from '../programs.mjs';
import { requestsTo } from './requests.mjs';

const fileOf = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Starts the target and the load. They run on the Node of the benchmark, whatever Node the tunnels run on.
 *  @returns `ask` and `askTarget` send requests; `targetPort` is where tunnels lead */
export async function startLoad(network) {
  const start = (side, file) => new Program(network, side, process.execPath, [fileOf(file)], { ipc: true });
  const [target, client] = [start('relay', './target.mjs'), start('client', './client.mjs')];
  const askTarget = requestsTo(target.child);
  return {
    ask: requestsTo(client.child),
    askTarget,
    targetPort: await askTarget('listen'),
    stop: () => Promise.all([target.stop(), client.stop()]),
  };
}
