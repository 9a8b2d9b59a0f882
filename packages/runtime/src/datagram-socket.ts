/** The UDP socket as the driver sees it, so that tests can replace it. */
import type { Address, TransmitBatch } from '@underpass/protocol';
import type { SocketKind } from './socket-kinds.js';

export interface DatagramListener {
  /** Receives one UDP payload. The listener may modify it, but not keep it: the memory is used again.
   *  @param isCoalesced  whether it arrived in one message with the datagram before, and so at the same time */
  onDatagram(datagram: Uint8Array, from: Address, isCoalesced: boolean): void;
  /** A batch is free again after `acquireBatch` returned undefined. */
  onBatchFree(): void;
  /** The system refused a datagram of this size because it is too large (spec mtu 4.4). Called once for each such
   *  datagram of a batch. */
  onTooLarge?(to: Address, bytes: number): void;
  /** The system refused a datagram for another reason.
   *  @param code  the name of its error, for example ENETUNREACH */
  onSendError?(to: Address, code: string): void;
}

export interface DatagramSocket {
  readonly address: Address;
  readonly kind: SocketKind;
  /** A batch with `mayFragment` off is never fragmented, neither here nor on the way: a datagram that is too large is
   *  lost. The search for the path's size depends on it (spec mtu 1.4). */
  readonly refusesFragmentation: boolean;
  /** The system cuts a batch into datagrams (UDP_SEGMENT), until it turns out that it cannot ... */
  readonly segments: boolean;
  /** ... and joins arriving ones (UDP_GRO), so that one system call carries many. */
  readonly coalesces: boolean;
  /** This machine has several addresses, and an answer may leave from another one than the sender used (spec path
   *  6). */
  readonly mayAnswerFromAnotherAddress: boolean;
  /** Datagrams that the system refused to send, counted by the name of its error. */
  readonly sendErrors: Readonly<Record<string, number>>;
  /** Sets who receives datagrams. Until then they are lost. */
  listen(listener: DatagramListener): void;
  /** Returns a batch to fill, or undefined while all are in use: stop sending until `onBatchFree`. */
  acquireBatch(): TransmitBatch | undefined;
  /** Returns an acquired batch unused. */
  releaseBatch(batch: TransmitBatch): void;
  /** Sends `batch.buffer[0, lengthBytes)` to `batch.to` as datagrams of `segmentBytes`. The socket keeps the batch
   *  until the system has taken all of it. Never throws: failures are counted in `sendErrors`. */
  send(batch: TransmitBatch): void;
  /** Sends one datagram now, or drops it if the system cannot take it now. It is never queued and uses no batch. Never
   *  throws: failures are counted in `sendErrors`. */
  answer(datagram: Uint8Array, to: Address): void;
  /** Closes the socket. Datagrams that the system has not taken yet may be lost. */
  close(): Promise<void>;
}
