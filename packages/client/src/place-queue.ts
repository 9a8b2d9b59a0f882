/** Decides which local connections are carried and which wait (spec forwarding 2.5). */
import type { ResettableSocket, SocketWatch, Watched } from '@underpass/forward';
import type { Stream } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import { MAX_WAITING_PROGRAMS, PLACE_TIMEOUT_MS } from './client-constants.js';

/** A local connection that needs a place. Exactly one of the three methods is called, once. */
export interface PlaceSeeker {
  readonly socket: ResettableSocket;
  onPlace(stream: Stream): void;
  onRefused(): void;
  /** It gave up while it waited, and its socket is closed. */
  onLeft(): void;
}

export interface PlaceQueueOptions {
  readonly maxConnections: number;
  /** Returns undefined while the relay permits no more streams. */
  readonly openStream: () => Stream | undefined;
  /** Whether the relay answers, so that the wait can be expected to end. */
  readonly isReachable: () => boolean;
  readonly watch: SocketWatch;
  readonly timers: Timers;
}

/** Gives local connections a place: one of the client's connections, and a stream that the relay permits.
 *
 *  Without a place a connection waits in order of arrival. Its socket is not read meanwhile, but it is watched, so that
 *  a program that gives up leaves the queue. The client reports when a place may be free: it calls `release` for each
 *  connection that ends, and `startWaiting` when the relay permits more streams. A connection that has waited for too
 *  long is refused, except while the relay is silent. The queue owns only the connections that wait; one with a place
 *  belongs to the opener. */
export class PlaceQueue {
  readonly #options: PlaceQueueOptions;
  readonly #waiting = new Set<WaitingProgram>();
  #carried = 0;

  constructor(options: PlaceQueueOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  enter(seeker: PlaceSeeker): void {
    if (this.#waiting.size === 0 && this.#start(seeker)) return;
    if (this.#waiting.size >= MAX_WAITING_PROGRAMS) {
      seeker.onRefused();
      return;
    }
    const program = new WaitingProgram(seeker, this.#options, () => this.#waiting.delete(program));
    this.#waiting.add(program);
  }

  /** Call when a connection that had a place has ended. */
  release(): void {
    this.#carried--;
    this.startWaiting();
  }

  startWaiting(): void {
    for (const program of this.#waiting) {
      if (!this.#start(program.seeker, () => program.stop())) return;
    }
  }

  #start(seeker: PlaceSeeker, before: () => void = () => undefined): boolean {
    const { maxConnections, openStream } = this.#options;
    const stream = this.#carried < maxConnections ? openStream() : undefined;
    if (stream === undefined) return false;
    this.#carried++;
    before();
    seeker.onPlace(stream);
    return true;
  }
}

/** One connection in the queue, with its timer and its listeners on the socket. */
class WaitingProgram implements Watched {
  readonly seeker: PlaceSeeker;
  readonly movedBytes = 0;
  readonly #options: PlaceQueueOptions;
  readonly #leave: () => void;
  #timer: object;

  constructor(seeker: PlaceSeeker, options: PlaceQueueOptions, leave: () => void) {
    this.seeker = seeker;
    this.#options = options;
    this.#leave = leave;
    this.#timer = options.timers.set(this.#onTimeout, PLACE_TIMEOUT_MS);
    options.watch.add(this);
    seeker.socket.on('error', ignore).on('close', this.#onClose);
  }

  get socket(): ResettableSocket {
    return this.seeker.socket;
  }

  onVanished(): void {
    this.socket.destroy();
  }

  /** Ends the wait and removes every listener. */
  stop(): void {
    this.#options.timers.clear(this.#timer);
    this.#options.watch.delete(this);
    this.socket.off('error', ignore).off('close', this.#onClose);
    this.#leave();
  }

  readonly #onClose = (): void => {
    this.stop();
    this.seeker.onLeft();
  };

  readonly #onTimeout = (): void => {
    if (this.#options.isReachable()) {
      this.stop();
      this.seeker.onRefused();
    } else this.#timer = this.#options.timers.set(this.#onTimeout, PLACE_TIMEOUT_MS);
  };
}

function ignore(): void {}
