// Two bare TCP proxies in Node, one on each side, without encryption: what a tunnel in Node could reach at most.

import { fileURLToPath } from 'node:url';
import { Program } from '../programs.mjs';

const PROXY = fileURLToPath(new URL('./tcp-proxy.mjs', import.meta.url));

export const nodeProxy = {
  id: 'node-proxy',
  title: 'bare Node proxies',
  missing: () => undefined,
  version: () => `Node ${process.versions.node}`,

  async start({ network, targetPort }) {
    const start = async (side, listenHost, host, port) => {
      const program = new Program(network, side, process.execPath, [PROXY, listenHost, host, String(port)]);
      return { program, port: await program.line((line) => Number(line) || undefined) };
    };
    const far = await start('relay', network.address.relay, '127.0.0.1', targetPort);
    const near = await start('client', '127.0.0.1', network.address.relay, far.port);
    return { address: { host: '127.0.0.1', port: near.port }, programs: [near.program, far.program] };
  },
};
