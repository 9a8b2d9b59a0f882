/** Opens one UDP socket of the system: through koffi where it is installed, otherwise through Node. */
import { createSocket, type Socket } from 'node:dgram';
import type { Address } from '@underpass/protocol';
import { cLibrary } from './c-library.js';
import { adoptDescriptor, type NativeOptions, openNativeSocket } from './native-socket.js';
import { AddressCache, fromDualStack, toDualStack } from './socket-address.js';

/** Requested from the kernel for each direction; it may give less. At 1 Gbit/s it covers 33 ms during which we are not
 *  scheduled. */
export const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;
/** The smallest buffer worth another try. */
const MIN_SOCKET_BUFFER_BYTES = 128 * 1024;

export type Family = 'udp4' | 'udp6';

/** A socket that belongs to another process too: a descriptor that a worker of a relay inherits. */
export interface SharedSocket {
  readonly fd: number;
  readonly family: Family;
}

/** One UDP socket of the system and the facts about it.
 *
 *  It owns the descriptor, through Node's socket. It knows the options that Node does not expose, how this socket
 *  writes addresses, and to which address of this machine it is bound. `UdpSocket` and `LocalSockets` use it; what to
 *  send, and when, is their decision. */
export class SystemSocket {
  readonly socket: Socket;
  /** Undefined when Node opened the socket: then none of these options can be set. */
  readonly options: NativeOptions | undefined;
  readonly address: Address;
  readonly #isDualStack: boolean;
  readonly #senders: AddressCache;
  #isClosed = false;

  /** @param local  the address of this machine to which the socket is bound, if its senders should carry it */
  constructor(socket: Socket, family: Family, options: NativeOptions | undefined, local?: string) {
    this.socket = socket;
    this.options = options;
    this.#isDualStack = family === 'udp6';
    this.#senders = new AddressCache(local);
    const { address, port } = socket.address();
    this.address = { address: fromDualStack(address), port };
  }

  /** The form of an address that `send` needs. */
  textOf({ address }: Address): string {
    return this.#isDualStack ? toDualStack(address) : address;
  }

  /** @param text  a sender's address as the socket reports it */
  senderOf(text: string, port: number): Address {
    return this.#senders.get(text, port);
  }

  /** Whether Node no longer has the descriptor. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sets how the next datagrams are sent, where the system lets us choose.
   *  @param mayFragment  whether they may be fragmented (spec mtu 1.4); undefined if it doesn't matter
   *  @param segmentBytes  the size into which the system cuts what it is given; 0 to send it as it is
   *  @returns false if the system has not taken all datagrams that were sent under other settings. Nothing is changed
   *    then: try again when it has */
  prepare(mayFragment: boolean | undefined, segmentBytes: number): boolean {
    const { options } = this;
    if (options === undefined) return true;
    const fragments = mayFragment ?? options.mayFragment;
    if (options.mayFragment === fragments && options.segmentBytes === segmentBytes) return true;
    if (this.socket.getSendQueueCount() > 0) return false;
    options.mayFragment = fragments;
    options.segmentBytes = segmentBytes;
    return true;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.options?.release();
    return new Promise((resolve) => this.socket.close(() => resolve()));
  }
}

export interface NativeOpening {
  readonly family: Family;
  /** An IP literal. */
  readonly host: string;
  readonly port: number;
  /** The address of this machine that senders should carry. It implies that a socket for all addresses holds the same
   *  port. */
  readonly local?: string;
}

/** @returns undefined when koffi is missing or any step fails. An ordinary socket then works, or reports the cause */
export function openNative({ family, host, port, local }: NativeOpening): SystemSocket | undefined {
  const sharesAddress = local !== undefined;
  const opening = { family, host, port, bufferBytes: SOCKET_BUFFER_BYTES, sharesAddress };
  return openNativeSocket(opening, (fd, options) => adopt(fd, family, options, local));
}

/** Takes over a socket of a group, which this process inherited (spec session 3.3).
 *  @throws if the descriptor is no such socket, or koffi is missing */
export function adoptShared({ fd, family }: SharedSocket): SystemSocket {
  const library = cLibrary();
  if (library === undefined) throw new Error('koffi is missing');
  return adoptDescriptor(fd, (own, options) => adopt(own, family, options), library);
}

function adopt(fd: number, family: Family, options: NativeOptions, local?: string): SystemSocket {
  const socket = createSocket({ type: family, lookup: literalLookup });
  try {
    // Throws before it takes the descriptor, or not at all. It completes at once, because the socket is bound already.
    socket.bind({ fd, exclusive: true });
  } catch (error) {
    socket.close();
    throw error;
  }
  return new SystemSocket(socket, family, options, local);
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

/** Every address that reaches `send` is a literal, so answering at once saves a thread-pool call for each datagram. */
export function literalLookup(
  hostname: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  callback(null, hostname, hostname.includes(':') ? 6 : 4);
}

/** Asks for a larger buffer, by the function that sets it. */
export function askForBuffer(set: (bytes: number) => void): void {
  for (let bytes = SOCKET_BUFFER_BYTES; bytes >= MIN_SOCKET_BUFFER_BYTES; bytes /= 2) {
    try {
      set(bytes);
      return;
    } catch {
      // Linux silently gives what it can. Other systems refuse, so ask for half.
    }
  }
}
