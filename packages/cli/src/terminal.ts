/** The only place that writes to the terminal. Logs go to stderr, results to stdout. */
import { CliError, systemReason } from './cli-error.js';
import { ExitCode } from './exit-code.js';
import { withoutKeys } from './key-text.js';
import { stderrWriter } from './stderr.js';

/** What stdout last failed with. */
let outputFailure: NodeJS.ErrnoException | undefined;

/** Nothing that happens to stdout or stderr ends the program: a full disk or a reader that has gone away is no reason
 *  to stop forwarding. A command whose result goes to stdout asks `requireOutput` afterwards. */
export function tolerateFailingOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    outputFailure = error;
  });
}

/** A result, for a person or the next program in a pipe. */
export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Waits until all results are written.
 *  @throws CliError when they could not be. A reader that did not want them all (`| head`) is no failure */
export async function requireOutput(): Promise<void> {
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  const code = outputFailure?.code;
  if (code === undefined || code === 'EPIPE') return;
  throw new CliError(ExitCode.failure, `cannot write to standard output: ${systemReason(outputFailure)}`);
}

/** One line of failure or warning; control characters of foreign text do not reach the terminal, and neither does a
 *  key: what somebody typed into the wrong place is quoted in many messages. */
export function printErrorLine(text: string): void {
  stderrWriter().write(withoutKeys(withoutControlCharacters(text)));
}

/** Replaces what a terminal would act on: escape sequences, carriage returns, line ends. */
export function withoutControlCharacters(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this removes
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}

/** Whether to use colour: a terminal, and nobody said no (no-color.org). */
export function usesColor(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true && (process.env.NO_COLOR ?? '') === '' && process.env.TERM !== 'dumb';
}
