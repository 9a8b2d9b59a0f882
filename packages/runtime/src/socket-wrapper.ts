/** A socket that stands in front of another one. */
import type { Address, TransmitBatch } from '@underpass/protocol';
import type { DatagramListener, DatagramSocket } from './datagram-socket.js';
import type { SocketKind } from './socket-kinds.js';

/** Passes every call on to the socket behind it. A subclass overrides what it does differently, and may put another socket
 *  in the place of the first one. */
export abstract class SocketWrapper implements DatagramSocket {
  protected socket: DatagramSocket;

  constructor(socket: DatagramSocket) {
    this.socket = socket;
  }

  get address(): Address {
    return this.socket.address;
  }

  get kind(): SocketKind {
    return this.socket.kind;
  }

  get refusesFragmentation(): boolean {
    return this.socket.refusesFragmentation;
  }

  get segments(): boolean {
    return this.socket.segments;
  }

  get coalesces(): boolean {
    return this.socket.coalesces;
  }

  get mayAnswerFromAnotherAddress(): boolean {
    return this.socket.mayAnswerFromAnotherAddress;
  }

  get sendErrors(): Readonly<Record<string, number>> {
    return this.socket.sendErrors;
  }

  listen(listener: DatagramListener): void {
    this.socket.listen(listener);
  }

  acquireBatch(): TransmitBatch | undefined {
    return this.socket.acquireBatch();
  }

  releaseBatch(batch: TransmitBatch): void {
    this.socket.releaseBatch(batch);
  }

  send(batch: TransmitBatch): void {
    this.socket.send(batch);
  }

  answer(datagram: Uint8Array, to: Address): void {
    this.socket.answer(datagram, to);
  }

  close(): Promise<void> {
    return this.socket.close();
  }
}
