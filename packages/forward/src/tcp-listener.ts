/** Listens where a forward says (spec forwarding 1.2). */
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { bindError, systemCode } from '@underpass/runtime';
import { LISTEN_BACKLOG, MAX_SAME_PORT_TRIES } from './forward-constants.js';
import { formatTarget, type LocalForward } from './forward-spec.js';

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

export interface TcpListener {
  /** With the real port where port 0 was asked for. */
  readonly addresses: readonly ListenAddress[];
  /** No more connections; those that exist are left alone. */
  close(): void;
}

/** @param onConnection  is given each socket, with allowHalfOpen, in the turn in which it was accepted
 *  @throws UnderpassError when it cannot listen */
export async function listenTcp(
  forward: LocalForward,
  onConnection: (socket: Socket) => void,
): Promise<TcpListener> {
  const servers = await openServers(forward, onConnection);
  return {
    addresses: servers.map(addressOf),
    close: () => {
      for (const server of servers) server.close();
    },
  };
}

type OnConnection = (socket: Socket) => void;

async function openServers(forward: LocalForward, onConnection: OnConnection): Promise<Server[]> {
  const { bind, port } = forward;
  if (bind.kind === 'loopback') return openLoopback(port, onConnection);
  if (bind.kind === 'host') return [await open({ host: bind.host, port }, onConnection)];
  try {
    return [await open({ host: '::', port }, onConnection)];
  } catch (error) {
    if (!isFamilyMissing(error)) throw error;
    return [await open({ host: '0.0.0.0', port }, onConnection)];
  }
}

/** Both families with one port; one alone when the other cannot be had. */
async function openLoopback(port: number, onConnection: OnConnection): Promise<Server[]> {
  for (let tries = 1; ; tries++) {
    const ipv4 = await outcomeOf(open({ host: '127.0.0.1', port }, onConnection));
    const ipv6 = await outcomeOf(
      open(
        { host: '::1', port: ipv4 instanceof Error ? port : addressOf(ipv4).port, ipv6Only: true },
        onConnection,
      ),
    );
    if (ipv4 instanceof Error && ipv6 instanceof Error) throw ipv4;
    // The system chose a port that is free for one family only.
    if (port === 0 && tries < MAX_SAME_PORT_TRIES && !(ipv4 instanceof Error) && isPortTaken(ipv6)) {
      ipv4.close();
      continue;
    }
    return [ipv4, ipv6].filter((server): server is Server => !(server instanceof Error));
  }
}

function open(options: ListenOptions, onConnection: OnConnection): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const place = formatTarget({ host: options.host ?? '', port: options.port ?? 0 });
      reject(bindError(`TCP port ${place}`, error));
    });
    server.listen({ backlog: LISTEN_BACKLOG, exclusive: true, ...options }, () => {
      server.removeAllListeners('error');
      // Out of file descriptors: the connection waits in the kernel's queue, and we go on.
      server.on('error', () => {});
      resolve(server);
    });
  });
}

function addressOf(server: Server): ListenAddress {
  const address = server.address();
  return address === null || typeof address === 'string'
    ? { address: '', port: 0 }
    : { address: address.address, port: address.port };
}

function outcomeOf(opening: Promise<Server>): Promise<Server | Error> {
  return opening.catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
}

function isPortTaken(outcome: Server | Error): boolean {
  return outcome instanceof Error && systemCode(outcome.cause) === 'EADDRINUSE';
}

function isFamilyMissing(error: unknown): boolean {
  const code = error instanceof Error ? systemCode(error.cause) : '';
  return code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL';
}
