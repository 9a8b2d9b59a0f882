// kcptun with its default cipher. The other settings are those with which it was fastest on a clean network.

import { randomBytes } from 'node:crypto';
import { freePort } from '../free-port.mjs';
import { missingPrograms, versionOfPackage } from '../installed.mjs';
import { Program } from '../programs.mjs';

/** Both ends need the same. No compression, because the load is random; no error correction, because nothing is lost;
 *  windows for a fast path; and the profile that reacts fastest. */
const SETTINGS = [
  ...['--crypt', 'aes', '--mode', 'fast3', '--nocomp', '--datashard', '0', '--parityshard', '0'],
  ...['--sndwnd', '2048', '--rcvwnd', '2048', '--quiet'],
];

export const kcptun = {
  id: 'kcptun',
  title: 'kcptun',
  missing: () => missingPrograms(['kcptun-client', 'kcptun-server'], ['kcptun']),
  version: () => `${versionOfPackage('kcptun')}, ${SETTINGS.join(' ')}`,

  async start({ network, targetPort }) {
    const [port, localPort] = [await freePort(), await freePort()];
    const env = { KCPTUN_KEY: randomBytes(32).toString('hex') };
    const start = (side, name, parameters) =>
      new Program(network, side, name, [...parameters, ...SETTINGS], { env });
    const listen = `${network.address.relay}:${port}`;
    const server = start('relay', 'kcptun-server', [
      '--target',
      `127.0.0.1:${targetPort}`,
      '--listen',
      listen,
    ]);
    const client = start('client', 'kcptun-client', [
      ...['--localaddr', `127.0.0.1:${localPort}`, '--remoteaddr', listen],
    ]);
    return { address: { host: '127.0.0.1', port: localPort }, programs: [client, server] };
  },
};
