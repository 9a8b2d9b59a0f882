/** What the driver needs of a UDP socket, so that tests can drive it without one. */
import type { Address, TransmitBatch } from '@underpass/protocol';

export interface DatagramListener {
  /** One UDP payload, the listener's to keep and to change. */
  onDatagram(datagram: Uint8Array, from: Address): void;
  /** `acquireBatch` gave undefined before and would not now. */
  onBatchFree(): void;
  /** The system would not send a datagram of so many bytes because of its size (spec mtu 4.4). A batch may bring
   *  several. */
  onTooLarge?(to: Address, bytes: number): void;
  /** The system would not send a datagram for another reason.
   *  @param code  its error's name, for example ENETUNREACH */
  onSendError?(to: Address, code: string): void;
}

export interface DatagramSocket {
  readonly address: Address;
  /** A batch that may not fragment is never cut, neither by this system nor on the way: a datagram that is too large is
   *  lost. Only then can the path's size be searched for (spec mtu 1.4). */
  readonly refusesFragmentation: boolean;
  /** This machine has several addresses, and an answer may leave from another than was asked (spec path 6). */
  readonly mayAnswerFromAnotherAddress: boolean;
  /** Datagrams that the system would not send, by its error's name. */
  readonly sendErrors: Readonly<Record<string, number>>;
  /** Who hears of datagrams; before it is set they are lost. */
  listen(listener: DatagramListener): void;
  /** A batch to fill, or undefined while all are on their way: stop until `onBatchFree`. */
  acquireBatch(): TransmitBatch | undefined;
  /** Gives back a batch that was not needed. */
  releaseBatch(batch: TransmitBatch): void;
  /** Sends `batch.buffer[0, lengthBytes)` as datagrams of `segmentBytes` to `batch.to`. The batch is the socket's until
   *  the system has taken all of it. Never throws; failures are counted in `sendErrors`. */
  send(batch: TransmitBatch): void;
  /** Sends one datagram now, or drops it when the system takes no more: never queued, takes no batch. Never throws;
   *  failures are counted in `sendErrors`. */
  answer(datagram: Uint8Array, to: Address): void;
  /** What was sent but not yet taken by the system may be lost. */
  close(): Promise<void>;
}
