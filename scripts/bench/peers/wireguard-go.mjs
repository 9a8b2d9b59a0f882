// wireguard-go on both sides, with the kernel's TCP inside.

import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../free-port.mjs';
import { missingPrograms } from '../installed.mjs';
import { Program } from '../programs.mjs';

const INNER = { client: '10.99.0.1', relay: '10.99.0.2' };
/** What wg-quick chooses for a path of 1500 bytes. */
const INNER_MTU = '1420';
const LONGEST_START_MS = 10_000;
let started = 0;

export const wireguardGo = {
  id: 'wireguard-go',
  title: 'wireguard-go',
  missing: ({ hasNamespaces }) =>
    hasNamespaces
      ? missingPrograms(['wireguard-go', 'wg'], ['wireguard-go', 'wireguard-tools'])
      : 'it needs network namespaces, and they need root',
  version: () => execFileSync('wireguard-go', ['--version'], { encoding: 'utf8' }).split('\n', 1)[0],

  async start({ network, directory, targetPort }) {
    const ends = {};
    const port = await freePort();
    for (const side of ['client', 'relay']) ends[side] = await startEnd(network, side, directory);
    for (const [side, other] of [
      ['client', 'relay'],
      ['relay', 'client'],
    ]) {
      const { name, keyFile } = ends[side];
      network.run(
        side,
        ...['wg', 'set', name, 'private-key', keyFile, 'listen-port', String(port)],
        ...['peer', ends[other].publicKey, 'allowed-ips', `${INNER[other]}/32`],
        ...['endpoint', `${network.address[other]}:${port}`],
      );
      network.run(side, 'ip', 'address', 'add', `${INNER[side]}/24`, 'dev', name);
      network.run(side, 'ip', 'link', 'set', name, 'mtu', INNER_MTU, 'up');
    }
    return {
      address: { host: INNER.relay, port: targetPort },
      programs: [ends.client.program, ends.relay.program],
    };
  },
};

async function startEnd(network, side, directory) {
  // Its control socket is in a directory that all namespaces share, so the name must be ours alone.
  const name = `ub${process.pid}n${started++}`;
  const program = new Program(network, side, 'wireguard-go', ['-f', name]);
  const controlSocket = `/var/run/wireguard/${name}.sock`;
  for (let waitedMs = 0; !existsSync(controlSocket); waitedMs += 20) {
    if (waitedMs > LONGEST_START_MS) throw new Error('wireguard-go did not open its control socket');
    await pause(20); // it does not report when it is ready
  }
  const privateKey = execFileSync('wg', ['genkey'], { encoding: 'utf8' });
  const keyFile = path.join(directory, `${side}.key`);
  writeFileSync(keyFile, privateKey, { mode: 0o600 });
  const publicKey = execFileSync('wg', ['pubkey'], { input: privateKey, encoding: 'utf8' }).trim();
  return { name, program, keyFile, publicKey };
}
