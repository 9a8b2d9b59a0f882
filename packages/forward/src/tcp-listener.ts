/** Listens on a local port (spec forwarding 1.2). */
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { bindError, systemCode, UnderpassError } from '@underpass/runtime';
import { LISTEN_BACKLOG, MAX_SAME_PORT_TRIES } from './forward-constants.js';
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
  if (bind.kind === 'loopback') return openLoopback(port, onConnection);
  if (bind.kind === 'host') return [await open({ host: bind.host, port }, onConnection)];
  try {
    return [await open({ host: '::', port }, onConnection)];
  } catch (error) {
    if (!isFamilyMissing(error)) throw error;
    return [await open({ host: '0.0.0.0', port }, onConnection)];
  }
}

/** Listens on both families with the same port. A machine without one of them uses the other. If another program has
 *  the port on one family the forward fails, because `localhost` would lead some programs to us and others to that
 *  program (spec forwarding 1.2). */
async function openLoopback(port: number, onConnection: OnConnection): Promise<Server[]> {
  for (let tries = 1; ; tries++) {
    const ipv4 = await outcomeOf(open({ host: '127.0.0.1', port }, onConnection));
    const ipv6 = await outcomeOf(
      open(
        { host: '::1', port: ipv4 instanceof Error ? port : addressOf(ipv4).port, ipv6Only: true },
        onConnection,
      ),
    );
    if (!(ipv4 instanceof Error) && !(ipv6 instanceof Error)) return [ipv4, ipv6];
    const [failure, other] = ipv4 instanceof Error ? [ipv4, ipv6] : [ipv6 as Error, ipv4];
    if (other instanceof Error) throw isFamilyMissing(failure) ? other : failure;
    if (isFamilyMissing(failure)) return [other];
    const taken = addressOf(other).port;
    other.close();
    // The system chose a port that is free for one family only: try again.
    if (port === 0 && tries < MAX_SAME_PORT_TRIES && isPortTaken(failure)) continue;
    throw isPortTaken(failure) ? takenOnOneFamily(failure === ipv4, taken, failure) : failure;
  }
}

function takenOnOneFamily(isIp4Taken: boolean, port: number, cause: Error): UnderpassError {
  const places = ['127.0.0.1', '::1'].map((host) => formatTarget({ host, port }));
  const [taken, free] = isIp4Taken ? places : places.reverse();
  return new UnderpassError(
    'address-in-use',
    `${taken} is in use by another program; ${free} is free, but localhost would reach that program`,
    'choose another port, or stop that program',
    { cause },
  );
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
