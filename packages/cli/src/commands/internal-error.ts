/** What `onFatal` of a library leads to: our own bug, after which nothing can go on. */
import { failureOf } from '../failure-lines.js';
import { printErrorLine } from '../terminal.js';

export function endWithInternalError(error: unknown): never {
  const failure = failureOf(error);
  for (const line of failure.lines) printErrorLine(line);
  process.exit(failure.exitCode);
}
