/** Ends TCP connections with RST, so that no program mistakes the end for a complete answer. */
import type { Duplex } from 'node:stream';

/** A `net.Socket`, or something like it. */
export type ResettableSocket = Duplex & { resetAndDestroy(): unknown };

/** Ends a connected socket with RST, now or as soon as the kernel accepts it. */
export function resetSocket(socket: ResettableSocket): void {
  if (socket.destroyed) return;
  // While Node is sending our FIN a reset would be ignored, and the socket would never close.
  if (isShuttingDown(socket)) socket.once('finish', () => resetSocket(socket));
  else socket.resetAndDestroy();
}

/** Resets all of them. @returns a promise that resolves when each has emitted `close` */
export async function resetSockets(sockets: Iterable<ResettableSocket>): Promise<void> {
  await Promise.all(
    Array.from(sockets, (socket) => {
      if (socket.closed) return undefined;
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      resetSocket(socket);
      return closed;
    }),
  );
}

function isShuttingDown(socket: ResettableSocket): boolean {
  return socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
}
