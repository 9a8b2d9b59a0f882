/** What the process tells its caller: the table of docs/cli.md, part of the contract with scripts. */
export const ExitCode = {
  ok: 0,
  /** Something failed while running: a port in use, a name not found, a demo that did not match. */
  failure: 1,
  /** The command line is wrong. */
  usage: 2,
  /** A config file or a key file is wrong, missing or readable by others. */
  config: 3,
  /** Our own bug (EX_SOFTWARE of sysexits.h). */
  internal: 70,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** What shells report for a process that a signal ended; used when a second signal cuts a stop short. */
export function signalExitCode(signal: 'SIGHUP' | 'SIGINT' | 'SIGTERM'): number {
  return 128 + { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }[signal];
}
