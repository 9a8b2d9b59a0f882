/** Listens on a local port (spec forwarding 1.2). */
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { bindError } from '@underpass/runtime';
import { isFamilyMissing, openOnLoopback } from './both-families.js';
import { LISTEN_BACKLOG } from './forward-constants.js';
import { formatTarget, type TcpPlace } from './forward-spec.js';

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

export interface TcpListener {
  /** With the actual port if port 0 was requested. */
  readonly addresses: readonly ListenAddress[];
  /** Accepts no more connections. Existing ones are left alone. */
  close(): void;
}

/** @param onConnection  receives each socket, with allowHalfOpen, in the turn in which it is accepted
 *  @throws UnderpassError when it cannot listen */
export async function listenTcp(
  place: TcpPlace,
  onConnection: (socket: Socket) => void,
): Promise<TcpListener> {
  const servers = await openServers(place, onConnection);
  return {
    addresses: servers.map(addressOf),
    close: () => {
      for (const server of servers) server.close();
    },
  };
}

type OnConnection = (socket: Socket) => void;

async function openServers(place: TcpPlace, onConnection: OnConnection): Promise<Server[]> {
  const { bind, port } = place;
  if (bind.kind === 'loopback') {
    const opened = await openOnLoopback(port, async (host, at) => {
      const options = host === '::1' ? { host, port: at, ipv6Only: true } : { host, port: at };
      const server = await open(options, onConnection);
      return { server, port: addressOf(server).port, close: () => server.close() };
    });
    return opened.map(({ server }) => server);
  }
  if (bind.kind === 'host') return [await open({ host: bind.host, port }, onConnection)];
  try {
    return [await open({ host: '::', port }, onConnection)];
  } catch (error) {
    if (!isFamilyMissing(error)) throw error;
    return [await open({ host: '0.0.0.0', port }, onConnection)];
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
      // Thrown when descriptors run out. The connection stays in the kernel's queue, and the listener keeps working.
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
