/** SIGINT and SIGTERM: the first asks for a clean stop, the second ends the process at once. */
import { ExitCode, signalExitCode } from './exit-code.js';
import { printErrorLine } from './terminal.js';

/** A clean stop takes at most this long; then the process ends anyway (docs/cli.md, 'Stopping'). */
export const STOP_LIMIT_MS = 4_500;

let hasSignal = false;

/** Whether somebody has asked the process to stop. */
export function isStopping(): boolean {
  return hasSignal;
}

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** Resolves with the first signal.
 *  @param signals  SIGHUP is in it where it means 'the terminal went away' and not 'reload' */
export function untilStopSignal(signals: readonly StopSignal[] = ['SIGINT', 'SIGTERM']): Promise<StopSignal> {
  return new Promise((resolve) => {
    for (const signal of signals) {
      process.on(signal, () => {
        if (hasSignal) process.exit(signal === 'SIGHUP' ? 129 : signalExitCode(signal));
        hasSignal = true;
        endProcessIn(STOP_LIMIT_MS);
        resolve(signal);
      });
    }
  });
}

function endProcessIn(limitMs: number): void {
  setTimeout(() => {
    printErrorLine(`underpass: did not stop cleanly within ${limitMs / 1000} s: ended anyway`);
    process.exit(ExitCode.failure);
  }, limitMs).unref();
}
