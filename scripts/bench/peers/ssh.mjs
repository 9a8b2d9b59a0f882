// `ssh -L` with its default cipher, and an sshd on a port of its own with keys that are thrown away.

import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import path from 'node:path';
import { atEnd } from '../at-end.mjs';
import { freePort } from '../free-port.mjs';
import { missingPrograms, pathOf } from '../installed.mjs';
import { Program } from '../programs.mjs';

/** Where sshd drops its privileges; its service makes it at boot. */
const SEPARATION_DIRECTORY = '/run/sshd';

export const ssh = {
  id: 'ssh',
  title: 'ssh -L',
  missing: () => missingPrograms(['ssh', 'sshd', 'ssh-keygen'], ['openssh-client', 'openssh-server']),
  version: () => spawnSync('ssh', ['-V'], { encoding: 'utf8' }).stderr.trim(),

  async start({ network, directory, targetPort }) {
    const at = (name) => path.join(directory, name);
    for (const name of ['host', 'user']) {
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
    }
    copyFileSync(at('user.pub'), at('authorized_keys'));
    provideSeparationDirectory();
    const [port, localPort] = [await freePort(), await freePort()];
    const host = network.address.relay;
    writeFileSync(
      at('sshd_config'),
      `Port ${port}
ListenAddress ${host}
HostKey ${at('host')}
AuthorizedKeysFile ${at('authorized_keys')}
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
`,
    );
    const server = new Program(network, 'relay', pathOf('sshd'), ['-D', '-e', '-f', at('sshd_config')]);
    await server.line((line) => line.includes('Server listening') || undefined);
    const client = new Program(network, 'client', 'ssh', [
      ...['-F', 'none', '-N', '-i', at('user'), '-p', String(port), '-l', userInfo().username],
      ...['-o', 'BatchMode=yes', '-o', 'ExitOnForwardFailure=yes'],
      ...['-o', 'StrictHostKeyChecking=no', '-o', `UserKnownHostsFile=${at('known_hosts')}`],
      ...['-L', `127.0.0.1:${localPort}:127.0.0.1:${targetPort}`, host],
    ]);
    return { address: { host: '127.0.0.1', port: localPort }, programs: [client, server] };
  },
};

function provideSeparationDirectory() {
  if (process.getuid() !== 0 || existsSync(SEPARATION_DIRECTORY)) return;
  mkdirSync(SEPARATION_DIRECTORY, { mode: 0o755 });
  atEnd(() => rmdirSync(SEPARATION_DIRECTORY));
}
