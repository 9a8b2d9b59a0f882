/** The only module that writes to the terminal. Logs go to stderr, results to stdout. */
import { withoutInviteLinks } from '@underpass/forward/invite-link';
import { CliError, systemReason } from './cli-error.js';
import { ExitCode } from './exit-code.js';
import { withoutKeys } from './key-text.js';
import { stderrWriter } from './stderr.js';

/** The last error of stdout. */
let outputFailure: NodeJS.ErrnoException | undefined;

/** Keeps failures of stdout and stderr from ending the program: a full disk or a reader that has gone away is no reason
 *  to stop forwarding. A command that prints a result calls `requireOutput` afterwards. */
export function tolerateFailingOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    outputFailure = error;
  });
}

/** Prints a result, for a person or for the next program in a pipe. */
export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes to stdout as it is, for a view that controls the terminal. */
export function writeOutput(text: string): void {
  process.stdout.write(text);
}

/** Whether stdout has failed, for example because its reader has gone. */
export function hasOutputFailed(): boolean {
  return outputFailure !== undefined;
}

/** Waits until all results are written.
 *  @throws CliError when that failed. A reader that stops early (`| head`) does not count as a failure */
export async function requireOutput(): Promise<void> {
  const failure = await settleOutput();
  if (failure === undefined || failure.code === 'EPIPE') return;
  throw new CliError(ExitCode.failure, `cannot write to standard output: ${systemReason(failure)}`);
}

/** Waits until all results are written, for a result that must not get lost.
 *  @returns the error of stdout if that failed */
export async function settleOutput(): Promise<NodeJS.ErrnoException | undefined> {
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  return outputFailure;
}

/** Prints one line of failure or warning. Messages quote what users typed and what peers sent, so control characters,
 *  keys and invites are removed. */
export function printErrorLine(text: string): void {
  stderrWriter().write(withoutInviteLinks(withoutKeys(withoutControlCharacters(text))));
}

/** Replaces what a terminal would interpret: escape sequences, carriage returns, line ends. */
export function withoutControlCharacters(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this removes
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}

/** Whether to use colour: on a terminal, unless the user has turned it off (no-color.org). */
export function usesColor(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true && (process.env.NO_COLOR ?? '') === '' && process.env.TERM !== 'dumb';
}
