/** The only place that writes to the terminal. Logs go to stderr, results to stdout. */

/** A reader that has gone away (`underpass keygen | true`, a closed ssh session) is no reason to crash or to stop
 *  forwarding: what cannot be printed is dropped. */
export function tolerateClosedOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
    });
  }
}

/** A result, for a person or the next program in a pipe. */
export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One line of failure or warning; control characters of foreign text do not reach the terminal. */
export function printErrorLine(text: string): void {
  process.stderr.write(`${withoutControlCharacters(text)}\n`);
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
