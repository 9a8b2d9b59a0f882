/** Starts a worker process of a relay. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The program's entry. It has the same place as seen from the bundle and from the sources. */
const PROGRAM = fileURLToPath(new URL('../bin/underpass.js', import.meta.url));

/** What makes the entry a worker instead of the command line. */
const ARGUMENT = 'relay-worker';

/** The worker inherits stderr only to report a bug in it, and reads no signals: its main process ends it. */
export function spawnRelayWorker(socketFd: number): ChildProcess {
  return spawn(process.execPath, [...process.execArgv, PROGRAM, ARGUMENT], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe', socketFd],
  });
}
