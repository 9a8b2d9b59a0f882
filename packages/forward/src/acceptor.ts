/** The relay's side of one peer's streams (spec forwarding 2.3 to 2.6). */
import type { Socket } from 'node:net';
import type { Stream } from '@underpass/protocol';
import { monotonicMs, systemTimers, type Timers } from '@underpass/runtime';
import { FamilyMemory } from './dial-order.js';
import { DialQueue } from './dial-queue.js';
import { MAX_CONNECTIONS } from './forward-constants.js';
import { type AcceptorOptions, IncomingRequest, type SharedByRequests } from './incoming-request.js';
import { resetSockets } from './reset-socket.js';

/** Accepts the streams that one peer opens.
 *
 *  The relay creates an acceptor with a peer's first stream and passes it every stream that the peer opens. The
 *  acceptor starts an `IncomingRequest` for each and owns what that peer's requests share: the sockets of its targets,
 *  the queue of dials and the memory of which address family works. It never looks at the bytes of a stream, and it
 *  knows nothing of other peers. */
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

  /** Requests that have arrived and have no status yet. */
  get underWay(): number {
    return this.#underWay;
  }
  /** Connected targets. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Starts the request that arrives on a stream which the peer opened. */
  accept(stream: Stream): void {
    const request = new IncomingRequest(stream, this.#options, this.#timers, this.#now, this.#shared);
    this.#underWay++;
    this.#options.tunnel.attach(stream, request);
    request.start();
  }

  /** Resets the targets that are still connected. Call it when all streams are closed: a target that reads slowly
   *  outlives its stream. */
  close(): Promise<void> {
    return resetSockets(this.#sockets);
  }
}
