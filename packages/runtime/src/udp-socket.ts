/** The UDP socket that carries the tunnel. Only this package imports node:dgram. */
import type { RemoteInfo } from 'node:dgram';
import { isIP } from 'node:net';
import type { Address, TransmitBatch } from '@underpass/protocol';
import { cLibrary, cLibraryProblem } from './c-library.js';
import { monotonicMs } from './clock.js';
import { datagramBytesIn } from './coalesced.js';
import type { DatagramListener, DatagramSocket } from './datagram-socket.js';
import { ambiguousAddresses, LocalSockets } from './local-sockets.js';
import { type Log, silentLog } from './log.js';
import { MAX_MESSAGES_READ, MessageReader } from './message-reader.js';
import { PendingBatch, SendQueue, type SendQueueEvents } from './send-queue.js';
import type { SocketKind } from './socket-kinds.js';
import {
  adoptShared,
  type Family,
  openNative,
  openPlain,
  type SharedSocket,
  type SystemSocket,
} from './system-socket.js';
import { bindError, systemCode, UnderpassError } from './underpass-error.js';

/** How many batches, 64 KiB each, may wait for the kernel before sending pauses. */
export const MAX_BATCHES = 16;

/** How many coalesced messages are read at once: with more, their bytes leave the processor's cache before they are
 *  opened. */
const MAX_COALESCED_READ = 2;
/** How many bytes are read beside those that Node reads, before timers and other sockets have their turn. */
export const MAX_MORE_BYTES = 2 * 1024 * 1024;

export interface UdpSocketOptions {
  /** An IP literal. By default every interface, with IPv6 and IPv4 on one socket where the system has IPv6. */
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Returns this machine's current addresses. With it, and with koffi, a socket for all addresses answers from the
   *  address that the sender used. Without it the system chooses. */
  readonly localAddresses?: () => readonly string[];
  /** By default the native one where it is possible, which takes Linux and koffi. */
  readonly kind?: SocketKind | undefined;
  readonly log?: Log;
}

/** @throws UnderpassError when the socket cannot be bound, or is required to be native and cannot be */
export async function openUdpSocket(options: UdpSocketOptions): Promise<DatagramSocket> {
  const { host, port, kind, localAddresses, log = silentLog } = options;
  if (kind === 'native' && cLibrary() === undefined) throw missingError();
  const open = async (family: Family, at: string): Promise<DatagramSocket> => {
    const native = kind === 'plain' ? undefined : openNative({ family, host: at, port });
    const system = native ?? (await openPlain(family, at, port));
    if (kind === 'native' && native === undefined) {
      await system.close();
      throw refusedError();
    }
    const isForAll = at === '::' || at === '0.0.0.0';
    const socket = new UdpSocket(system, isForAll ? localAddresses : undefined, log);
    const { segments, coalesces } = socket;
    log.debug({ event: 'socket', socket: socket.kind, segments, coalesces }, `UDP socket: ${socket.kind}`);
    return socket;
  };
  try {
    if (host !== undefined) return await open(isIP(host) === 4 ? 'udp4' : 'udp6', host);
    try {
      return await open('udp6', '::');
    } catch (error) {
      if (error instanceof UnderpassError) throw error;
      if (systemCode(error) === 'EADDRINUSE' || systemCode(error) === 'EACCES') throw error;
      return await open('udp4', '0.0.0.0');
    }
  } catch (error) {
    if (error instanceof UnderpassError) throw error;
    throw bindError(`UDP port ${port}${host === undefined ? '' : ` on ${host}`}`, error);
  }
}

/** Takes over a socket of a group, which this process inherited. It is closed here only: the group's owner keeps it.
 *  @throws if the descriptor is no such socket, or koffi is missing */
export function adoptUdpSocket(shared: SharedSocket, log: Log = silentLog): DatagramSocket {
  return new UdpSocket(adoptShared(shared), undefined, log);
}

function missingError(): UnderpassError {
  return new UnderpassError(
    'invalid-option',
    `the native UDP socket cannot be used here (${cLibraryProblem()}): it takes Linux on x64 or arm64, and the package koffi`,
    'install koffi, or choose the plain socket',
  );
}

function refusedError(): UnderpassError {
  return new UnderpassError(
    'invalid-option',
    'the native UDP socket cannot be used here: the system opens only a plain one',
    'choose the plain socket',
  );
}

/** The tunnel's UDP socket: the driver sees one socket, whatever the system needs for it.
 *
 *  It owns the main socket, the sockets for single addresses beside it (`LocalSockets`) and a fixed pool of batches.
 *  The driver fills a batch and passes it to `send`; it returns to the pool when the kernel has taken its last
 *  datagram. When the pool is empty sending stops, which bounds memory. Errors are counted and reported to the
 *  listener, never thrown. It never looks into a datagram. */
class UdpSocket implements DatagramSocket {
  readonly address: Address;
  readonly kind: SocketKind;
  readonly refusesFragmentation: boolean;
  readonly mayAnswerFromAnotherAddress: boolean;
  readonly sendErrors: Record<string, number> = {};
  readonly #main: SystemSocket;
  readonly #locals: LocalSockets | undefined;
  readonly #queues = new Map<SystemSocket, SendQueue>();
  readonly #queueEvents: SendQueueEvents;
  readonly #reader: MessageReader | undefined;
  /** What is left of MAX_MORE_BYTES in this turn of the event loop. */
  #mayReadBytes = MAX_MORE_BYTES;
  #arrivesCoalesced = false;
  readonly #onTurnOver = (): void => {
    this.#mayReadBytes = MAX_MORE_BYTES;
  };
  readonly #free: PendingBatch[] = [];
  #made = 0;
  #starved = false;
  #closed = false;
  #listener: DatagramListener | undefined;

  /** @param localAddresses  set only for a socket for all addresses that should answer from the address the sender
   *    used */
  constructor(main: SystemSocket, localAddresses: (() => readonly string[]) | undefined, log: Log) {
    this.#main = main;
    this.address = main.address;
    this.kind = main.options === undefined ? 'plain' : 'native';
    this.refusesFragmentation = main.options !== undefined;
    this.#queueEvents = {
      onDone: (batch) => this.#onDone(batch),
      onRefused: (to, error, bytes) => this.#onRefused(to, error, bytes),
      onSegmentationLost: (code) => {
        log.warn(
          { event: 'segmentation-lost', code },
          `the system cannot cut batches into datagrams (${code}), so each takes a system call, which is slower`,
        );
      },
    };
    this.#attach(main);
    const isPossible = main.options !== undefined;
    this.#reader = isPossible ? sharedReader() : undefined;
    this.mayAnswerFromAnotherAddress =
      localAddresses !== undefined && !isPossible && ambiguousAddresses(localAddresses()).length > 0;
    if (localAddresses === undefined || !isPossible) return;
    const onOpened = (socket: SystemSocket): void => this.#attach(socket);
    this.#locals = new LocalSockets({ main, localAddresses, onOpened, now: monotonicMs });
  }

  #attach(via: SystemSocket): void {
    for (const known of this.#queues.keys()) if (known.isClosed) this.#queues.delete(known);
    this.#queues.set(via, new SendQueue(via, this.#queueEvents));
    via.socket.on('message', (message, from) => this.#onMessage(via, message, from));
    via.socket.on('error', (error) => this.#count(error));
  }

  /** The socket from which to answer this sender. */
  #socketFor({ local }: Address): SystemSocket {
    return (local === undefined ? undefined : this.#locals?.get(local)) ?? this.#main;
  }

  get segments(): boolean {
    return this.#queues.get(this.#main)?.segments === true;
  }
  get coalesces(): boolean {
    return this.#main.options?.coalesces === true;
  }

  listen(listener: DatagramListener): void {
    this.#listener = listener;
  }

  acquireBatch(): TransmitBatch | undefined {
    const batch = this.#free.pop();
    if (batch !== undefined) return batch;
    if (this.#made < MAX_BATCHES) {
      this.#made++;
      return new PendingBatch();
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
    this.#queues.get(this.#socketFor(to))?.send(batch);
  }

  answer(datagram: Uint8Array, to: Address): void {
    const via = this.#socketFor(to);
    if (this.#closed || via.socket.getSendQueueCount() > 0) return;
    // Without a callback dgram allocates no closure, and a failure becomes an 'error' event, which is counted.
    via.socket.send(datagram, to.port, via.textOf(to));
  }

  #onDone(batch: PendingBatch): void {
    this.#free.push(batch);
    if (!this.#starved || this.#closed) return;
    this.#starved = false;
    this.#listener?.onBatchFree();
  }

  #onRefused(to: Address, error: Error, bytes: number): void {
    this.#count(error);
    const code = systemCode(error);
    if (code === 'EMSGSIZE') this.#listener?.onTooLarge?.(to, bytes);
    else this.#listener?.onSendError?.(to, code);
  }

  #onMessage(via: SystemSocket, message: Uint8Array, from: RemoteInfo): void {
    if (from.port === 0) return;
    if (via === this.#main) this.#locals?.onMainDatagram();
    const listener = this.#listener;
    if (listener === undefined) return;
    const bytes = via.options?.coalesces === true ? datagramBytesIn(message) : message.length;
    passOn(listener, message, bytes, via.senderOf(from.address, from.port));
    if (this.#reader !== undefined) this.#readMore(via, listener, this.#reader);
  }

  /** Reads what else has arrived. Node has taken one message, and would take each further one with a call, a buffer and
   *  an object of its own. */
  #readMore(via: SystemSocket, listener: DatagramListener, reader: MessageReader): void {
    while (this.#mayReadBytes > 0) {
      const { fd = -1 } = via.options ?? {};
      if (fd < 0) return;
      const most = this.#arrivesCoalesced ? MAX_COALESCED_READ : MAX_MESSAGES_READ;
      const count = reader.read(fd, most);
      for (let i = 0; i < count; i++) {
        const message = reader.bytes(i);
        const { address, port } = reader.sender(i);
        if (message.length === 0 || port === 0) continue;
        if (this.#mayReadBytes === MAX_MORE_BYTES) setImmediate(this.#onTurnOver);
        this.#mayReadBytes -= message.length;
        const bytes = reader.datagramBytes(i);
        this.#arrivesCoalesced = bytes > 0;
        passOn(listener, message, bytes === 0 ? message.length : bytes, via.senderOf(address, port));
      }
      if (count < most) return;
    }
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

/** Passes on the datagrams of a message. @param bytes  the size of each; the last one may be shorter */
function passOn(listener: DatagramListener, message: Uint8Array, bytes: number, sender: Address): void {
  if (bytes >= message.length) {
    listener.onDatagram(message, sender, false);
    return;
  }
  for (let at = 0; at < message.length; at += bytes) {
    listener.onDatagram(message.subarray(at, at + bytes), sender, at > 0);
  }
}

let reader: MessageReader | undefined;

/** The reader of all native sockets of this process. */
function sharedReader(): MessageReader | undefined {
  const library = cLibrary();
  if (library !== undefined) reader ??= new MessageReader(library);
  return reader;
}
