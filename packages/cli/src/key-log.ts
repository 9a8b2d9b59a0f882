/** `--key-log FILE`: the secrets of each handshake, in the format that Wireshark reads
 *  (Preferences, Protocols, WireGuard, Key log file). */
import { closeSync, constants, fchmodSync, fstatSync, openSync, writeSync } from 'node:fs';
import type { Log } from '@underpass/runtime';
import { CliError, systemReason } from './cli-error.js';
import { ExitCode } from './exit-code.js';
import { requireSecret } from './file-trust.js';

const { O_APPEND, O_CREAT, O_WRONLY } = constants;
/** Windows has neither flag: links there take an administrator, and named pipes are no files. */
const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/** Opens or makes the file with mode 0600 and warns that it is as good as the keys.
 *  @returns what takes each line
 *  @throws CliError when the file cannot be opened, is a link, belongs to somebody else or is open to other users */
export function openKeyLog(path: string, log: Log): (line: string) => void {
  const file = openPrivately(path);
  log.warn({ event: 'key-log', file: path }, `whoever has ${path} can read this traffic: key log is on`);
  let isWorking = true;
  return (line) => {
    if (!isWorking) return;
    try {
      const bytes = Buffer.from(`${line}\n`);
      // A pipe whose reader stalls must not hold up the tunnel, and a full disk may take a part.
      if (writeSync(file, bytes) < bytes.length) throw new Error('a line was cut short');
    } catch (error) {
      isWorking = false;
      log.warn({ event: 'key-log-failed' }, `the key log ${path} stops here: ${systemReason(error)}`);
    }
  };
}

function openPrivately(path: string): number {
  let file: number;
  try {
    // The last part of the path must not be a link: in a directory like /tmp anybody can lay one to a file of ours.
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
    // Other names of the file may stand where other users look.
    if (stats.isFile() && stats.nlink > 1) {
      throw new CliError(
        ExitCode.config,
        `the key log ${path} has other names (hard links)`,
        'choose another file',
      );
    }
    if (stats.isFile()) fchmodSync(file, 0o600); // a strange umask may have left it without the owner's own bits
  } catch (error) {
    closeSync(file);
    throw error;
  }
  return file;
}
