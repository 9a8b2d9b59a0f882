/** The relay's side of one peer's streams (spec forwarding 2.3 to 2.6). It takes each stream that the peer opens, keeps to the peer's
 *  limits, and holds what the peer's requests share. */
import type { Socket } from 'node:net';
import type { Stream } from '@underpass/protocol';
import { monotonicMs, systemTimers, type Timers } from '@underpass/runtime';
import { FamilyMemory } from './dial-order.js';
import { MAX_CONNECTIONS, MAX_DIALS_PER_PEER } from './forward-constants.js';
import { type AcceptorOptions, IncomingRequest } from './incoming-request.js';
import { resetSockets } from './reset-socket.js';

export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #timers: Timers;
  readonly #now: () => number;
  readonly #sockets = new Set<Socket>();
  readonly #families: FamilyMemory;
  #underWay = 0;

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    this.#now = options.now ?? monotonicMs;
    this.#families = new FamilyMemory(this.#now);
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
    const request = new IncomingRequest(stream, this.#options, this.#timers, this.#now, {
      families: this.#families,
      onDecided: () => {
        this.#underWay--;
      },
      onConnected: (socket) => this.#sockets.add(socket),
      onDisconnected: (socket) => this.#sockets.delete(socket),
    });
    this.#underWay++;
    this.#options.tunnel.attach(stream, request);
    if (this.#underWay > MAX_DIALS_PER_PEER) {
      request.refuse('too-many-streams', `more than ${MAX_DIALS_PER_PEER} requests at a time`);
    } else if (this.#underWay + this.#sockets.size > MAX_CONNECTIONS) {
      request.refuse('too-many-streams', `more than ${MAX_CONNECTIONS} connections at a time`);
    } else request.start();
  }

  /** Resets the targets that are still connected. To be called when all streams are over: a target that takes its last
   *  bytes slowly outlives its stream. */
  close(): Promise<void> {
    return resetSockets(this.#sockets);
  }
}
