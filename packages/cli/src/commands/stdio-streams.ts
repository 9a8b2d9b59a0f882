/** Standard input and output as the two directions of a connection. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { devNull } from 'node:os';
import type { Readable, Writable } from 'node:stream';

const STDOUT = 1;

export interface Stdio {
  readonly input: Readable;
  readonly output: Writable;
  /** Resolves when everything was written and the other end of a pipe knows that no more follows. */
  readonly settled: Promise<void>;
  /** Stops reading, so that the process may exit. */
  close(): void;
}

/** Call once. */
export function openStdio(): Stdio {
  const input = process.stdin;
  const { output, settled } = openOutput();
  return { input, output, settled, close: () => void input.destroy() };
}

/** `process.stdout` cannot be closed, but the end of one direction has to reach the reader while the other goes on.
 *  So a pipe or socket is written through a socket of our own. A file or a terminal has no reader that waits. */
function openOutput(): Pick<Stdio, 'output' | 'settled'> {
  const stats = fstatSync(STDOUT);
  if (!stats.isFIFO() && !stats.isSocket()) return { output: process.stdout, settled: Promise.resolve() };
  const output = new Socket({ fd: STDOUT, readable: false, writable: true });
  const settled = new Promise<void>((resolve) => {
    output.once('close', () => {
      // libuv leaves the first three descriptors open. Keep the number in use, because a file that gets it would
      // receive what others print.
      if (stats.isFIFO()) {
        closeSync(STDOUT);
        openSync(devNull, constants.O_WRONLY);
      }
      resolve();
    });
  });
  return { output, settled };
}
