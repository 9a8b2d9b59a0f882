/** The UDP socket that carries the tunnel. Only this package imports node:dgram. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { type Address, TransmitBatch } from '@underpass/protocol';
import type { DatagramListener, DatagramSocket } from './datagram-socket.js';
import { type NativeOptions, openNativeSocket } from './native-socket.js';
import { AddressCache, fromDualStack, toDualStack } from './socket-address.js';
import { bindError, systemCode } from './underpass-error.js';

/** Asked of the kernel for each direction; it may give less. At 1 Gbit/s this is 33 ms of not being scheduled. */
export const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;
/** Asking for less than this is not worth a further try. */
const MIN_SOCKET_BUFFER_BYTES = 128 * 1024;

/** Every IPv4 path carries such a datagram in one piece, for all we need to know (RFC 1122 §3.3.3 has hosts send 576 bytes). */
const ALWAYS_WHOLE_BYTES = 548;

/** Batches that may wait for the kernel at one time, 64 KiB each; further sending waits. */
export const MAX_BATCHES = 16;

export interface UdpSocketOptions {
  /** An IP literal. Without it: every interface, IPv6 and IPv4 on one socket where the system has IPv6. */
  readonly host?: string;
  /** 0: the system chooses. */
  readonly port: number;
  /** May the system calls be our own where koffi is installed? Default: yes. */
  readonly native?: boolean;
}

/** @throws UnderpassError when the socket cannot be bound */
export async function openUdpSocket(options: UdpSocketOptions): Promise<DatagramSocket> {
  const { host, port, native = true } = options;
  const open = async (family: Family, at: string): Promise<DatagramSocket> =>
    (native ? openNative(family, at, port) : undefined) ?? (await openPlain(family, at, port));
  try {
    if (host !== undefined) return await open(isIP(host) === 4 ? 'udp4' : 'udp6', host);
    try {
      return await open('udp6', '::');
    } catch (error) {
      if (systemCode(error) === 'EADDRINUSE' || systemCode(error) === 'EACCES') throw error;
      return await open('udp4', '0.0.0.0');
    }
  } catch (error) {
    throw bindError(`UDP port ${port}${host === undefined ? '' : ` on ${host}`}`, error);
  }
}

type Family = 'udp4' | 'udp6';

/** @returns undefined when there is no koffi or it did not work out; an ordinary socket then does, or says why not */
function openNative(family: Family, host: string, port: number): DatagramSocket | undefined {
  return openNativeSocket({ family, host, port, bufferBytes: SOCKET_BUFFER_BYTES }, (fd, options) => {
    const socket = createSocket({ type: family, lookup: literalLookup });
    try {
      // Throws before it takes the descriptor, or never. Needs no waiting: the socket is bound.
      socket.bind({ fd, exclusive: true });
    } catch (error) {
      socket.close();
      throw error;
    }
    return new UdpSocket(socket, family, options);
  });
}

function openPlain(family: Family, host: string, port: number): Promise<DatagramSocket> {
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
      resolve(new UdpSocket(socket, family, undefined));
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

/** A batch and how many of its datagrams the kernel has yet to take. */
class PendingBatch extends TransmitBatch {
  outstanding = 0;
  /** One for all datagrams of the batch: a closure for each would be the data path's largest cost in garbage. */
  readonly onSent: (error: Error | null) => void;

  constructor(onSent: (batch: PendingBatch, error: Error | null) => void) {
    super();
    this.onSent = (error) => onSent(this, error);
  }
}

class UdpSocket implements DatagramSocket {
  readonly address: Address;
  readonly refusesFragmentation: boolean;
  readonly sendErrors: Record<string, number> = {};
  readonly #socket: Socket;
  readonly #options: NativeOptions | undefined;
  readonly #dualStack: boolean;
  readonly #senders = new AddressCache();
  readonly #free: PendingBatch[] = [];
  #made = 0;
  #starved = false;
  #closed = false;
  #listener: DatagramListener | undefined;

  constructor(socket: Socket, family: Family, options: NativeOptions | undefined) {
    this.#socket = socket;
    this.#options = options;
    this.refusesFragmentation = options !== undefined;
    this.#dualStack = family === 'udp6';
    const { address, port } = socket.address();
    this.address = { address: fromDualStack(address), port };
    socket.on('message', (message, from) => this.#onMessage(message, from));
    socket.on('error', (error) => this.#count(error));
  }

  listen(listener: DatagramListener): void {
    this.#listener = listener;
  }

  acquireBatch(): TransmitBatch | undefined {
    const batch = this.#free.pop();
    if (batch !== undefined) return batch;
    if (this.#made < MAX_BATCHES) {
      this.#made++;
      return new PendingBatch((sent, error) => this.#onSent(sent, error));
    }
    this.#starved = true;
    return undefined;
  }

  releaseBatch(batch: TransmitBatch): void {
    if (batch instanceof PendingBatch) this.#free.push(batch);
  }

  send(batch: TransmitBatch): void {
    const { to } = batch;
    // A forged datagram may come from port 0; the answer to it cannot be sent, and dgram would throw.
    if (!(batch instanceof PendingBatch) || this.#closed || to === undefined || to.port === 0) {
      this.releaseBatch(batch);
      return;
    }
    const address = this.#dualStack ? toDualStack(to.address) : to.address;
    this.#sendSegments(batch, address, to.port);
  }

  answer(datagram: Uint8Array, to: Address): void {
    if (this.#closed || this.#socket.getSendQueueCount() > 0) return;
    const address = this.#dualStack ? toDualStack(to.address) : to.address;
    // Without a callback dgram makes no closure, and a failure is an 'error' event, which is counted.
    this.#socket.send(datagram, to.port, address);
  }

  /** The one place that knows how a batch becomes system calls: one for each datagram. */
  #sendSegments(batch: PendingBatch, address: string, port: number): void {
    const { buffer, lengthBytes, segmentBytes, onSent } = batch;
    if (segmentBytes > ALWAYS_WHOLE_BYTES) this.#setFragmentation(batch.mayFragment);
    // Counted before the first send, so that a batch cannot be reused half way.
    batch.outstanding = Math.ceil(lengthBytes / segmentBytes);
    for (let offset = 0; offset < lengthBytes; offset += segmentBytes) {
      const length = Math.min(segmentBytes, lengthBytes - offset);
      this.#socket.send(buffer, offset, length, port, address, onSent);
    }
  }

  /** spec mtu 1.4 */
  #setFragmentation(mayFragment: boolean): void {
    const options = this.#options;
    if (options === undefined || options.mayFragment === mayFragment) return;
    // Datagrams that wait would change with it. Until the queue is empty these leave as those before them did: then a large one is
    // carried in fragments, or a small one lost, at worst once.
    if (this.#socket.getSendQueueCount() === 0) options.mayFragment = mayFragment;
  }

  #onSent(batch: PendingBatch, error: Error | null): void {
    if (error !== null) this.#onSendError(batch, error);
    if (--batch.outstanding > 0) return;
    this.#free.push(batch);
    if (this.#starved && !this.#closed) {
      this.#starved = false;
      this.#listener?.onBatchFree();
    }
  }

  #onSendError(batch: PendingBatch, error: Error): void {
    this.#count(error);
    if (batch.to === undefined) return;
    const code = systemCode(error);
    if (code !== 'EMSGSIZE') {
      this.#listener?.onSendError?.(batch.to, code);
      return;
    }
    // Node reports on datagrams in the order in which it was given them, so only the last report is of the shorter one.
    const isLast = batch.outstanding === 1;
    const lastBytes = ((batch.lengthBytes - 1) % batch.segmentBytes) + 1;
    this.#listener?.onTooLarge?.(batch.to, isLast ? lastBytes : batch.segmentBytes);
  }

  #onMessage(message: Uint8Array, from: RemoteInfo): void {
    if (from.port === 0) return;
    this.#listener?.onDatagram(message, this.#senders.get(from.address, from.port));
  }

  #count(error: Error): void {
    const name = systemCode(error);
    this.sendErrors[name] = (this.sendErrors[name] ?? 0) + 1;
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#options?.release();
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}
