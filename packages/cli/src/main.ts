/** The program's entry: runs the command line and turns what is left into an exit code. */
import { failureOf } from './failure-lines.js';
import { runProgram } from './program.js';
import { settleStderr } from './stderr.js';
import { isStopping } from './stop-signal.js';
import { printErrorLine, tolerateFailingOutput } from './terminal.js';

/** How long a reader of stderr that is behind may hold up the end of the process. */
const SETTLE_LIMIT_MS = 300;

tolerateFailingOutput();

for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    const failure = failureOf(error);
    for (const line of failure.lines) printErrorLine(line);
    process.exit(failure.exitCode);
  });
}

process.exitCode = await runProgram(process.argv.slice(2));
await settleStderr(SETTLE_LIMIT_MS);
// A reader of stdout that stalls must not hold up a stop that somebody asked for; otherwise Node waits until all is
// written.
if (isStopping()) process.exit();
