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

/** What sends signals and can be ended: the process. */
export interface SignalHost {
  on(signal: StopSignal, listener: () => void): void;
  exit(code: number): void;
  /** Calls back once after `delayMs`, without keeping the process alive. */
  schedule(delayMs: number, callback: () => void): void;
}

const thisProcess: SignalHost = {
  on: (signal, listener) => void process.on(signal, listener),
  exit: (code) => process.exit(code),
  schedule: (delayMs, callback) => void setTimeout(callback, delayMs).unref(),
};

/** Resolves with the first signal. The second ends the process at once.
 *  @param signals  SIGHUP is in it where it means 'the terminal went away' and not 'reload' */
export function untilStopSignal(
  signals: readonly StopSignal[] = ['SIGINT', 'SIGTERM'],
  host = thisProcess,
): Promise<StopSignal> {
  return new Promise((resolve) => {
    let isFirst = true;
    const handle = (signal: StopSignal): void => {
      if (!isFirst) {
        host.exit(signalExitCode(signal));
        return;
      }
      isFirst = false;
      hasSignal = true;
      host.schedule(STOP_LIMIT_MS, () => {
        printErrorLine(`underpass: did not stop cleanly within ${STOP_LIMIT_MS / 1000} s: ended anyway`);
        host.exit(ExitCode.failure);
      });
      resolve(signal);
    };
    for (const signal of signals) host.on(signal, () => handle(signal));
  });
}
