import { type Deadline, deadlineAt } from '../deadline.js';
import { DeadlineHeap } from '../deadline-heap.js';
import { FAREWELL_COPY_MS, MAX_FAREWELLS, MAX_REPEATED_FAREWELLS } from '../transport/limits.js';
import type { Farewell } from './farewell.js';

interface Repeated {
  readonly farewell: Farewell;
  timesSent: number;
}

/** The farewells of an endpoint that are to be sent, and when (spec streams 8.1).
 *
 *  A farewell is the last word to a peer: nothing acknowledges it, and its keys are gone, so it can't be sealed again.
 *  If the peer was removed, nothing else will tell it either. Such a farewell is therefore sent several times, the same
 *  bytes each time, at intervals that double. For the receiver a copy is a datagram that the network has duplicated: it
 *  has seen the counter, or has dropped the keys. A process that was superseded is sent another farewell whenever it
 *  comes back, so each of those is sent once.
 *
 *  The endpoint owns this object, and polls it before everything else. Two limits bound it: no more than MAX_FAREWELLS
 *  wait for superseded processes, and no more than MAX_REPEATED_FAREWELLS for their next copy. */
export class Farewells {
  readonly #superseded: Farewell[] = [];
  /** When to send each of those to removed peers. */
  readonly #removed = new DeadlineHeap<Repeated>();

  /** The farewell to a process that another one with the same key has superseded. */
  addSuperseded(farewell: Farewell): void {
    if (this.#superseded.length < MAX_FAREWELLS) this.#superseded.push(farewell);
  }

  /** The farewell to a peer that was removed. */
  addRemoved(now: number, farewell: Farewell): void {
    this.#removed.set({ farewell, timesSent: 0 }, now);
  }

  /** @returns a farewell to send now, if one is due. Nothing is sent under a keypair that has expired, even if it was
   *    sealed before (spec session 5.1). */
  poll(now: number): Farewell | undefined {
    for (;;) {
      const farewell = this.#superseded.shift() ?? this.#takeRemoved(now);
      if (farewell === undefined || now < farewell.expiresAt) return farewell;
    }
  }

  pollTimeout(): Deadline | undefined {
    return deadlineAt(this.#removed.earliestAt, 'farewell');
  }

  /** Takes the next farewell to a removed peer, and sets the time of its next copy. */
  #takeRemoved(now: number): Farewell | undefined {
    const due = this.#removed.takeDue(now);
    if (due === undefined) return undefined;
    const { farewell } = due;
    const nextAt = now + (FAREWELL_COPY_MS[due.timesSent++] ?? Number.POSITIVE_INFINITY);
    const hasRoom = this.#removed.size < MAX_REPEATED_FAREWELLS;
    if (farewell.isProven && hasRoom && nextAt < farewell.expiresAt) this.#removed.set(due, nextAt);
    return farewell;
  }
}
