// What a connection asks of the target with its first byte.

import { randomBytes } from 'node:crypto';

export const ECHO = 'e';
export const SINK = 's';
export const SOURCE = 'f';

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
