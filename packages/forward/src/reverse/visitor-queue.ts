/** Decides which visitors of a peer's listeners are carried and which wait (spec reverse 7). */
import type { Socket } from 'node:net';
import type { Stream } from '@underpass/protocol';
import { MAX_VISITORS_PER_PEER, MAX_WAITING_VISITORS } from '../forward-constants.js';
import type { SocketWatch, Watched } from '../socket-watch.js';

/** A visitor that needs a place. Exactly one of the two methods is called, once, unless it leaves. */
export interface PlaceSeeker {
  readonly socket: Socket;
  onPlace(stream: Stream): void;
  /** It gave up while it waited, and its socket is closed. */
  onGone(): void;
}

export interface VisitorQueueOptions {
  /** Returns undefined while the client permits no more streams. */
  readonly openStream: () => Stream | undefined;
  readonly watch: SocketWatch;
}

/** The visitors of one listener. */
interface Line {
  carried: number;
  readonly waiting: Set<WaitingVisitor>;
}

/** Gives the visitors of one peer's listeners a place: one of the peer's connections, and a stream that the client
 *  permits.
 *
 *  Each listener has a line of its own. A listener may take another place only while it holds fewer than are free, as
 *  the targets in a `DialQueue` do, so that a crowd on one listener leaves places for the others. Lines take turns, and
 *  within a line visitors start in order of arrival. The socket of a waiting visitor is not read, but it is watched, so
 *  that one that gives up leaves the queue. The queue owns only the visitors that wait, and knows nothing of time: the
 *  listener ends a wait that takes too long. */
export class VisitorQueue {
  readonly #options: VisitorQueueOptions;
  /** Listeners with visitors, in the order of their next turn. */
  readonly #lines = new Map<object, Line>();
  #carried = 0;
  #waiting = 0;
  #isStarting = false;

  constructor(options: VisitorQueueOptions) {
    this.#options = options;
  }

  get carried(): number {
    return this.#carried;
  }
  get waiting(): number {
    return this.#waiting;
  }

  /** Calls `onPlace` as soon as there is a place, possibly before this returns.
   *  @returns a function that leaves the queue, which has no effect on a visitor that has a place; undefined when too
   *    many wait already */
  enter(listener: object, seeker: PlaceSeeker): (() => void) | undefined {
    if (this.#waiting >= MAX_WAITING_VISITORS) return undefined;
    const line = this.#lines.get(listener) ?? { carried: 0, waiting: new Set() };
    this.#lines.set(listener, line);
    const visitor = new WaitingVisitor(seeker, this.#options.watch, () => {
      this.#remove(listener, line, visitor);
      seeker.onGone();
    });
    line.waiting.add(visitor);
    this.#waiting++;
    this.startWaiting();
    return () => this.#remove(listener, line, visitor);
  }

  /** Call when a visitor that had a place has ended. */
  release(listener: object): void {
    const line = this.#lines.get(listener);
    if (line === undefined) return;
    line.carried--;
    this.#carried--;
    this.#forget(listener, line);
    this.startWaiting();
  }

  /** Call when the client may permit more streams. */
  startWaiting(): void {
    // A visitor that ends at once gives its place back during the loop.
    if (this.#isStarting) return;
    this.#isStarting = true;
    while (this.#waiting > 0 && this.#startOne()) {
      // Continue: there may be another place.
    }
    this.#isStarting = false;
  }

  #startOne(): boolean {
    const free = MAX_VISITORS_PER_PEER - this.#carried;
    for (const [listener, line] of this.#lines) {
      const [next] = line.waiting;
      if (next === undefined || line.carried >= free) continue;
      const stream = this.#options.openStream();
      if (stream === undefined) return false;
      line.carried++;
      this.#carried++;
      this.#remove(listener, line, next);
      // Move the line behind the others.
      this.#lines.delete(listener);
      this.#lines.set(listener, line);
      next.seeker.onPlace(stream);
      return true;
    }
    return false;
  }

  #remove(listener: object, line: Line, visitor: WaitingVisitor): void {
    if (!line.waiting.delete(visitor)) return;
    this.#waiting--;
    visitor.stop();
    this.#forget(listener, line);
  }

  #forget(listener: object, line: Line): void {
    if (line.carried === 0 && line.waiting.size === 0) this.#lines.delete(listener);
  }
}

/** One visitor in the queue, with its listeners on the socket. */
class WaitingVisitor implements Watched {
  readonly seeker: PlaceSeeker;
  readonly movedBytes = 0;
  readonly #watch: SocketWatch;
  readonly #onClose: () => void;

  /** @param onClose  called when the socket closes while it waits */
  constructor(seeker: PlaceSeeker, watch: SocketWatch, onClose: () => void) {
    this.seeker = seeker;
    this.#watch = watch;
    this.#onClose = onClose;
    watch.add(this);
    seeker.socket.on('error', ignore).on('close', onClose);
  }

  get socket(): Socket {
    return this.seeker.socket;
  }

  onVanished(): void {
    this.socket.destroy();
  }

  /** Ends the wait and removes every listener. */
  stop(): void {
    this.#watch.delete(this);
    this.socket.off('error', ignore).off('close', this.#onClose);
  }
}

function ignore(): void {}
