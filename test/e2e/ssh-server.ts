/** An sshd for tests, and the options with which ssh reaches it. */
import { copyFileSync, existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { outputOf, run } from './installed.js';
import { RunningProgram } from './running-program.js';
import { connect, readBytes } from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';

export function sshOptions(key: string): string[] {
  return [
    ...['-F', 'none', '-i', key],
    ...['-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
  ];
}

/** Starts an sshd for the test, with one port on loopback and one key.
 *  @returns the client's key file, or why sshd cannot run on this machine */
export async function startSshServer(
  sshd: string,
  sshKeygen: string,
  port: number,
): Promise<{ readonly key: string } | string> {
  const directory = temporaryDirectory();
  const at = (name: string): string => path.join(directory, name);
  for (const name of ['host', 'user']) {
    outputOf(sshKeygen, ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
  }
  mkdirSync(at('authorized'), { mode: 0o700 });
  copyFileSync(at('user.pub'), at('authorized/keys'));
  writeFileSync(
    at('sshd_config'),
    `Port ${port}
ListenAddress 127.0.0.1
HostKey ${at('host')}
AuthorizedKeysFile ${at('authorized/keys')}
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
Subsystem sftp internal-sftp
`,
  );
  provideSeparationDirectory();
  const check = await run(sshd, ['-t', '-f', at('sshd_config')]);
  if (check.code !== 0) return check.errors.trim();
  const server = new RunningProgram(sshd, ['-D', '-e', '-f', at('sshd_config')]);
  await server.until(
    () => server.exit !== undefined || server.transcript().includes('listening'),
    'sshd to listen',
  );
  if (server.exit !== undefined) return server.transcript();
  const socket = await connect(port);
  expect(String(await readBytes(socket, 4))).toBe('SSH-');
  socket.destroy();
  return { key: at('user') };
}

/** As root, sshd needs an empty directory that its service would create at boot. */
function provideSeparationDirectory(): void {
  const directory = '/run/sshd';
  if (process.getuid?.() !== 0 || existsSync(directory)) return;
  mkdirSync(directory, { mode: 0o755 });
  onTestFinished(() => rmdirSync(directory));
}
