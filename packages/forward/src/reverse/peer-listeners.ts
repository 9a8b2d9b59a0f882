/** The listeners of one peer on a relay (spec reverse). */
import { TurnoverSet } from '@underpass/protocol';
import { MAX_LISTENERS_PER_PEER } from '../forward-constants.js';
import type { IncomingRequest, RequestService } from '../incoming-request.js';
import { listenAt } from '../listener.js';
import { resetSockets } from '../reset-socket.js';
import { isListenPermitted } from './listen-rules.js';
import type { Listener, ListenerInfo, PeerListenersOptions, SharedByListeners } from './listener-parts.js';
import { ReverseListener } from './reverse-listener.js';
import type { ListenRequest } from './reverse-requests.js';
import { VisitorQueue } from './visitor-queue.js';

/** Owns a peer's listeners and the sockets of their visitors.
 *
 *  The relay creates it with the peer's first LISTEN request, and reports to it when the client permits more streams
 *  and when the peer's rules have changed. Each listener lives as long as its stream; this class ends only those that
 *  lose their rule. It never sees the bytes of a visitor. */
export class PeerListeners {
  readonly #shared: SharedByListeners;
  readonly #listeners = new Set<Listener>();
  #turn: Promise<void> = Promise.resolve();

  constructor(options: PeerListenersOptions) {
    this.#shared = {
      ...options,
      listen: options.listen ?? listenAt,
      queue: new VisitorQueue(options),
      sockets: new TurnoverSet(),
      enter: (listener) => {
        if (this.#listeners.size >= MAX_LISTENERS_PER_PEER) {
          return `a peer can have at most ${MAX_LISTENERS_PER_PEER} listeners`;
        }
        this.#listeners.add(listener);
        return undefined;
      },
      leave: (listener) => void this.#listeners.delete(listener),
      inTurn: (bind) => {
        this.#turn = this.#turn.then(bind);
      },
    };
  }

  /** Those that listen. */
  get open(): readonly ListenerInfo[] {
    return [...this.#listeners].filter(({ isOpen }) => isOpen);
  }

  serve(request: ListenRequest, incoming: IncomingRequest): RequestService {
    return new ReverseListener(incoming, request, this.#shared);
  }

  /** Call when the client may permit more streams. */
  startWaiting(): void {
    this.#shared.queue.startWaiting();
  }

  /** Call when the peer's rules have changed. */
  onRulesChanged(): void {
    for (const listener of this.#listeners) {
      if (!listener.isOpen || isListenPermitted(this.#shared.rules(), listener.place)) continue;
      listener.close('no listen rule allows it any more');
    }
  }

  /** Closes all listeners and resets all visitors. */
  close(reason: string): Promise<void> {
    for (const listener of this.#listeners) listener.close(reason);
    return resetSockets(this.#shared.sockets);
  }
}
