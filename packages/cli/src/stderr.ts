/** Standard error as a descriptor that never blocks the program and never ends it. */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { systemReason } from './cli-error.js';
import { LineWriter } from './line-writer.js';

const STDERR = 2;
/** How often to retry a slow reader before the process exits. */
const SETTLE_STEP_MS = 10;

/** Moves to the start of the terminal's line, and erases it. */
const ERASE_LINE = '\r\u001b[K';

let writer: LineWriter | undefined;
let descriptor = STDERR;
/** Whether the last line of the terminal is a progress line, which the next line replaces. */
let hasProgress = false;
let lossLine = (lines: number, reason: string): string => `underpass: ${lossText(lines, reason)}`;

/** The only writer of this process to stderr, so that log lines and error lines keep their order. */
export function stderrWriter(): LineWriter {
  if (writer !== undefined) return writer;
  descriptor = nonBlocking(STDERR);
  writer = new LineWriter({
    write: (bytes) => {
      showProgress('');
      return writeSync(descriptor, bytes);
    },
    schedule: (delayMs, callback) => void setTimeout(callback, delayMs).unref(),
    describeLoss: (lines, cause) => lossLine(lines, systemReason(cause)),
  });
  return writer;
}

/** Shows `text` as the last line of the terminal, until another line is written or another text is shown. Does nothing
 *  if stderr is not a terminal, or its reader is slow.
 *  @param text  empty to remove the line */
export function showProgress(text: string): void {
  if (text === '' && !hasProgress) return;
  if (text !== '' && (!isatty(STDERR) || process.env.TERM === 'dumb' || stderrWriter().pendingBytes > 0))
    return;
  hasProgress = false;
  try {
    writeSync(descriptor, `${ERASE_LINE}${text}`);
    hasProgress = text !== '';
  } catch {
    // The terminal does not take it now. The line is not worth a second attempt.
  }
}

/** Asks for input on a terminal. A terminal that does not take the prompt is no reason not to read the answer. */
export function showPrompt(text: string): void {
  stderrWriter().flush();
  try {
    writeSync(descriptor, text);
  } catch {
    // Nobody sees it now, and nobody would see a second attempt in its place.
  }
}

/** Sets the format of the line that reports lost lines. */
export function setLossLine(format: (lines: number, reason: string) => string): void {
  lossLine = format;
}

export function lossText(lines: number, reason: string): string {
  return `${lines} ${lines === 1 ? 'line' : 'lines'} of the log could not be written and ${lines === 1 ? 'is' : 'are'} lost (${reason})`;
}

/** Gives a slow reader a last chance to read everything. */
export async function settleStderr(limitMs: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < limitMs && writer?.flush() === false; waitedMs += SETTLE_STEP_MS) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_STEP_MS));
  }
}

/** Returns a descriptor for the same destination that fails with EAGAIN and never waits for a reader.
 *
 *  Node makes a pipe or socket non-blocking when it opens `process.stderr`, but leaves a terminal blocking. Then
 *  Ctrl-S, or an ssh session whose network is gone, would stop the whole tunnel. So a terminal is opened a second time
 *  where the system supports that (Linux). The new descriptor has flags of its own, so other users of the terminal are
 *  not affected. Files never block. */
function nonBlocking(descriptor: number): number {
  if (isatty(descriptor)) {
    try {
      const { O_WRONLY, O_NOCTTY, O_NONBLOCK } = constants;
      return openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_NOCTTY | O_NONBLOCK);
    } catch {
      return descriptor; // there is no /proc, or the terminal belongs to another user: it stays blocking
    }
  }
  if (isPipe(descriptor)) process.stderr.on('error', () => undefined); // Node itself may write to it and fail
  return descriptor;
}

function isPipe(descriptor: number): boolean {
  try {
    const stats = fstatSync(descriptor);
    return stats.isFIFO() || stats.isSocket();
  } catch {
    return false; // closed: each write will fail and report it
  }
}
