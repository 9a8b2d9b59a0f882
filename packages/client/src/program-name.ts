/** How events call the program at the other end of a local connection. */
import type { Socket } from 'node:net';
import { formatTarget, isUnix, type ListenPlace } from '@underpass/forward';

/** A program on a unix socket has no name, so it is called by the socket that it connected to. */
export function nameOfProgram(socket: Socket, place: ListenPlace): string {
  if (isUnix(place)) return formatTarget(place);
  return `${socket.remoteAddress ?? '?'} port ${socket.remotePort ?? '?'}`;
}

/** Where a visitor of a reverse forward comes from. */
export function formatSource({ host, port }: { readonly host: string; readonly port: number }): string {
  return port === 0 ? 'a program at the relay' : `${host} port ${port}`;
}
