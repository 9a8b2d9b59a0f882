/** The network between a client and its relay, which can give the client another address and can go dead. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

const INITIATION = 1;

/** Passes datagrams on between a client and a relay, as a NAT does: the relay sees an address of the path. */
export class MovablePath {
  /** While true, datagrams of both directions are lost. */
  isDead = false;
  /** How many initiations of handshakes have passed. */
  initiations = 0;
  readonly #front: Socket;
  #back: Socket;
  #client: RemoteInfo | undefined;

  private constructor(front: Socket, back: Socket, relayPort: number) {
    this.#front = front;
    this.#back = back;
    front.on('message', (datagram, from) => {
      this.#client = from;
      this.#pass(datagram, this.#back, relayPort);
    });
    this.#carryBack(back);
  }

  static async start(relayPort: number): Promise<MovablePath> {
    return new MovablePath(await open('127.0.0.1'), await open('127.0.0.1'), relayPort);
  }

  /** Where the client finds the relay. */
  get port(): number {
    return this.#front.address().port;
  }

  /** Gives the client another address and port. What is on its way to the old one is lost.
   *  @returns the new address */
  async move(address: string): Promise<{ readonly address: string; readonly port: number }> {
    const next = await open(address);
    const old = this.#back;
    this.#back = next;
    this.#carryBack(next);
    old.close();
    return { address, port: next.address().port };
  }

  #carryBack(back: Socket): void {
    back.on('message', (datagram) => {
      if (this.#client !== undefined) this.#pass(datagram, this.#front, this.#client.port);
    });
  }

  #pass(datagram: Buffer, socket: Socket, port: number): void {
    if (this.isDead) return;
    if (datagram[0] === INITIATION) this.initiations++;
    socket.send(datagram, port, '127.0.0.1');
  }
}

async function open(address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  let isOpen = true;
  socket.on('close', () => {
    isOpen = false;
  });
  onTestFinished(() => {
    if (isOpen) socket.close();
  });
  socket.on('error', () => undefined); // for example of a relay that has ended
  socket.bind(0, address);
  await once(socket, 'listening');
  socket.setRecvBufferSize(4 * 1024 * 1024);
  return socket;
}
