/** Ends TCP connections with RST, so that no program mistakes the end for a complete answer. */
import type { Duplex } from 'node:stream';

/** A `net.Socket`, or something like it. */
export type ResettableSocket = Duplex & { resetAndDestroy(): unknown };

/** Ends a connected socket with RST, now or as soon as the kernel accepts it. A unix socket has no RST: it is closed,
 *  which the other end takes for an error only if it had sent something that was not read (spec forwarding 4.2). */
export function resetSocket(socket: ResettableSocket): void {
  if (socket.destroyed) return;
  // While Node is sending our FIN a reset would be ignored, and the socket would never close.
  if (isShuttingDown(socket)) socket.once('finish', () => resetSocket(socket));
  else if (isUnixSocket(socket)) socket.destroy();
  else socket.resetAndDestroy();
}

/** Resets all of them. @returns a promise that resolves when each has emitted `close` */
export async function resetSockets(sockets: Iterable<ResettableSocket>): Promise<void> {
  await Promise.all(
    Array.from(sockets, (socket) => {
      // Node calls a socket closed a tick before it emits `close`.
      if (socket.closed) return new Promise<void>((resolve) => process.nextTick(resolve));
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      resetSocket(socket);
      return closed;
    }),
  );
}

/** Node refuses to reset anything but TCP. */
function isUnixSocket(socket: ResettableSocket): boolean {
  const handle = (socket as { readonly _handle?: { readonly reset?: unknown } | null })._handle;
  return handle !== undefined && handle !== null && handle.reset === undefined;
}

function isShuttingDown(socket: ResettableSocket): boolean {
  return socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
}
