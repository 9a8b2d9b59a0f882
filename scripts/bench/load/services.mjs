// What a connection asks of the target with its first byte.

import { randomBytes } from 'node:crypto';

export const ECHO = 'e';
export const SINK = 's';
export const SOURCE = 'f';
/** Like a source, but at a steady rate that leaves room in the network and on the machine. */
export const PACED_SOURCE = 'p';
export const PACED_MEGABYTES_PER_SECOND = 20;
const PACED_STEP_MS = 2;

/** No tunnel can compress it. */
const BLOCK = randomBytes(256 * 1024);

/** Writes as much as the other side takes, until the socket is closed. It lets other connections have their turn after
 *  each block: Node would go on at once while the kernel takes everything. */
export function pour(socket) {
  const writeBlock = () => {
    if (!socket.destroyed) socket.write(BLOCK, () => setImmediate(writeBlock));
  };
  writeBlock();
}

/** Writes `PACED_MEGABYTES_PER_SECOND` until the socket is closed, or less where the other side takes less. */
export function pourPaced(socket) {
  const bytesPerMs = PACED_MEGABYTES_PER_SECOND * 1000;
  let writtenUntil = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    const bytes = Math.min(BLOCK.length, Math.round((now - writtenUntil) * bytesPerMs));
    writtenUntil = now;
    if (socket.writableLength === 0) socket.write(BLOCK.subarray(0, bytes));
  }, PACED_STEP_MS);
  socket.once('close', () => clearInterval(timer));
}
