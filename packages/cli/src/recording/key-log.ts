/** `--key-log FILE`: writes the secrets of each handshake in the format that Wireshark reads (Preferences, Protocols,
 *  WireGuard, Key log file). */
import { closeSync, constants, fchmodSync, fstatSync, openSync, writeSync } from 'node:fs';
import type { Log } from '@underpass/runtime';
import { CliError, systemReason } from './cli-error.js';
import { ExitCode } from './exit-code.js';
import { requireSecret } from './file-trust.js';

const { O_APPEND, O_CREAT, O_WRONLY } = constants;
/** Windows has neither flag, and needs neither: links require an administrator there, and named pipes are not files. */
const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/** Opens or creates the file with mode 0600, and warns that it exposes the traffic.
 *
 *  @returns a function that writes one line
 *  @throws CliError if the file cannot be opened, is a link, belongs to another user or is open to others */
export function openKeyLog(path: string, log: Log): (line: string) => void {
  const file = openPrivately(path);
  log.warn(
    { event: 'key-log', file: path },
    `the key log is on: anyone who has ${path} can read this traffic`,
  );
  let isWorking = true;
  return (line) => {
    if (!isWorking) return;
    try {
      const bytes = Buffer.from(`${line}\n`);
      // Never wait: a pipe whose reader stalls must not stop the tunnel. A full disk may accept part of a line.
      if (writeSync(file, bytes) < bytes.length) throw new Error('a line was cut short');
    } catch (error) {
      isWorking = false;
      log.warn({ event: 'key-log-failed' }, `the key log ${path} stops here (${systemReason(error)})`);
    }
  };
}

function openPrivately(path: string): number {
  let file: number;
  try {
    // Do not follow a link: in a directory such as /tmp anyone can create one that points to a file of this user.
    file = openSync(path, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    const isLink = error instanceof Error && 'code' in error && error.code === 'ELOOP';
    const reason = isLink ? 'it is a symbolic link' : systemReason(error);
    const message = `cannot open the key log ${path}: ${reason}`;
    throw new CliError(ExitCode.config, message, 'choose another file', { cause: error });
  }
  try {
    const stats = fstatSync(file);
    requireSecret(path, stats, 'the key log');
    // Another name of the file could be in a place where other users look.
    if (stats.isFile() && stats.nlink > 1) {
      throw new CliError(
        ExitCode.config,
        `the key log ${path} has other names (hard links)`,
        'choose another file',
      );
    }
    if (stats.isFile()) fchmodSync(file, 0o600); // an unusual umask may have removed the owner's own permissions
  } catch (error) {
    closeSync(file);
    throw error;
  }
  return file;
}
