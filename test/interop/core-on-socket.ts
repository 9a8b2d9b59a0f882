/** Our WireGuard core on a real socket and in real time, with ICMP echo on top. */
import type { RemoteInfo, Socket } from 'node:dgram';
import { type Address, createPortableSuite, RoamingPath, type Session, WireGuard } from '@underpass/protocol';
import { monotonicMs, secureRandom, unixTimeMs } from '@underpass/runtime';
import { decodeEcho, type Echo, encodeEcho } from './icmp.js';

export interface CoreOptions {
  readonly privateKey: Uint8Array;
  readonly remotePublicKey: Uint8Array;
  readonly presharedKey: Uint8Array | undefined;
  readonly address?: Address;
}

/** One WireGuard core with one peer on a UDP socket. It answers echo requests, and the test sends its own with `send`.
 *  It owns the socket and drives the core's timers; `skip` advances the core's clock without waiting. */
export class CoreOnSocket {
  readonly core: WireGuard;
  readonly peer: Session;
  readonly drops: string[] = [];
  /** How many requests were answered, and the replies that arrived. */
  requests = 0;
  replies: Echo[] = [];
  #socket: Socket;
  #timer: NodeJS.Timeout | undefined;
  #later = 0;
  #waiters: { isMet: () => boolean; resolve: () => void }[] = [];
  readonly #unsent: Uint8Array[] = [];
  readonly #buffer = new Uint8Array(2048);

  constructor(socket: Socket, options: CoreOptions) {
    this.core = new WireGuard({
      privateKey: options.privateKey,
      suite: createPortableSuite(),
      random: secureRandom,
      unixTimeMs: () => unixTimeMs() + this.#later,
    });
    const { remotePublicKey, presharedKey, address } = options;
    this.peer = this.core.addPeer(
      {
        publicKey: remotePublicKey,
        path: new RoamingPath(address),
        ...(presharedKey && { presharedKey }),
      },
      () => undefined,
    );
    this.#socket = socket;
    this.#listen();
  }

  get now(): number {
    return monotonicMs() + this.#later;
  }

  /** Advances the core's clock. */
  skip(ms: number): void {
    this.#later += ms;
    this.#turn();
  }

  /** Continues on another socket, with another port or address. */
  moveTo(socket: Socket): void {
    this.#socket.close();
    this.#socket = socket;
    this.#listen();
  }

  /** Sends an IP packet, after a handshake if necessary. */
  send(packet: Uint8Array): void {
    this.#unsent.push(packet);
    this.#turn();
  }

  /** Resolves when the condition holds after a datagram. */
  until(isMet: () => boolean): Promise<void> {
    if (isMet()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ isMet, resolve }));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#socket.close();
    this.core.close();
  }

  #listen(): void {
    this.#socket.on('message', (datagram, from) => this.#receive(datagram, from));
  }

  #receive(datagram: Uint8Array, from: RemoteInfo): void {
    const received = this.core.handleDatagram(this.now, datagram, { address: from.address, port: from.port });
    if (received.kind === 'dropped') {
      this.drops.push(received.reason);
      if (received.answer !== undefined) this.#socket.send(received.answer, from.port, from.address);
    }
    if (received.kind === 'payload') this.#handlePacket(received.payload);
    this.#turn();
    const met = this.#waiters.filter(({ isMet }) => isMet());
    this.#waiters = this.#waiters.filter((waiter) => !met.includes(waiter));
    for (const { resolve } of met) resolve();
  }

  #handlePacket(payload: Uint8Array): void {
    const echo = decodeEcho(payload);
    if (echo?.kind === 'reply') this.replies.push(echo);
    if (echo?.kind !== 'request') return;
    this.requests++;
    this.#unsent.push(encodeEcho({ ...echo, kind: 'reply', from: echo.to, to: echo.from }));
  }

  #turn(): void {
    const { now } = this;
    this.core.handleTimeout(now);
    while (this.#unsent.length > 0) {
      if (this.peer.sendableKeypairId(now) === undefined) {
        this.peer.requestHandshake(now);
        break;
      }
      const packet = this.#unsent.shift() as Uint8Array;
      this.#buffer.set(packet, 16);
      const length = this.peer.seal(now, this.#buffer, 0, packet.length);
      this.#transmit(length, this.peer.path.address as Address);
    }
    for (let message = this.core.pollMessage(now, this.#buffer); message !== undefined; ) {
      this.#transmit(message.length, message.to);
      message = this.core.pollMessage(now, this.#buffer);
    }
    clearTimeout(this.#timer);
    const deadline = this.core.pollTimeout();
    if (deadline === undefined) return;
    this.#timer = setTimeout(() => this.#turn(), Math.max(0, Math.ceil(deadline.at - now)));
  }

  #transmit(length: number, to: Address): void {
    this.#socket.send(this.#buffer.slice(0, length), to.port, to.address);
  }
}
