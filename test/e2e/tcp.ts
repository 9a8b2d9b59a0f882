/** TCP servers and clients for tests, and bodies to compare by hash. */
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { DEADLINE_MS, startDeadline } from './deadline.js';

export interface Target {
  readonly port: number;
  readonly server: Server;
}

/** A TCP server on loopback, closed with its connections when the test ends. */
export async function startTarget(handle: (socket: Socket) => void, host = '127.0.0.1'): Promise<Target> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    handle(socket);
  });
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, host);
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, server };
}

/** Sends back everything it receives, including the FIN. */
export function startEcho(host?: string): Promise<Target> {
  return startTarget((socket) => void socket.pipe(socket), host);
}

/** A port without a listener: it was free a moment ago. */
export async function closedPort(): Promise<number> {
  const { port, server } = await startTarget(() => undefined);
  server.close();
  await once(server, 'close');
  return port;
}

/** Connects to a port on loopback. */
export async function connect(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = startConnecting(port, host);
  await once(socket, 'connect', { signal: AbortSignal.timeout(DEADLINE_MS) });
  return socket;
}

/** The same without waiting. A connection that is reset at once may never be seen as connected: if this process is slow,
 *  the reset arrives first, and takes the place of the `connect` event. */
export function startConnecting(port: number, host = '127.0.0.1'): Socket {
  const socket = netConnect({ port, host, allowHalfOpen: true });
  socket.on('error', () => undefined); // a reader that waits gets the error too
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Resolves with everything until the other side's FIN. Our direction stays open.
 *  @throws the socket's error */
export function readAll(socket: Socket): Promise<Buffer> {
  return readUntil(socket, Number.POSITIVE_INFINITY);
}

/** Resolves with exactly the next `length` bytes, and leaves the rest to the next reader.
 *  @throws the socket's error, or an error if it ends before */
export async function readBytes(socket: Socket, length: number): Promise<Buffer> {
  const bytes = await readUntil(socket, length);
  if (bytes.length < length) throw new Error(`the connection ended after ${bytes.length} of ${length} bytes`);
  if (bytes.length > length) socket.unshift(bytes.subarray(length));
  return bytes.subarray(0, length);
}

/** Waits for at least this many bytes, or for the end. */
function readUntil(socket: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  return new Promise((resolve, reject) => {
    const timer = startDeadline(() => finish(new Error('nothing more came')));
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      socket.pause().off('data', onData).off('end', finish).off('error', finish);
      if (error === undefined) resolve(Buffer.concat(chunks));
      else reject(error);
    };
    const onData = (chunk: Buffer): void => {
      timer.refresh();
      chunks.push(chunk);
      total += chunk.length;
      if (total >= length) finish();
    };
    socket.on('data', onData).on('end', finish).on('error', finish).resume();
  });
}

/** Resolves with the code of the error that ends a connection, or 'clean end'. */
export async function howItEnds(socket: Socket): Promise<string> {
  socket.resume();
  return new Promise((resolve, reject) => {
    const timer = startDeadline(() => reject(new Error('the connection did not end')));
    const finish = (how: string): void => {
      clearTimeout(timer);
      resolve(how);
    };
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    socket.on('end', () => finish('clean end'));
    socket.on('close', () => finish('closed'));
  });
}

/** Pseudo-random bytes, always the same for a seed. */
export function body(length: number, seed: number): Buffer {
  const key = createHash('sha256').update(`seed ${seed}`).digest();
  return createCipheriv('aes-256-ctr', key, new Uint8Array(16)).update(new Uint8Array(length));
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
