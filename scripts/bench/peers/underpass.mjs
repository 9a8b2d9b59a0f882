// Underpass itself: a relay with one peer, and a client with one local forward.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Program } from '../programs.mjs';

/** @param id  its name on the command line of the benchmark
 *  @param title  its name in reports
 *  @param root  the folder of a built checkout
 *  @param node  the Node that runs it
 *  @param flags  more options of both programs
 *  @param idlePeers  how many more peers the relay knows, none of which ever connects */
export function underpass({ id, title, root, node = process.execPath, flags = [], idlePeers = 0 }) {
  const program = path.join(root, 'packages/cli/bin/underpass.js');
  const run = (parameters, input) =>
    execFileSync(node, [program, ...parameters], { input, encoding: 'utf8' });
  return {
    id,
    title,
    missing: () => undefined,
    version: () => {
      const nodeVersion = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
      return `${run(['--version']).trim()}, Node ${nodeVersion.slice(1)}`;
    },

    async start({ network, directory, targetPort }) {
      const start = (side, parameters) =>
        new Program(network, side, node, [program, ...parameters, ...flags], {
          // Nothing of this user: neither saved relays nor running ones.
          env: { HOME: directory, XDG_RUNTIME_DIR: directory, XDG_STATE_HOME: directory },
        });
      const newKey = (name) => {
        const file = path.join(directory, `${name}.key`);
        const privateKey = run(['keygen']);
        writeFileSync(file, privateKey, { mode: 0o600 });
        return { file, publicKey: run(['pubkey'], privateKey).trim() };
      };
      const [relayKey, clientKey] = [newKey('relay'), newKey('client')];
      const target = `127.0.0.1:${targetPort}`;
      const config = path.join(directory, 'relay.toml');
      writeFileSync(config, relayConfig(clientKey.publicKey, target, idlePeers));
      const relay = start('relay', ['relay', '--config', config, '--listen', `${network.address.relay}:0`]);
      const { port } = await relay.line(eventNamed('listening'));
      const client = start('client', [
        ...['client', '--relay', `${network.address.relay}:${port}`, '--relay-key', relayKey.publicKey],
        ...['--key', clientKey.file, '-L', `127.0.0.1:0:${target}`],
      ]);
      const forward = await client.line(eventNamed('listening'));
      return { address: { host: '127.0.0.1', port: forward.addresses[0].port }, programs: [client, relay] };
    },
  };
}

function relayConfig(publicKey, target, idlePeers) {
  const peer = (name, key) => `[[peer]]\nname = "${name}"\npublic_key = "${key}"\nallow = ["${target}"]\n`;
  const idle = Array.from({ length: idlePeers }, (_, i) =>
    peer(`idle-${i}`, randomBytes(32).toString('base64')),
  );
  const head = 'listen = "127.0.0.1:0"\nprivate_key_file = "relay.key"\n';
  return [head, ...idle, peer('laptop', publicKey)].join('\n');
}

function eventNamed(name) {
  return (line) => {
    if (!line.startsWith('{')) return undefined;
    const event = JSON.parse(line);
    return event.event === name ? event : undefined;
  };
}
