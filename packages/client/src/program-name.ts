/** How events call the program at the other end of a local connection. */
import type { Socket } from 'node:net';

export function nameOfProgram(socket: Socket): string {
  return `${socket.remoteAddress ?? '?'} port ${socket.remotePort ?? '?'}`;
}
