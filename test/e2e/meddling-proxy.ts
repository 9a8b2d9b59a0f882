/** A UDP proxy between client and relay that adds bad datagrams. */
import { randomBytes, randomInt } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

const REMEMBERED = 64;

/** Passes all datagrams between client and relay on, and injects bad ones in both directions: from the address that
 *  each side knows the other by, or from a stranger's. The test calls `inject` and reads the counters. It remembers
 *  some genuine datagrams, to replay and modify them. */
export class MeddlingProxy {
  /** How many bad datagrams were sent, over both sides. */
  injected = 0;
  /** How many handshake messages and cookie replies passed. */
  handshakeMessages = 0;
  /** How many datagrams arrived at the stranger's socket, which sends only bad ones. */
  answersToStrangers = 0;
  readonly #front: Socket;
  readonly #back: Socket;
  readonly #stranger: Socket;
  readonly #relayPort: number;
  #client: RemoteInfo | undefined;
  /** Some recent genuine datagrams. */
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

  /** The port that the client takes for the relay's. */
  get port(): number {
    return this.#front.address().port;
  }

  /** Sends one bad datagram to each side, from its peer's address or from a stranger's. */
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
    case 0: // replayed
      return copy;
    case 1: // a bit flipped
      copy[randomInt(copy.length)] = (copy[randomInt(copy.length)] as number) ^ (1 << randomInt(8));
      return copy;
    case 2: // truncated
      return copy.subarray(0, randomInt(copy.length));
    case 3: // extended
      return Buffer.concat([copy, randomBytes(1 + randomInt(64))]);
    case 4: {
      // Random content with the type and length of one of the four messages.
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
