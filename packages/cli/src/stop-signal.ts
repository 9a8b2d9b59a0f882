/** SIGINT and SIGTERM: the first requests a clean stop, the second ends the process at once. */
import { ExitCode, signalExitCode } from './exit-code.js';
import { printErrorLine } from './terminal.js';

/** How long a clean stop may take before the process exits anyway (docs/cli.md, 'Stopping'). */
export const STOP_LIMIT_MS = 4_500;

let hasSignal = false;

/** Whether a signal has requested a stop. */
export function isStopping(): boolean {
  return hasSignal;
}

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** The process, as the source of signals and the thing that exits. Tests replace it. */
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

/** Resolves at the first signal. The second ends the process at once.
 *  @param signals  include SIGHUP where it means that the terminal is gone, and not 'reload' */
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
        printErrorLine(`underpass: did not stop cleanly within ${STOP_LIMIT_MS / 1000} s: exiting anyway`);
        host.exit(ExitCode.failure);
      });
      resolve(signal);
    };
    for (const signal of signals) host.on(signal, () => handle(signal));
  });
}
