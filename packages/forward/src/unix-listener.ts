/** Listens on a unix socket (spec forwarding 1.3). */
import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { bindError, systemCode, UnderpassError } from '@underpass/runtime';
import { LISTEN_BACKLOG } from './forward-constants.js';

export interface UnixListener {
  readonly path: string;
  /** Accepts no more connections and removes the socket's file. */
  close(): void;
}

/** Only this user may connect: the socket gets mode 0600. A socket that a program left behind when it was killed is
 *  replaced; anything else at the path is left alone.
 *
 *  @param onConnection  receives each socket, with allowHalfOpen, in the turn in which it is accepted
 *  @throws UnderpassError when it cannot listen */
export async function listenUnix(
  path: string,
  onConnection: (socket: Socket) => void,
): Promise<UnixListener> {
  let server: Server;
  try {
    server = await open(path, onConnection);
  } catch (error) {
    if (systemCode(error) !== 'EADDRINUSE') throw openError(path, error);
    await removeStale(path, error);
    server = await open(path, onConnection).catch((second: unknown) => {
      throw openError(path, second);
    });
  }
  return { path, close: () => void server.close() };
}

function open(path: string, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The file is created within the call. To change its mode later would leave a moment in which others may connect.
    const previous = process.umask(0o177);
    try {
      server.listen({ path, backlog: LISTEN_BACKLOG, exclusive: true });
    } finally {
      process.umask(previous);
    }
    server.once('listening', () => {
      server.removeAllListeners('error');
      // Thrown when descriptors run out. The connection stays in the kernel's queue, and the listener keeps working.
      server.on('error', () => {});
      resolve(server);
    });
  });
}

/** Removes the file of a socket on which nobody listens.
 *  @throws UnderpassError when it is something else */
async function removeStale(path: string, cause: unknown): Promise<void> {
  const before = lstatSync(path, { throwIfNoEntry: false });
  if (before === undefined) return;
  if (!before.isSocket()) {
    throw new UnderpassError(
      'address-in-use',
      `${path} exists and is not a socket`,
      'choose another path, or remove it',
      { cause },
    );
  }
  if (await answers(path)) throw openError(path, cause);
  // Another program may have replaced it while we asked.
  const after = lstatSync(path, { throwIfNoEntry: false });
  if (after !== undefined && after.ino === before.ino && after.dev === before.dev) unlinkSync(path);
}

/** Whether anything listens there. In doubt it does. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      const code = systemCode(error);
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

function openError(path: string, cause: unknown): UnderpassError {
  switch (codeOf(path, cause)) {
    case 'EADDRINUSE':
      return new UnderpassError(
        'address-in-use',
        `unix socket ${path} is in use by another program`,
        'choose another path, or stop that program',
        { cause },
      );
    case 'ENOENT':
    case 'ENOTDIR':
      return new UnderpassError(
        'cannot-bind',
        `unix socket ${path} cannot be created: its directory does not exist`,
        'create the directory first',
        { cause },
      );
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new UnderpassError(
        'permission-denied',
        `unix socket ${path} cannot be created: this user may not write to its directory`,
        'choose another directory',
        { cause },
      );
    default:
      return bindError(`unix socket ${path}`, cause);
  }
}

/** libuv reports a directory that does not exist as EACCES. */
function codeOf(path: string, cause: unknown): string {
  const code = systemCode(cause);
  return code === 'EACCES' && !existsSync(dirname(path)) ? 'ENOENT' : code;
}
