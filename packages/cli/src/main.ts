/** The program's entry: runs the command line and turns what is left into an exit code. */
import { failureOf } from './failure-lines.js';
import { runProgram } from './program.js';
import { printErrorLine, tolerateClosedOutput } from './terminal.js';

tolerateClosedOutput();

for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    const failure = failureOf(error);
    for (const line of failure.lines) printErrorLine(line);
    process.exit(failure.exitCode);
  });
}

process.exitCode = await runProgram(process.argv.slice(2));
