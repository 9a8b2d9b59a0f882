/** The `onFatal` of client and relay: a bug after which the program cannot continue. */
import { failureOf } from '../failure-lines.js';
import { printErrorLine } from '../terminal.js';

export function endWithInternalError(error: unknown): never {
  const failure = failureOf(error);
  for (const line of failure.lines) printErrorLine(line);
  process.exit(failure.exitCode);
}
