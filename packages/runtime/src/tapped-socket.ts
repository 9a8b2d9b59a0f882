/** A socket whose datagrams somebody watches, for captures. Without a tap there is no such socket, so watching costs
 *  nothing when it is off. */
import { type Address, MessageType, type TransmitBatch } from '@underpass/protocol';
import type { DatagramListener, DatagramSocket } from './datagram-socket.js';
import { SocketWrapper } from './socket-wrapper.js';

/** Sees each datagram by itself, as it is on the wire. The bytes belong to the socket: they change after the call. */
export interface DatagramTap {
  /** Transport messages, which are nearly all datagrams, need not be shown to it. Then watching costs next to nothing. */
  readonly onlyHandshakes?: boolean;
  /** @param to  this machine's end of the path. Its IP address is unspecified (`::`) if the socket does not know it */
  onReceived(datagram: Uint8Array, from: Address, to: Address): void;
  /** Called when the socket is asked to send. The system may still refuse it. */
  onSent(datagram: Uint8Array, from: Address, to: Address): void;
}

/** @returns the socket itself if there is no tap */
export function tapped(socket: DatagramSocket, tap: DatagramTap | undefined): DatagramSocket {
  return tap === undefined ? socket : new TappedSocket(socket, tap);
}

/** Shows what goes through to the tap: datagrams that arrive before they are opened in place, and batches cut into their
 *  datagrams. */
class TappedSocket extends SocketWrapper {
  readonly #tap: DatagramTap;
  readonly #onlyHandshakes: boolean;

  constructor(socket: DatagramSocket, tap: DatagramTap) {
    super(socket);
    this.#tap = tap;
    this.#onlyHandshakes = tap.onlyHandshakes === true;
  }

  override listen(listener: DatagramListener): void {
    super.listen({
      onDatagram: (datagram, from, isCoalesced) => {
        if (this.#isShown(datagram)) this.#tap.onReceived(datagram, from, this.#nearEnd(from));
        listener.onDatagram(datagram, from, isCoalesced);
      },
      onBatchFree: () => listener.onBatchFree(),
      onTooLarge: (to, bytes) => listener.onTooLarge?.(to, bytes),
      onSendError: (to, code) => listener.onSendError?.(to, code),
    });
  }

  override send(batch: TransmitBatch): void {
    const { buffer, lengthBytes, segmentBytes, to } = batch;
    // A batch has either one handshake message or transport messages.
    if (to !== undefined && this.#isShown(buffer)) {
      const from = this.#nearEnd(to);
      for (let offset = 0; offset < lengthBytes; offset += segmentBytes) {
        const end = Math.min(offset + segmentBytes, lengthBytes);
        this.#tap.onSent(buffer.subarray(offset, end), from, to);
      }
    }
    super.send(batch);
  }

  override answer(datagram: Uint8Array, to: Address): void {
    if (this.#isShown(datagram)) this.#tap.onSent(datagram, this.#nearEnd(to), to);
    super.answer(datagram, to);
  }

  #isShown(datagram: Uint8Array): boolean {
    return !this.#onlyHandshakes || datagram[0] !== MessageType.transport;
  }

  #nearEnd({ local }: Address): Address {
    const { address, port } = this.address;
    return { address: local ?? address, port };
  }
}
