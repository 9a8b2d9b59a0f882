/** Decides which of a peer's requests may resolve and dial now (spec forwarding 2.5). */
import { MAX_DIALS_PER_PEER, MAX_WAITING_DIALS } from './forward-constants.js';

interface TargetQueue {
  dials: number;
  readonly waiting: Set<() => void>;
}

/** The queue of one peer's requests that need a dial.
 *
 *  A request holds a place from before its name is resolved until its status is known. A target that does not answer
 *  keeps each of its places for 10 s, so the queue shares out places by target. A target may take another place only
 *  while it holds fewer than are free: the first may take half of all, the next half of the rest, and so on. So dead
 *  targets leave places for others. Requests without a place wait. Within a target they start in order of arrival, and
 *  the targets take turns. The queue only counts and calls `start`; it never resolves or dials itself. */
export class DialQueue {
  readonly #mayDial: () => boolean;
  /** Targets with a dial or a waiting request, in the order of their next turn. */
  readonly #targets = new Map<string, TargetQueue>();
  #dials = 0;
  #waiting = 0;
  #isStarting = false;

  /** @param mayDial  whether the peer may open another connection at all; call `startWaiting` when the answer may have
   *    changed */
  constructor(mayDial: () => boolean) {
    this.#mayDial = mayDial;
  }

  get dials(): number {
    return this.#dials;
  }
  get waiting(): number {
    return this.#waiting;
  }

  /** Calls `start` as soon as there is a place for `target`, possibly before this returns.
   *
   *  @returns a function that gives the place back, or leaves the queue; call it once. Undefined when too many requests
   *    wait already: `start` is then never called */
  enter(target: string, start: () => void): (() => void) | undefined {
    if (this.#waiting >= MAX_WAITING_DIALS) return undefined;
    const queue = this.#targets.get(target) ?? { dials: 0, waiting: new Set() };
    this.#targets.set(target, queue);
    let isStarted = false;
    const entry = (): void => {
      isStarted = true;
      start();
    };
    queue.waiting.add(entry);
    this.#waiting++;
    this.startWaiting();
    return () => {
      if (isStarted) {
        queue.dials--;
        this.#dials--;
      } else if (queue.waiting.delete(entry)) this.#waiting--;
      if (queue.dials === 0 && queue.waiting.size === 0 && this.#targets.get(target) === queue) {
        this.#targets.delete(target);
      }
      if (isStarted) this.startWaiting();
    };
  }

  /** Starts every waiting request that now has a place. */
  startWaiting(): void {
    // A request that is refused at once gives its place back during the loop.
    if (this.#isStarting) return;
    this.#isStarting = true;
    while (this.#waiting > 0 && this.#mayDial() && this.#startOne()) {
      // Continue: there may be another place.
    }
    this.#isStarting = false;
  }

  #startOne(): boolean {
    const left = MAX_DIALS_PER_PEER - this.#dials;
    for (const [target, queue] of this.#targets) {
      const [next] = queue.waiting;
      if (next === undefined || queue.dials >= left) continue;
      queue.waiting.delete(next);
      this.#waiting--;
      queue.dials++;
      this.#dials++;
      // Move the target to the end of the line.
      this.#targets.delete(target);
      this.#targets.set(target, queue);
      next();
      return true;
    }
    return false;
  }
}
