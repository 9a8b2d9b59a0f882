/** The exit codes of the process, as docs/cli.md lists them. Scripts rely on them. */
export const ExitCode = {
  ok: 0,
  /** A failure at run time: a port in use, a name that does not resolve, a demo whose bytes differ. */
  failure: 1,
  /** A mistake on the command line. */
  usage: 2,
  /** A config file or key file that is invalid, missing or open to others. */
  config: 3,
  /** A bug (EX_SOFTWARE of sysexits.h). */
  internal: 70,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** The code that shells report for a process ended by a signal. Used when a second signal interrupts a clean stop. */
export function signalExitCode(signal: 'SIGHUP' | 'SIGINT' | 'SIGTERM'): number {
  return 128 + { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }[signal];
}
