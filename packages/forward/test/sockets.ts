/** Real TCP connections on loopback, closed when the test ends. */
import { once } from 'node:events';
import {
  type AddressInfo,
  connect,
  createServer,
  type ListenOptions,
  type Server,
  type Socket,
} from 'node:net';
import { onTestFinished } from 'vitest';

export interface SocketPair {
  /** The end for the code under test. */
  readonly ours: Socket;
  /** The program at the other end. */
  readonly theirs: Socket;
}

export async function socketPair(): Promise<SocketPair> {
  const { server, port } = await listen();
  const theirs = connectTo(port);
  const [[ours]] = (await Promise.all([once(server, 'connection'), once(theirs, 'connect')])) as [
    [Socket],
    unknown,
  ];
  server.close();
  return { ours, theirs };
}

export async function listen(
  onConnection: (socket: Socket) => void = () => undefined,
  at: ListenOptions = { host: '127.0.0.1' },
): Promise<{ readonly server: Server; readonly port: number }> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    onConnection(socket);
  });
  server.listen({ port: 0, ...at });
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { server, port: (server.address() as AddressInfo).port };
}

export function connectTo(port: number, host = '127.0.0.1'): Socket {
  const socket = connect({ port, host, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Resolves with everything until the FIN. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Resolves with the code of the error that ends a connection, or 'clean end'. */
export function howItEnds(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('end', () => resolve('clean end'));
    socket.resume();
  });
}
