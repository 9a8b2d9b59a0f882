/** TCP targets and callers of the tests, and bodies whose hashes are compared. */
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** Long enough for a loaded machine; nothing ever waits that long when all is well. */
const DEADLINE_MS = 30_000;

export interface Target {
  readonly port: number;
  readonly server: Server;
}

/** A TCP server on loopback; gone, with its connections, when the test ends. */
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

/** Gives back what comes, and its FIN. */
export function startEcho(host?: string): Promise<Target> {
  return startTarget((socket) => void socket.pipe(socket), host);
}

/** A port that nothing listens on: it was free a moment ago. */
export async function closedPort(): Promise<number> {
  const { port, server } = await startTarget(() => undefined);
  server.close();
  await once(server, 'close');
  return port;
}

/** A connection to loopback that has been made. */
export async function connect(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = netConnect({ port, host, allowHalfOpen: true });
  socket.on('error', () => undefined); // whoever waits for something hears of it too
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect', { signal: AbortSignal.timeout(DEADLINE_MS) });
  return socket;
}

/** Everything until the other side's FIN; our direction stays open.
 *  @throws the socket's error */
export function readAll(socket: Socket): Promise<Buffer> {
  return readUntil(socket, Number.POSITIVE_INFINITY);
}

/** Exactly the next `length` bytes; what comes behind them waits for the next reader.
 *  @throws the socket's error, or when it ends before */
export async function readBytes(socket: Socket, length: number): Promise<Buffer> {
  const bytes = await readUntil(socket, length);
  if (bytes.length < length) throw new Error(`the connection ended after ${bytes.length} of ${length} bytes`);
  if (bytes.length > length) socket.unshift(bytes.subarray(length));
  return bytes.subarray(0, length);
}

/** Until there are at least so many bytes, or the end. */
function readUntil(socket: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => finish(new Error('nothing more came')), DEADLINE_MS);
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

/** The code of the error that ends a connection, or 'clean end'. */
export async function howItEnds(socket: Socket): Promise<string> {
  socket.resume();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the connection did not end')), DEADLINE_MS);
    const finish = (how: string): void => {
      clearTimeout(timer);
      resolve(how);
    };
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    socket.on('end', () => finish('clean end'));
    socket.on('close', () => finish('closed'));
  });
}

/** The same pseudo-random bytes for the same seed. */
export function body(length: number, seed: number): Buffer {
  const key = createHash('sha256').update(`seed ${seed}`).digest();
  return createCipheriv('aes-256-ctr', key, new Uint8Array(16)).update(new Uint8Array(length));
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
