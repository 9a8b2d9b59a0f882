// Underpass itself: a relay with one peer, and a client with one local forward.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Program } from '../programs.mjs';

/** @param onlyIn  the one scenario that it is for; undefined for all
 *  @param id  its name on the command line of the benchmark
 *  @param title  its name in reports
 *  @param root  the folder of a built checkout
 *  @param node  the Node that runs it
 *  @param flags  more options of both programs
 *  @param idlePeers  how many more peers the relay knows, none of which ever connects */
export function underpass({ id, title, root, node = process.execPath, flags = [], idlePeers = 0, onlyIn }) {
  const program = path.join(root, 'packages/cli/bin/underpass.js');
  const run = (parameters, input) =>
    execFileSync(node, [program, ...parameters], { input, encoding: 'utf8' });
  return {
    id,
    title,
    onlyIn,
    missing: () => undefined,
    version: () => {
      const nodeVersion = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
      return `${run(['--version']).trim()}, Node ${nodeVersion.slice(1)}`;
    },

    async start({ network, directory, targetPort, clients }) {
      const start = (side, own, parameters) => {
        const folder = path.join(directory, own);
        mkdirSync(folder, { mode: 0o700 });
        // Nothing of this user: neither saved relays nor running ones.
        const env = { HOME: folder, XDG_RUNTIME_DIR: folder, XDG_STATE_HOME: folder };
        return new Program(network, side, node, [program, ...parameters, ...flags], { env });
      };
      const newKey = (name) => {
        const file = path.join(directory, `${name}.key`);
        const privateKey = run(['keygen']);
        writeFileSync(file, privateKey, { mode: 0o600 });
        return { file, publicKey: run(['pubkey'], privateKey).trim() };
      };
      const relayKey = newKey('relay');
      const clientKeys = Array.from({ length: clients }, (_, i) => newKey(`client-${i}`));
      const target = `127.0.0.1:${targetPort}`;
      const config = path.join(directory, 'relay.toml');
      writeFileSync(config, relayConfig(clientKeys, target, idlePeers));
      const host = network.address.relay;
      const relay = start('relay', 'relay', ['relay', '--config', config, '--listen', `${host}:0`]);
      const { port } = await relay.line(eventNamed('listening'));
      const programs = clientKeys.map(({ file }, i) =>
        start('client', `client-${i}`, [
          ...['client', '--relay', `${host}:${port}`, '--relay-key', relayKey.publicKey],
          ...['--key', file, '-L', `127.0.0.1:0:${target}`],
        ]),
      );
      const forwards = await Promise.all(programs.map((client) => client.line(eventNamed('listening'))));
      const addresses = forwards.map((forward) => ({ host: '127.0.0.1', port: forward.addresses[0].port }));
      return { addresses, programs: [...programs, relay] };
    },
  };
}

function relayConfig(clientKeys, target, idlePeers) {
  const peer = (name, key) => `[[peer]]\nname = "${name}"\npublic_key = "${key}"\nallow = ["${target}"]\n`;
  const idle = Array.from({ length: idlePeers }, (_, i) =>
    peer(`idle-${i}`, randomBytes(32).toString('base64')),
  );
  const head = 'listen = "127.0.0.1:0"\nprivate_key_file = "relay.key"\n';
  const clients = clientKeys.map(({ publicKey }, i) => peer(`client-${i}`, publicKey));
  return [head, ...idle, ...clients].join('\n');
}

function eventNamed(name) {
  return (line) => {
    if (!line.startsWith('{')) return undefined;
    const event = JSON.parse(line);
    return event.event === name ? event : undefined;
  };
}
