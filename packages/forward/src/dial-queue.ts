/** Whose turn it is to be resolved and dialled (spec forwarding 2.5).
 *
 *  A request holds a place from before its name's resolution to its status. A target that does not answer keeps each of its places for
 *  10 s, so places are shared out by target: one may take a further place only while it has fewer than are left. The first may have half
 *  of all, the next half of the rest, and there is always one for a target that has none. A request without a place waits, in the
 *  order of arrival within its target, and the targets take turns. */
import { MAX_DIALS_PER_PEER, MAX_WAITING_DIALS } from './forward-constants.js';

interface TargetQueue {
  dials: number;
  readonly waiting: Set<() => void>;
}

export class DialQueue {
  readonly #mayDial: () => boolean;
  /** Targets with a dial or somebody who waits; those that have waited longest since their last turn come first. */
  readonly #targets = new Map<string, TargetQueue>();
  #dials = 0;
  #waiting = 0;
  #isStarting = false;

  /** @param mayDial  whether the peer may have a further connection at all; call `startWaiting` when that changes */
  constructor(mayDial: () => boolean) {
    this.#mayDial = mayDial;
  }

  get dials(): number {
    return this.#dials;
  }
  get waiting(): number {
    return this.#waiting;
  }

  /** Calls `start` as soon as there is a place for `target`, perhaps at once.
   *  @returns gives the place back, or leaves the queue; to be called once. Undefined when too many wait: `start` is never called */
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

  /** Starts whoever may be. */
  startWaiting(): void {
    // One that is refused at once gives its place back while the loop runs.
    if (this.#isStarting) return;
    this.#isStarting = true;
    while (this.#waiting > 0 && this.#mayDial() && this.#startOne()) {
      // There may be a place for another.
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
      // To the end: the others come first now.
      this.#targets.delete(target);
      this.#targets.set(target, queue);
      next();
      return true;
    }
    return false;
  }
}
