/** Standard error as a descriptor that never makes the program wait and never ends it. */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { systemReason } from './cli-error.js';
import { LineWriter } from './line-writer.js';

const STDERR = 2;
/** How often a reader that is behind is asked again before the process ends. */
const SETTLE_STEP_MS = 10;

let writer: LineWriter | undefined;
let lossLine = (lines: number, reason: string): string => `underpass: ${lossText(lines, reason)}`;

/** The one writer of this process: log lines and error lines keep their order. */
export function stderrWriter(): LineWriter {
  if (writer !== undefined) return writer;
  const descriptor = nonBlocking(STDERR);
  writer = new LineWriter({
    write: (bytes) => writeSync(descriptor, bytes),
    schedule: (delayMs, callback) => void setTimeout(callback, delayMs).unref(),
    describeLoss: (lines, cause) => lossLine(lines, systemReason(cause)),
  });
  return writer;
}

/** How the line looks that says how many lines were lost. */
export function setLossLine(format: (lines: number, reason: string) => string): void {
  lossLine = format;
}

export function lossText(lines: number, reason: string): string {
  return `${lines} ${lines === 1 ? 'line' : 'lines'} of the log could not be written and ${lines === 1 ? 'is' : 'are'} lost (${reason})`;
}

/** Gives a reader that is behind a last chance. */
export async function settleStderr(limitMs: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < limitMs && writer?.flush() === false; waitedMs += SETTLE_STEP_MS) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_STEP_MS));
  }
}

/** A descriptor for the same place that fails with EAGAIN instead of waiting for a reader.
 *
 *  Node makes a pipe or a socket non-blocking when it opens `process.stderr`. A terminal it leaves blocking: Ctrl-S, or
 *  an ssh session whose network is gone, would stop the whole tunnel. So a terminal is opened a second time, where the
 *  system can do that (Linux), which leaves the flags of those who share it alone. A file never waits. */
function nonBlocking(descriptor: number): number {
  if (isatty(descriptor)) {
    try {
      const { O_WRONLY, O_NOCTTY, O_NONBLOCK } = constants;
      return openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_NOCTTY | O_NONBLOCK);
    } catch {
      return descriptor; // no /proc, or a terminal of another user: then it blocks
    }
  }
  if (isPipe(descriptor)) process.stderr.on('error', () => undefined); // whoever else writes to it must not end us either
  return descriptor;
}

function isPipe(descriptor: number): boolean {
  try {
    const stats = fstatSync(descriptor);
    return stats.isFIFO() || stats.isSocket();
  } catch {
    return false; // closed: each write says so
  }
}
