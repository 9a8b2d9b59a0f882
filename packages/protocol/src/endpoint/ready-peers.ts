/** Which of an endpoint's peers have something to do: cost follows what is active, never what is configured. */
import type { Deadline } from '../deadline.js';
import { DeadlineHeap } from '../deadline-heap.js';
import type { TransmitBatch } from './transmit-batch.js';

/** What is asked of a peer. */
export interface ReadyPeer<Event> {
  handleTimeout(now: number): void;
  pollEvent(): Event | undefined;
  pollTransmit(now: number, batch: TransmitBatch): boolean;
  pollTimeout(): Deadline | undefined;
}

/** An endpoint may know thousands of peers, of which a few are active. Nothing about a peer changes unless it is
 *  touched: by a datagram that authenticated, by a command on it or on one of its streams, or by a deadline of its own.
 *  Whoever touches a peer says so here. The peer is then asked for events and for something to send until it has none,
 *  and for its next deadline once. A peer that nobody touches is never asked.
 *
 *  Peers that have something take turns, one event or one batch each, so that none delays another by more than that. */
export class ReadyPeers<Event> {
  /** Peers to be asked for an event, for something to send, and for their deadline. Each is a queue: a peer that had
   *  its turn goes to the end. */
  readonly #eventful = new Set<ReadyPeer<Event>>();
  readonly #sending = new Set<ReadyPeer<Event>>();
  readonly #changed = new Set<ReadyPeer<Event>>();
  /** When each peer is to be asked without being touched. Those of `#changed` may be out of date. */
  readonly #deadlines = new DeadlineHeap<ReadyPeer<Event>>();

  /** Something about the peer may have changed. */
  touch(peer: ReadyPeer<Event>): void {
    this.#eventful.add(peer);
    this.#sending.add(peer);
    this.#changed.add(peer);
  }

  /** The peer is no longer one of the endpoint's: it is only asked for the events that it still has. It must not be
   *  touched again. */
  retire(peer: ReadyPeer<Event>): void {
    this.#eventful.add(peer);
    this.#sending.delete(peer);
    this.#changed.delete(peer);
    this.#deadlines.delete(peer);
  }

  /** Lets the peers whose deadlines have passed act on them. @param others that are to act, too */
  handleTimeout(now: number, others: Iterable<ReadyPeer<Event>>): void {
    this.#updateDeadlines();
    for (const peer of others) this.#deadlines.set(peer, now);
    for (let peer = this.#deadlines.takeDue(now); peer !== undefined; peer = this.#deadlines.takeDue(now)) {
      peer.handleTimeout(now);
      this.touch(peer);
    }
  }

  pollEvent(): Event | undefined {
    for (const peer of this.#eventful) {
      this.#eventful.delete(peer);
      const event = peer.pollEvent();
      if (event === undefined) continue;
      this.#eventful.add(peer);
      return event;
    }
    return undefined;
  }

  /** Fills `batch` for one peer. @returns false when there is nothing to send now */
  pollTransmit(now: number, batch: TransmitBatch): boolean {
    // The caller's timer is coarse. A peer whose pacer would let it send by now need not wait for it.
    for (let peer = this.#deadlines.takeDue(now); peer !== undefined; peer = this.#deadlines.takeDue(now)) {
      this.touch(peer);
    }
    for (const peer of this.#sending) {
      this.#sending.delete(peer);
      const isFilled = peer.pollTransmit(now, batch);
      this.#changed.add(peer);
      this.#eventful.add(peer);
      if (!isFilled) continue;
      this.#sending.add(peer);
      return true;
    }
    return false;
  }

  pollTimeout(): Deadline | undefined {
    this.#updateDeadlines();
    return this.#deadlines.earliest?.pollTimeout();
  }

  #updateDeadlines(): void {
    for (const peer of this.#changed) {
      this.#deadlines.set(peer, peer.pollTimeout()?.at ?? Number.POSITIVE_INFINITY);
    }
    this.#changed.clear();
  }
}
