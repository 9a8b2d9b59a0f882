/** One socket for each of this machine's addresses, so that an answer leaves from the address that the sender used
 *  (spec path 6). */
import { isIP } from 'node:net';
import { openNative, type SystemSocket } from './system-socket.js';

/** How many addresses get a socket of their own. On a machine with more, the system chooses for the rest. */
export const MAX_LOCAL_SOCKETS = 64;
/** The shortest time between two readings of this machine's addresses. */
export const REFRESH_INTERVAL_MS = 5_000;

export interface LocalSocketsOptions {
  /** The socket for all addresses, opened with koffi's help. */
  readonly main: SystemSocket;
  /** Returns this machine's current addresses, as IP literals. */
  readonly localAddresses: () => readonly string[];
  /** Called with each new socket, so that its datagrams are received. */
  readonly onOpened: (socket: SystemSocket) => void;
  readonly now: () => number;
  readonly open?: typeof openNative;
}

/** Owns the sockets for single addresses that exist beside the main one.
 *
 *  On a machine with several addresses, a socket for all of them lets the system choose the source address of an
 *  answer. If it chooses another one than the sender used, NATs and firewalls drop the answer. Node cannot read the
 *  control message that says to which address a datagram was sent (adr 0015), but a socket bound to one address knows.
 *
 *  The system delivers a datagram to the socket of its address if there is one, and to the main socket otherwise. So a
 *  datagram on the main socket suggests that an address has no socket yet: `UdpSocket` reports it with
 *  `onMainDatagram`, and the addresses are read again, at most every 5 s. On a machine with one address of each kind
 *  there is nothing to choose, so it opens no socket. */
export class LocalSockets {
  readonly #options: LocalSocketsOptions;
  readonly #sockets = new Map<string, SystemSocket>();
  #refreshedAt = Number.NEGATIVE_INFINITY;

  constructor(options: LocalSocketsOptions) {
    this.#options = options;
    this.refresh();
  }

  get addresses(): readonly string[] {
    return [...this.#sockets.keys()];
  }

  get(local: string): SystemSocket | undefined {
    return this.#sockets.get(local);
  }

  /** Call for each datagram that arrives on the main socket. */
  onMainDatagram(): void {
    if (this.#options.now() - this.#refreshedAt >= REFRESH_INTERVAL_MS) this.refresh();
  }

  /** Opens sockets for new addresses and closes those of addresses that are gone. */
  refresh(): void {
    const { main, localAddresses, now, onOpened, open = openNative } = this.#options;
    this.#refreshedAt = now();
    const isIpv4Only = isIP(main.address.address) === 4;
    const wanted = ambiguousAddresses(localAddresses())
      .filter((address) => isIP(address) === 4 || !isIpv4Only)
      .slice(0, MAX_LOCAL_SOCKETS);
    for (const [address, socket] of this.#sockets) {
      if (wanted.includes(address)) continue;
      this.#sockets.delete(address);
      void socket.close();
    }
    const missing = wanted.filter((address) => !this.#sockets.has(address));
    if (missing.length === 0) return;
    // Only for this moment: another program that shares the port could take our datagrams.
    if (main.options !== undefined) main.options.sharesAddress = true;
    for (const address of missing) {
      const family = isIP(address) === 4 ? 'udp4' : 'udp6';
      const socket = open({ family, host: address, port: main.address.port, local: address });
      // An address that the system is still checking for duplicates cannot be bound. The next refresh tries it again.
      if (socket === undefined) continue;
      this.#sockets.set(address, socket);
      onOpened(socket);
    }
    if (main.options !== undefined) main.options.sharesAddress = false;
  }

  async close(): Promise<void> {
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    await Promise.all(sockets.map((socket) => socket.close()));
  }
}

/** The addresses of each kind that has more than one, so that the system has a choice. Link-local addresses are left
 *  out: answers from them stay on their link, where the system chooses correctly. */
export function ambiguousAddresses(addresses: readonly string[]): readonly string[] {
  const kinds = new Map<string, string[]>();
  for (const address of new Set(addresses)) {
    const kind = kindOf(address);
    if (kind !== undefined) kinds.set(kind, [...(kinds.get(kind) ?? []), address]);
  }
  return [...kinds.values()].filter(({ length }) => length > 1).flat();
}

function kindOf(address: string): string | undefined {
  if (isIP(address) === 4) return address.startsWith('127.') ? 'IPv4 loopback' : 'IPv4';
  if (isIP(address) !== 6 || /^fe[89ab]/i.test(address)) return undefined;
  return address === '::1' ? 'IPv6 loopback' : 'IPv6';
}
