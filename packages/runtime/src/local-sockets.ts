/** A socket for each of this machine's addresses, so that an answer leaves from the address that was asked (spec path
 *  6).
 *
 *  A socket for all addresses lets the system choose the address that an answer leaves from, and on a machine with
 *  several it may choose another than was asked; NATs and firewalls drop such an answer. Node reads no control
 *  messages, so it cannot be asked which address a datagram came to (adr 0015). A socket that is bound to one address
 *  knows. */
import { isIP } from 'node:net';
import { openNative, type SystemSocket } from './system-socket.js';

/** Addresses that get a socket of their own; on a machine with more the system chooses for the rest. */
export const MAX_LOCAL_SOCKETS = 64;
/** From one look at this machine's addresses to the next, at least. */
export const LOOK_INTERVAL_MS = 5_000;

export interface LocalSocketsOptions {
  /** The socket for all addresses, opened with koffi's help. */
  readonly main: SystemSocket;
  /** This machine's addresses at the moment, as IP literals. */
  readonly localAddresses: () => readonly string[];
  /** A socket was opened: its datagrams are to be listened to. */
  readonly onOpened: (socket: SystemSocket) => void;
  readonly now: () => number;
  readonly open?: typeof openNative;
}

/** Owns the sockets beside the main one, by address.
 *
 *  The system gives a datagram to the socket of its address if there is one, and to the main one otherwise. So a
 *  datagram at the main one is the sign that there may be an address without a socket: then, and at most every 5 s, the
 *  addresses are looked at again. A machine with one address of each kind needs none, and gets none. */
export class LocalSockets {
  readonly #options: LocalSocketsOptions;
  readonly #sockets = new Map<string, SystemSocket>();
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: LocalSocketsOptions) {
    this.#options = options;
    this.look();
  }

  get addresses(): readonly string[] {
    return [...this.#sockets.keys()];
  }

  get(local: string): SystemSocket | undefined {
    return this.#sockets.get(local);
  }

  /** A datagram came to the main socket. */
  onMainDatagram(): void {
    if (this.#options.now() - this.#lookedAt >= LOOK_INTERVAL_MS) this.look();
  }

  /** Opens sockets for new addresses and closes those of addresses that are gone. */
  look(): void {
    const { main, localAddresses, now, onOpened, open = openNative } = this.#options;
    this.#lookedAt = now();
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
    // For this moment only: whoever else may share the port could take what is meant for us.
    if (main.options !== undefined) main.options.sharesAddress = true;
    for (const address of missing) {
      const family = isIP(address) === 4 ? 'udp4' : 'udp6';
      const socket = open({ family, host: address, port: main.address.port, local: address });
      // An address that the system has yet to check cannot be bound to: the next look finds it again.
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

/** Addresses that stand beside others of their kind, so that the system has a choice. Link-local ones are left out: an
 *  answer to one stays on its link, where the system's choice is right. */
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
