/** Runs the command line, and sets the exit code. */
import type { Command } from 'commander';
import { failureOf } from './failure-lines.js';
import { runProgram } from './program.js';
import { settleStderr } from './stderr.js';
import { isStopping } from './stop-signal.js';
import { printErrorLine, tolerateFailingOutput } from './terminal.js';

/** How long a slow reader of stderr may delay the exit. */
const SETTLE_LIMIT_MS = 300;

/** @param commands  all commands, or the one that this process was started for */
export async function runMain(commands: readonly Command[]): Promise<void> {
  tolerateFailingOutput();

  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      const failure = failureOf(error);
      for (const line of failure.lines) printErrorLine(line);
      process.exit(failure.exitCode);
    });
  }

  process.exitCode = await runProgram(process.argv.slice(2), commands);
  await settleStderr(SETTLE_LIMIT_MS);
  // By default Node waits until stdout is written. A stalled reader must not delay a requested stop.
  if (isStopping()) process.exit();
}
