/** A UDP proxy between client and relay that passes everything on and adds datagrams of its own, to both, from the very
 *  addresses that they know each other by. */
import { randomBytes, randomInt } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

const REMEMBERED = 64;

export class MeddlingProxy {
  /** Bad datagrams that were sent to each. */
  injected = 0;
  /** Datagrams that are no transport messages, as they passed: handshakes and cookie replies. */
  handshakeMessages = 0;
  /** Datagrams that came to a socket which only ever sent nonsense. */
  answersToStrangers = 0;
  readonly #front: Socket;
  readonly #back: Socket;
  readonly #stranger: Socket;
  readonly #relayPort: number;
  #client: RemoteInfo | undefined;
  /** Genuine datagrams of late, to be changed and sent again. */
  readonly #toRelay: Buffer[] = [];
  readonly #toClient: Buffer[] = [];

  private constructor(relayPort: number, sockets: readonly [Socket, Socket, Socket]) {
    this.#relayPort = relayPort;
    [this.#front, this.#back, this.#stranger] = sockets;
    this.#front.on('message', (datagram, from) => {
      this.#client = from;
      this.#note(this.#toRelay, datagram);
      this.#back.send(datagram, relayPort, '127.0.0.1');
    });
    this.#back.on('message', (datagram) => {
      this.#note(this.#toClient, datagram);
      if (this.#client !== undefined) this.#front.send(datagram, this.#client.port, '127.0.0.1');
    });
    this.#stranger.on('message', () => this.answersToStrangers++);
  }

  static async start(relayPort: number): Promise<MeddlingProxy> {
    const sockets = [createSocket('udp4'), createSocket('udp4'), createSocket('udp4')] as const;
    for (const socket of sockets) {
      onTestFinished(() => void socket.close());
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      socket.setRecvBufferSize(4 * 1024 * 1024);
    }
    return new MeddlingProxy(relayPort, sockets);
  }

  /** Where the client finds the relay. */
  get port(): number {
    return this.#front.address().port;
  }

  /** One bad datagram to each side, from its peer's address or a stranger's. */
  inject(): void {
    if (this.#client === undefined || this.#toRelay.length === 0 || this.#toClient.length === 0) return;
    const fromStranger = randomInt(2) === 0;
    const toRelay = fromStranger ? this.#stranger : this.#back;
    toRelay.send(badDatagram(this.#toRelay), this.#relayPort, '127.0.0.1');
    const toClient = fromStranger ? this.#stranger : this.#front;
    toClient.send(badDatagram(this.#toClient), this.#client.port, '127.0.0.1');
    this.injected += 2;
  }

  #note(list: Buffer[], datagram: Buffer): void {
    if (datagram[0] !== 4) this.handshakeMessages++;
    list.push(datagram);
    if (list.length > REMEMBERED) list.splice(randomInt(list.length), 1);
  }
}

function badDatagram(genuine: readonly Buffer[]): Buffer {
  const copy = Buffer.from(genuine[randomInt(genuine.length)] as Buffer);
  switch (randomInt(6)) {
    case 0: // the same again
      return copy;
    case 1: // a bit flipped
      copy[randomInt(copy.length)] = (copy[randomInt(copy.length)] as number) ^ (1 << randomInt(8));
      return copy;
    case 2: // cut off
      return copy.subarray(0, randomInt(copy.length));
    case 3: // longer
      return Buffer.concat([copy, randomBytes(1 + randomInt(64))]);
    case 4: {
      // random behind one of the four types, and of its length
      const type = 1 + randomInt(4);
      const length = [148, 92, 64, 32 + randomInt(1200)][type - 1] as number;
      const datagram = randomBytes(length);
      datagram.writeUInt32LE(type);
      return datagram;
    }
    default:
      return randomBytes(randomInt(1500));
  }
}
