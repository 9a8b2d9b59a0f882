/** `--key-log FILE`: the secrets of each handshake, in the format that Wireshark reads
 *  (Preferences, Protocols, WireGuard, Key log file). */
import { closeSync, fchmodSync, fstatSync, openSync, writeSync } from 'node:fs';
import type { Log } from '@underpass/runtime';
import { CliError, systemReason } from './cli-error.js';
import { ExitCode } from './exit-code.js';
import { quoteArgument } from './key-file.js';

/** Opens or makes the file with mode 0600 and warns that it is as good as the keys.
 *  @returns what takes each line
 *  @throws CliError when the file cannot be opened, or exists and is open to other users */
export function openKeyLog(path: string, log: Log): (line: string) => void {
  const file = openPrivately(path);
  log.warn({ event: 'key-log', file: path }, `whoever has ${path} can read this traffic: key log is on`);
  let isWorking = true;
  return (line) => {
    if (!isWorking) return;
    try {
      writeSync(file, `${line}\n`);
    } catch (error) {
      isWorking = false;
      log.warn({ event: 'key-log-failed' }, `the key log ${path} stops here: ${systemReason(error)}`);
    }
  };
}

function openPrivately(path: string): number {
  let file: number;
  try {
    file = openSync(path, 'a', 0o600);
  } catch (error) {
    throw keyLogError(
      `cannot open the key log ${path}: ${systemReason(error)}`,
      'choose another file',
      error,
    );
  }
  const stats = fstatSync(file);
  if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0) {
    closeSync(file);
    throw keyLogError(
      `the key log ${path} is open to other users, and whoever reads it can read the traffic`,
      `run: chmod 600 ${quoteArgument(path)}`,
    );
  }
  if (stats.isFile()) fchmodSync(file, 0o600); // a strange umask may have left it without the owner's own bits
  return file;
}

function keyLogError(message: string, hint: string, cause?: unknown): CliError {
  return new CliError(ExitCode.config, message, hint, cause === undefined ? undefined : { cause });
}
