/** The relay's side of one peer's streams (spec forwarding 2.3 to 2.6). It takes each stream that the peer opens, keeps to the peer's
 *  limits, and holds what the peer's requests share. */
import type { Socket } from 'node:net';
import type { Stream } from '@underpass/protocol';
import { monotonicMs, systemTimers, type Timers } from '@underpass/runtime';
import { FamilyMemory } from './dial-order.js';
import { DialQueue } from './dial-queue.js';
import { MAX_CONNECTIONS } from './forward-constants.js';
import { type AcceptorOptions, IncomingRequest, type SharedByRequests } from './incoming-request.js';
import { resetSockets } from './reset-socket.js';

export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #timers: Timers;
  readonly #now: () => number;
  readonly #sockets = new Set<Socket>();
  readonly #shared: SharedByRequests;
  readonly #queue: DialQueue;
  #underWay = 0;

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    this.#now = options.now ?? monotonicMs;
    this.#queue = new DialQueue(() => this.#sockets.size + this.#queue.dials < MAX_CONNECTIONS);
    this.#shared = {
      families: new FamilyMemory(this.#now),
      queue: this.#queue,
      onDecided: () => {
        this.#underWay--;
      },
      onConnected: (socket) => this.#sockets.add(socket),
      onDisconnected: (socket) => {
        this.#sockets.delete(socket);
        this.#queue.startWaiting();
      },
    };
  }

  /** Requests between their arrival and their status. */
  get underWay(): number {
    return this.#underWay;
  }
  /** Connected targets. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Takes a stream that the peer opened. */
  accept(stream: Stream): void {
    const request = new IncomingRequest(stream, this.#options, this.#timers, this.#now, this.#shared);
    this.#underWay++;
    this.#options.tunnel.attach(stream, request);
    request.start();
  }

  /** Resets the targets that are still connected. To be called when all streams are over: a target that takes its last
   *  bytes slowly outlives its stream. */
  close(): Promise<void> {
    return resetSockets(this.#sockets);
  }
}
