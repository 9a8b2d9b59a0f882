/** The UDP socket that carries the tunnel. Only this package imports node:dgram. */
import type { RemoteInfo } from 'node:dgram';
import { isIP } from 'node:net';
import { type Address, TransmitBatch } from '@underpass/protocol';
import { monotonicMs } from './clock.js';
import type { DatagramListener, DatagramSocket } from './datagram-socket.js';
import { ambiguousAddresses, LocalSockets } from './local-sockets.js';
import { type Family, openNative, openPlain, type SystemSocket } from './system-socket.js';
import { bindError, systemCode } from './underpass-error.js';

/** Every IPv4 path carries such a datagram in one piece, for all we need to know (RFC 1122 §3.3.3 has hosts send 576
 *  bytes). */
const ALWAYS_WHOLE_BYTES = 548;

/** Batches that may wait for the kernel at one time, 64 KiB each; further sending waits. */
export const MAX_BATCHES = 16;

export interface UdpSocketOptions {
  /** An IP literal. Without it: every interface, IPv6 and IPv4 on one socket where the system has IPv6. */
  readonly host?: string;
  /** 0: the system chooses. */
  readonly port: number;
  /** This machine's addresses at the moment. With it, a socket for all of them answers from the address that was asked,
   *  where koffi is installed. Without it the system chooses. */
  readonly localAddresses?: () => readonly string[];
  /** May the system calls be our own where koffi is installed? Default: yes. */
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
  readonly mayAnswerFromAnotherAddress: boolean;
  readonly sendErrors: Record<string, number> = {};
  readonly #main: SystemSocket;
  readonly #locals: LocalSockets | undefined;
  readonly #free: PendingBatch[] = [];
  #made = 0;
  #starved = false;
  #closed = false;
  #listener: DatagramListener | undefined;

  /** @param localAddresses  given for a socket for all addresses that is to answer from the one that was asked */
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

  /** The socket that answers the sender. */
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
    // A forged datagram may come from port 0; the answer to it cannot be sent, and dgram would throw.
    if (!(batch instanceof PendingBatch) || this.#closed || to === undefined || to.port === 0) {
      this.releaseBatch(batch);
      return;
    }
    this.#sendSegments(batch, this.#socketFor(to), to);
  }

  answer(datagram: Uint8Array, to: Address): void {
    const via = this.#socketFor(to);
    if (this.#closed || via.socket.getSendQueueCount() > 0) return;
    // Without a callback dgram makes no closure, and a failure is an 'error' event, which is counted.
    via.socket.send(datagram, to.port, via.textOf(to));
  }

  /** The one place that knows how a batch becomes system calls: one for each datagram. */
  #sendSegments(batch: PendingBatch, via: SystemSocket, to: Address): void {
    const { buffer, lengthBytes, segmentBytes, onSent } = batch;
    const address = via.textOf(to);
    if (segmentBytes > ALWAYS_WHOLE_BYTES) via.setFragmentation(batch.mayFragment);
    // Counted before the first send, so that a batch cannot be reused half way.
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
    // Node reports on datagrams in the order in which it was given them, so only the last report is of the shorter one.
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
