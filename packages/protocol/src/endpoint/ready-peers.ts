import type { Deadline } from '../deadline.js';
import { DeadlineHeap } from '../deadline-heap.js';
import type { TransmitBatch } from './transmit-batch.js';

/** A peer, as far as ReadyPeers calls it. */
export interface ReadyPeer<Event> {
  handleTimeout(now: number): void;
  pollEvent(): Event | undefined;
  pollTransmit(now: number, batch: TransmitBatch): boolean;
  pollTimeout(): Deadline | undefined;
}

/** Knows which of an endpoint's peers have something to do, so that the cost of a turn depends on the active peers and
 *  not on the configured ones.
 *
 *  Nothing about a peer changes unless it is _touched_: by a datagram that authenticated, by a command on it or on one
 *  of its streams, or by a deadline of its own. The code that touches a peer calls `touch`. The peer is then asked for
 *  events and for something to send until it has no more, and once for its next deadline. A peer that is not touched is
 *  never asked.
 *
 *  Peers take turns, one event or one batch each, so that none delays another by more than that.
 *
 *  The endpoint owns this object and polls through it. It owns nothing of a peer, and holds those with a deadline or
 *  something to do. */
export class ReadyPeers<Event> {
  /** The peers to ask for an event, for something to send, and for their deadline. Each set is a queue: a peer that has
   *  had its turn goes to the end. */
  readonly #eventful = new Set<ReadyPeer<Event>>();
  readonly #sending = new Set<ReadyPeer<Event>>();
  readonly #changed = new Set<ReadyPeer<Event>>();
  /** When to ask each peer even if it is not touched. The deadlines of peers in `#changed` may be out of date. */
  readonly #deadlines = new DeadlineHeap<ReadyPeer<Event>>();
  /** Is in all three sets. Most datagrams come from the peer of the one before, and adding it again costs three searches. */
  #touched: ReadyPeer<Event> | undefined;

  /** Something about the peer may have changed, so it is to be asked. */
  touch(peer: ReadyPeer<Event>): void {
    if (peer === this.#touched) return;
    this.#touched = peer;
    this.#eventful.add(peer);
    this.#sending.add(peer);
    this.#changed.add(peer);
  }

  /** The peer was removed from the endpoint. It is asked only for the events that it still has, and must not be touched
   *  again. */
  retire(peer: ReadyPeer<Event>): void {
    this.#touched = undefined;
    this.#eventful.add(peer);
    this.#sending.delete(peer);
    this.#changed.delete(peer);
    this.#deadlines.delete(peer);
  }

  /** Calls `handleTimeout` on the peers whose deadlines have passed.
   *  @param others peers on which to call it too */
  handleTimeout(now: number, others: Iterable<ReadyPeer<Event>>): void {
    this.#updateDeadlines();
    for (const peer of others) this.#deadlines.set(peer, now);
    for (let peer = this.#deadlines.takeDue(now); peer !== undefined; peer = this.#deadlines.takeDue(now)) {
      peer.handleTimeout(now);
      this.touch(peer);
    }
  }

  /** Asking a peer for an event must not touch it. */
  pollEvent(): Event | undefined {
    const eventful = this.#eventful;
    this.#touched = undefined;
    for (const peer of eventful) {
      const event = peer.pollEvent();
      // A set makes a new table after a few changes. One peer alone, with event after event, need not move.
      if (event === undefined || eventful.size > 1) eventful.delete(peer);
      if (event === undefined) continue;
      eventful.add(peer);
      return event;
    }
    return undefined;
  }

  /** Fills `batch` for one peer.
   *  @returns false if no peer has anything to send now */
  pollTransmit(now: number, batch: TransmitBatch): boolean {
    // The caller's timer is coarse. A peer whose pacer permits it to send by now need not wait for the timer.
    for (let peer = this.#deadlines.takeDue(now); peer !== undefined; peer = this.#deadlines.takeDue(now)) {
      this.touch(peer);
    }
    this.#touched = undefined;
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
    this.#touched = undefined;
    for (const peer of this.#changed) {
      this.#deadlines.set(peer, peer.pollTimeout()?.at ?? Number.POSITIVE_INFINITY);
    }
    this.#changed.clear();
  }
}
