/** The UDP socket that carries the tunnel. Only this package imports node:dgram. */
import type { RemoteInfo } from 'node:dgram';
import { isIP } from 'node:net';
import { type Address, TransmitBatch } from '@underpass/protocol';
import { monotonicMs } from './clock.js';
import type { DatagramListener, DatagramSocket } from './datagram-socket.js';
import { ambiguousAddresses, LocalSockets } from './local-sockets.js';
import { type Family, openNative, openPlain, type SystemSocket } from './system-socket.js';
import { bindError, systemCode } from './underpass-error.js';

/** Every IPv4 path may be assumed to carry a datagram of this size whole (RFC 1122 §3.3.3 has hosts send 576 bytes). */
const ALWAYS_WHOLE_BYTES = 548;

/** How many batches, 64 KiB each, may wait for the kernel before sending pauses. */
export const MAX_BATCHES = 16;

export interface UdpSocketOptions {
  /** An IP literal. By default every interface, with IPv6 and IPv4 on one socket where the system has IPv6. */
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Returns this machine's current addresses. With it, and with koffi, a socket for all addresses answers from the
   *  address that the sender used. Without it the system chooses. */
  readonly localAddresses?: () => readonly string[];
  /** Whether to use koffi where it is installed; the default is true. */
  readonly native?: boolean;
}

/** @throws UnderpassError when the socket cannot be bound */
export async function openUdpSocket(options: UdpSocketOptions): Promise<DatagramSocket> {
  const { host, port, native = true, localAddresses } = options;
  const open = async (family: Family, at: string): Promise<DatagramSocket> => {
    const opened = native ? openNative({ family, host: at, port }) : undefined;
    const isForAll = at === '::' || at === '0.0.0.0';
    return new UdpSocket(
      opened ?? (await openPlain(family, at, port)),
      isForAll ? localAddresses : undefined,
    );
  };
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

/** A batch and the number of its datagrams that the kernel has not taken yet. */
class PendingBatch extends TransmitBatch {
  outstanding = 0;
  /** One callback for all datagrams of the batch: a closure for each would be the data path's largest source of
   *  garbage. */
  readonly onSent: (error: Error | null) => void;

  constructor(onSent: (batch: PendingBatch, error: Error | null) => void) {
    super();
    this.onSent = (error) => onSent(this, error);
  }
}

/** The tunnel's UDP socket: the driver sees one socket, whatever the system needs for it.
 *
 *  It owns the main socket, the sockets for single addresses beside it (`LocalSockets`) and a fixed pool of batches.
 *  The driver fills a batch and passes it to `send`; it returns to the pool when the kernel has taken its last
 *  datagram. When the pool is empty sending stops, which bounds memory. Errors are counted and reported to the
 *  listener, never thrown. It never looks into a datagram. */
class UdpSocket implements DatagramSocket {
  readonly address: Address;
  readonly refusesFragmentation: boolean;
  readonly mayAnswerFromAnotherAddress: boolean;
  readonly sendErrors: Record<string, number> = {};
  readonly #main: SystemSocket;
  readonly #locals: LocalSockets | undefined;
  readonly #free: PendingBatch[] = [];
  #made = 0;
  #starved = false;
  #closed = false;
  #listener: DatagramListener | undefined;

  /** @param localAddresses  set only for a socket for all addresses that should answer from the address the sender
   *    used */
  constructor(main: SystemSocket, localAddresses: (() => readonly string[]) | undefined) {
    this.#main = main;
    this.address = main.address;
    this.refusesFragmentation = main.options !== undefined;
    this.#attach(main);
    const isPossible = main.options !== undefined;
    this.mayAnswerFromAnotherAddress =
      localAddresses !== undefined && !isPossible && ambiguousAddresses(localAddresses()).length > 0;
    if (localAddresses === undefined || !isPossible) return;
    const onOpened = (socket: SystemSocket): void => this.#attach(socket);
    this.#locals = new LocalSockets({ main, localAddresses, onOpened, now: monotonicMs });
  }

  #attach(via: SystemSocket): void {
    via.socket.on('message', (message, from) => this.#onMessage(via, message, from));
    via.socket.on('error', (error) => this.#count(error));
  }

  /** The socket from which to answer this sender. */
  #socketFor({ local }: Address): SystemSocket {
    return (local === undefined ? undefined : this.#locals?.get(local)) ?? this.#main;
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
    // A forged datagram may have source port 0. dgram would throw if we answered it.
    if (!(batch instanceof PendingBatch) || this.#closed || to === undefined || to.port === 0) {
      this.releaseBatch(batch);
      return;
    }
    this.#sendSegments(batch, this.#socketFor(to), to);
  }

  answer(datagram: Uint8Array, to: Address): void {
    const via = this.#socketFor(to);
    if (this.#closed || via.socket.getSendQueueCount() > 0) return;
    // Without a callback dgram allocates no closure, and a failure becomes an 'error' event, which is counted.
    via.socket.send(datagram, to.port, via.textOf(to));
  }

  /** Turns a batch into system calls, one for each datagram. No other place knows how. */
  #sendSegments(batch: PendingBatch, via: SystemSocket, to: Address): void {
    const { buffer, lengthBytes, segmentBytes, onSent } = batch;
    const address = via.textOf(to);
    if (segmentBytes > ALWAYS_WHOLE_BYTES) via.setFragmentation(batch.mayFragment);
    // Set before the first send, so that the batch is not reused half way through.
    batch.outstanding = Math.ceil(lengthBytes / segmentBytes);
    for (let offset = 0; offset < lengthBytes; offset += segmentBytes) {
      const length = Math.min(segmentBytes, lengthBytes - offset);
      via.socket.send(buffer, offset, length, to.port, address, onSent);
    }
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
    // Node reports on datagrams in the order in which they were sent, so only the last report is about the shorter one.
    const isLast = batch.outstanding === 1;
    const lastBytes = ((batch.lengthBytes - 1) % batch.segmentBytes) + 1;
    this.#listener?.onTooLarge?.(batch.to, isLast ? lastBytes : batch.segmentBytes);
  }

  #onMessage(via: SystemSocket, message: Uint8Array, from: RemoteInfo): void {
    if (from.port === 0) return;
    if (via === this.#main) this.#locals?.onMainDatagram();
    this.#listener?.onDatagram(message, via.senderOf(from.address, from.port));
  }

  #count(error: Error): void {
    const name = systemCode(error);
    this.sendErrors[name] = (this.sendErrors[name] ?? 0) + 1;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([this.#main.close(), this.#locals?.close()]);
  }
}
