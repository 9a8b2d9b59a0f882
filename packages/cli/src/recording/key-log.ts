/** `--key-log FILE`: writes the secrets of each handshake in the format that Wireshark reads (Preferences, Protocols,
 *  WireGuard, Key log file). */
import { constants, writeSync } from 'node:fs';
import type { Log } from '@underpass/runtime';
import { systemReason } from '../cli-error.js';
import { openPrivately } from './private-file.js';

/** Opens or creates the file with mode 0600, and warns that it exposes the traffic and this side's private key.
 *
 *  @returns a function that writes one line
 *  @throws CliError if the file cannot be opened, is a link, belongs to another user or is open to others */
export function openKeyLog(path: string, log: Log): (line: string) => void {
  const file = openPrivately(path, 'the key log', constants.O_APPEND);
  log.warn(
    { event: 'key-log', file: path },
    `the key log is on: anyone who has ${path} can read this traffic, and pose as this side`,
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
