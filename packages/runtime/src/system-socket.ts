/** One UDP socket of the system: opened with koffi's help where that is installed, or else by Node. */
import { createSocket, type Socket } from 'node:dgram';
import type { Address } from '@underpass/protocol';
import { type NativeOptions, openNativeSocket } from './native-socket.js';
import { AddressCache, fromDualStack, toDualStack } from './socket-address.js';

/** Asked of the kernel for each direction; it may give less. At 1 Gbit/s this is 33 ms of not being scheduled. */
export const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;
/** Asking for less than this is not worth a further try. */
const MIN_SOCKET_BUFFER_BYTES = 128 * 1024;

export type Family = 'udp4' | 'udp6';

/** Owns the descriptor through Node's socket. It knows the options that Node does not expose, how addresses are written
 *  on it, and which of this machine's addresses it stands for. What is sent on it, and when, is its user's business. */
export class SystemSocket {
  readonly socket: Socket;
  /** Undefined: Node opened it, and nothing of the kind can be set. */
  readonly options: NativeOptions | undefined;
  readonly address: Address;
  readonly #isDualStack: boolean;
  readonly #senders: AddressCache;

  /** @param local  the one address of this machine that it is bound to, where senders are to be told apart by it */
  constructor(socket: Socket, family: Family, options: NativeOptions | undefined, local?: string) {
    this.socket = socket;
    this.options = options;
    this.#isDualStack = family === 'udp6';
    this.#senders = new AddressCache(local);
    const { address, port } = socket.address();
    this.address = { address: fromDualStack(address), port };
  }

  /** The text for `send`. */
  textOf({ address }: Address): string {
    return this.#isDualStack ? toDualStack(address) : address;
  }

  /** @param text  a sender's address as the socket gives it */
  senderOf(text: string, port: number): Address {
    return this.#senders.get(text, port);
  }

  /** spec mtu 1.4 */
  setFragmentation(mayFragment: boolean): void {
    const { options } = this;
    if (options === undefined || options.mayFragment === mayFragment) return;
    // Datagrams that wait would change with it. Until the queue is empty these leave as those before them did: then a
    // large one is carried in fragments, or a small one lost, at worst once.
    if (this.socket.getSendQueueCount() === 0) options.mayFragment = mayFragment;
  }

  close(): Promise<void> {
    this.options?.release();
    return new Promise((resolve) => this.socket.close(() => resolve()));
  }
}

export interface NativeOpening {
  readonly family: Family;
  /** An IP literal. */
  readonly host: string;
  readonly port: number;
  /** This machine's address that senders are told apart by; and the port is one that a socket for all addresses has,
   *  too. */
  readonly local?: string;
}

/** @returns undefined when there is no koffi or it did not work out; an ordinary socket then does, or says why not */
export function openNative({ family, host, port, local }: NativeOpening): SystemSocket | undefined {
  const sharesAddress = local !== undefined;
  const opening = { family, host, port, bufferBytes: SOCKET_BUFFER_BYTES, sharesAddress };
  return openNativeSocket(opening, (fd, options) => {
    const socket = createSocket({ type: family, lookup: literalLookup });
    try {
      // Throws before it takes the descriptor, or never. Needs no waiting: the socket is bound.
      socket.bind({ fd, exclusive: true });
    } catch (error) {
      socket.close();
      throw error;
    }
    return new SystemSocket(socket, family, options, local);
  });
}

export function openPlain(family: Family, host: string, port: number): Promise<SystemSocket> {
  const socket = createSocket({ type: family, lookup: literalLookup });
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      askForBuffer((bytes) => socket.setRecvBufferSize(bytes));
      askForBuffer((bytes) => socket.setSendBufferSize(bytes));
      resolve(new SystemSocket(socket, family, undefined));
    });
  });
}

/** Every address that reaches `send` is a literal: answering at once spares a thread-pool call for each datagram. */
function literalLookup(
  hostname: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  callback(null, hostname, hostname.includes(':') ? 6 : 4);
}

function askForBuffer(set: (bytes: number) => void): void {
  for (let bytes = SOCKET_BUFFER_BYTES; bytes >= MIN_SOCKET_BUFFER_BYTES; bytes /= 2) {
    try {
      set(bytes);
      return;
    } catch {
      // Linux gives what it may and says nothing; other systems refuse: ask for half.
    }
  }
}
