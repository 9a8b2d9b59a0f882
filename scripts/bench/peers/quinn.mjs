// quinn, the QUIC library in Rust, as a native module of Node (the one of js-libp2p), with the smallest tunnel around it.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Program } from '../programs.mjs';

const PACKAGE = `@chainsafe/libp2p-quic-${process.platform}-${process.arch}${process.platform === 'linux' ? '-gnu' : ''}`;
const TUNNEL = fileURLToPath(new URL('./quinn-tunnel.mjs', import.meta.url));

/** @param modules  the folder given to `npm install --prefix`, or undefined
 *  @param node  the Node that runs it */
export function quinn({ modules, node }) {
  const folder = modules === undefined ? undefined : path.resolve(modules, 'node_modules', PACKAGE);
  return {
    id: 'quinn',
    title: 'quinn in Node',
    missing: () =>
      folder !== undefined && existsSync(folder)
        ? undefined
        : `${PACKAGE} not found: npm install --prefix DIR ${PACKAGE}, and --modules DIR`,
    version: () =>
      `${PACKAGE} ${JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')).version}`,

    async start({ network, targetPort }) {
      const start = async (side, parameters) => {
        const program = new Program(network, side, node, [TUNNEL, folder, ...parameters]);
        return { program, port: await program.line((line) => Number(line) || undefined) };
      };
      const host = network.address.relay;
      const far = await start('relay', ['listen', host, '127.0.0.1', String(targetPort)]);
      const near = await start('client', ['connect', host, String(far.port)]);
      return { address: { host: '127.0.0.1', port: near.port }, programs: [near.program, far.program] };
    },
  };
}
