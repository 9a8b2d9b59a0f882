/** Decides which of a peer's requests may resolve and dial now (spec forwarding 2.5). */
import { TokenBucket, TurnoverMap } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import { DIALS_BURST, DIALS_PER_SECOND, MAX_DIALS_PER_PEER, MAX_WAITING_DIALS } from './forward-constants.js';

interface TargetQueue {
  dials: number;
  readonly waiting: Set<() => void>;
}

export interface DialQueueOptions {
  /** Whether the peer may open another connection at all; call `startWaiting` when the answer may have changed. */
  readonly mayDial: () => boolean;
  readonly timers: Timers;
  readonly now: () => number;
}

/** The queue of one peer's requests that need a dial.
 *
 *  A request holds a place from before its name is resolved until its status is known. A target that does not answer
 *  keeps each of its places for 10 s, so the queue shares out places by target. A target may take another place only
 *  while it holds fewer than are free: the first may take half of all, the next half of the rest, and so on. So dead
 *  targets leave places for others. Requests without a place wait, and so does a request with a place while too many of
 *  the peer's last attempts have failed or are under way. Within a target they start in order of arrival, and the
 *  targets take turns. The queue only counts and calls `start`; it never resolves or dials itself. */
export class DialQueue {
  readonly #options: DialQueueOptions;
  /** Has a token for each flow that starts, and for each connection that starts and is not accepted. */
  readonly #rate = new TokenBucket(DIALS_BURST, DIALS_PER_SECOND);
  /** Targets with a dial or a waiting request, in the order of their next turn. */
  readonly #targets = new TurnoverMap<string, TargetQueue>();
  #dials = 0;
  #waiting = 0;
  #isStarting = false;
  /** Set while requests wait for a token. */
  #timer: object | undefined;

  constructor(options: DialQueueOptions) {
    this.#options = options;
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
      } else {
        queue.waiting.delete(entry);
        this.#waiting--;
      }
      // The map has this queue while anything is in it: only here is one taken out for good.
      if (queue.dials === 0 && queue.waiting.size === 0) this.#targets.delete(target);
      if (isStarted) this.startWaiting();
    };
  }

  /** Counts something that needs no place but is limited in the same way, such as a flow.
   *  @returns false if the peer has started too many in the last moments */
  takeToken(): boolean {
    return this.#rate.take(this.#options.now());
  }

  /** Call when a target has accepted a connection: only attempts that fail count (spec forwarding 2.5). */
  onAccepted(): void {
    this.#rate.give();
  }

  /** Starts every waiting request that now has a place. */
  startWaiting(): void {
    // A request that is refused at once gives its place back during the loop.
    if (this.#isStarting) return;
    this.#isStarting = true;
    while (this.#waiting > 0 && this.#options.mayDial() && this.#startOne()) {
      // Continue: there may be another place.
    }
    this.#isStarting = false;
  }

  #startOne(): boolean {
    const left = MAX_DIALS_PER_PEER - this.#dials;
    for (const [target, queue] of this.#targets) {
      const [next] = queue.waiting;
      if (next === undefined || queue.dials >= left) continue;
      if (!this.takeToken()) {
        this.#startLater();
        return false;
      }
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

  #startLater(): void {
    const { timers, now } = this.#options;
    const delayMs = Math.max(Math.ceil(this.#rate.readyAt - now()), 1);
    this.#timer ??= timers.set(() => {
      this.#timer = undefined;
      this.startWaiting();
    }, delayMs);
  }
}
