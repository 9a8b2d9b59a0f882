import { Connection } from '../transport/connection.js';
import type { StreamEvent } from '../transport/streams/stream-set.js';
import type { EventOf } from './peer-event.js';

const NONE: never[] = [];

/** The events of one peer until they are polled, in the order in which they happened.
 *
 *  A connection keeps the events of its streams. While it lasts, they come after everything that was reported about the
 *  peer. When it ends, it takes its place in the order: its last events come after the `connected` with which it began
 *  and before the `disconnected` that follows. Peer owns this object.
 *
 *  @typeParam Peer the class of peers: see `EventOf` */
export class PeerEvents<Peer> {
  readonly #peer: Peer;
  /** A connection stands for the events that it still has. */
  #waiting: (EventOf<Peer> | Connection)[] | undefined;

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  push(event: EventOf<Peer>): void {
    this.#waiting ??= [];
    this.#waiting.push(event);
  }

  /** Adds the last events of a connection that has ended. */
  pushEnded(connection: Connection): void {
    this.#waiting ??= [];
    this.#waiting.push(connection);
  }

  /** Takes the next event. @param connection the current one */
  poll(connection: Connection): EventOf<Peer> | undefined {
    const waiting = this.#waiting ?? NONE;
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      if (!(next instanceof Connection)) {
        waiting.shift();
        return next;
      }
      const event = next.pollEvent();
      if (event !== undefined) return this.#withPeer(event);
      waiting.shift();
    }
    const event = connection.pollEvent();
    return event && this.#withPeer(event);
  }

  #withPeer(event: StreamEvent): EventOf<Peer> {
    if (event.type === 'stream-opened') return { type: event.type, peer: this.#peer, stream: event.stream };
    return event.type === 'streams-available' ? { type: event.type, peer: this.#peer } : event;
  }
}
