/** Ends connections in which nothing has moved for too long (spec forwarding 4.7). */
import { TurnoverMap } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import { HALF_CLOSED_IDLE_MS, IDLE_CHECK_MS } from './forward-constants.js';

/** A connection that can become idle. */
export interface IdleWatched {
  /** Grows with every byte carried, in either direction. */
  readonly movedBytes: number;
  /** Bytes wait for the other side of the tunnel. */
  readonly isWaiting: boolean;
  /** At least one direction has ended. */
  readonly isHalfClosed: boolean;
  /** @param idleMs  for how long nothing has moved */
  onIdle(idleMs: number): void;
}

export interface IdleWatchOptions {
  readonly timers: Timers;
  readonly now: () => number;
  /** When a connection ends that is open in both directions; by default never. */
  readonly idleMs?: number | undefined;
}

interface Seen {
  movedBytes: number;
  isHalfClosed: boolean;
  /** Since when nothing has moved, as far as the checks show. */
  since: number;
}

/** Finds idle connections.
 *
 *  All pumps of a relay add themselves. Once a minute the watch compares what each has carried with the last check, so
 *  a connection ends up to two minutes after its limit, and carrying a byte costs nothing. While bytes wait for the
 *  peer, as in an outage, a connection is not idle. The watch never touches a socket: it calls `onIdle`, once. */
export class IdleWatch {
  readonly #options: IdleWatchOptions;
  readonly #connections = new TurnoverMap<IdleWatched, Seen>();
  #timer: object | undefined;

  constructor(options: IdleWatchOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#connections.size;
  }

  add(connection: IdleWatched): void {
    this.#connections.set(connection, this.#look(connection));
    this.#timer ??= this.#options.timers.set(() => this.#check(), IDLE_CHECK_MS);
  }

  delete(connection: IdleWatched): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0 || this.#timer === undefined) return;
    this.#options.timers.clear(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    const { timers, now, idleMs = Number.POSITIVE_INFINITY } = this.#options;
    this.#timer = timers.set(() => this.#check(), IDLE_CHECK_MS);
    for (const [connection, seen] of [...this.#connections]) {
      // Another one's end may have ended this one.
      if (!this.#connections.has(connection)) continue;
      const { movedBytes, isHalfClosed, isWaiting } = connection;
      // A FIN moves no byte, but the half-closed connection is new.
      if (isWaiting || movedBytes !== seen.movedBytes || isHalfClosed !== seen.isHalfClosed) {
        this.#connections.set(connection, this.#look(connection));
        continue;
      }
      const elapsed = now() - seen.since;
      const limit = isHalfClosed ? Math.min(idleMs, HALF_CLOSED_IDLE_MS) : idleMs;
      if (elapsed < limit) continue;
      this.delete(connection);
      connection.onIdle(Math.round(elapsed));
    }
  }

  #look({ movedBytes, isHalfClosed }: IdleWatched): Seen {
    return { movedBytes, isHalfClosed, since: this.#options.now() };
  }
}
