/** One visitor of a listener: a connection that the relay accepted and the client connects to a target (spec reverse
 *  5, 6). */
import type { Socket } from 'node:net';
import type { Stream } from '@underpass/protocol';
import { VISITOR_TIMEOUT_MS } from '../forward-constants.js';
import { requestThroughTunnel } from '../opener.js';
import type { RequestStatus } from '../request.js';
import { resetSocket } from '../reset-socket.js';
import type { ListenAddress } from '../tcp-listener.js';
import type { Listener, SharedByListeners } from './listener-parts.js';
import type { PlaceSeeker } from './visitor-queue.js';

/** Brings a visitor from its arrival to a stream with a status.
 *
 *  It waits for a place in the queue, asks the client on the stream that comes with the place, and lets a pump carry
 *  the bytes. One timer covers everything up to the status. It reports the visitor once as opened or refused, and an
 *  opened one once more at its end. */
export class Visitor implements PlaceSeeker {
  readonly socket: Socket;
  readonly #from: ListenAddress;
  readonly #listener: Listener;
  readonly #shared: SharedByListeners;
  #timer: object | undefined;
  #leave: (() => void) | undefined;
  #stream: Stream | undefined;
  #fate: 'waits' | 'opened' | 'refused' = 'waits';

  constructor(socket: Socket, from: ListenAddress, listener: Listener, shared: SharedByListeners) {
    this.socket = socket;
    this.#from = from;
    this.#listener = listener;
    this.#shared = shared;
  }

  start(): void {
    const { isAway, timers, queue } = this.#shared;
    if (isAway()) {
      this.#refuse('timed-out', 'the client does not answer');
      return;
    }
    this.#timer = timers.set(() => this.#onTimeout(), VISITOR_TIMEOUT_MS);
    this.#leave = queue.enter(this.#listener, this);
    if (this.#leave === undefined) this.#refuse('too-many-streams', 'too many visitors are waiting');
  }

  onGone(): void {
    this.#clearTimer();
  }

  onPlace(stream: Stream): void {
    const { tunnel, watch, limit, observer, queue } = this.#shared;
    this.#stream = stream;
    const { address: host, port } = this.#from;
    const request = { kind: 'incoming', listener: this.#listener.id, host, port } as const;
    const { id } = stream;
    requestThroughTunnel(
      tunnel,
      stream,
      this.socket,
      request,
      {
        onOpened: () => {
          this.#clearTimer();
          this.#fate = 'opened';
          observer.onVisitor(this.#listener, id, this.#from);
        },
        onRefused: (status) => this.#refuse(status, adviceFor(status)),
        onEnd: (summary) => {
          this.#clearTimer();
          queue.release(this.#listener);
          if (this.#fate === 'opened') observer.onVisitorEnd(this.#listener, id, this.#from, summary);
        },
      },
      watch,
      { limit },
    );
  }

  #onTimeout(): void {
    this.#timer = undefined;
    const why = this.#stream === undefined ? 'there was no free place' : 'the client did not answer';
    this.#refuse('timed-out', `${why} within ${VISITOR_TIMEOUT_MS / 1000} s`);
  }

  #refuse(status: RequestStatus, advice: string): void {
    if (this.#fate !== 'waits') return;
    this.#fate = 'refused';
    this.#clearTimer();
    this.#leave?.();
    this.socket.on('error', () => {});
    resetSocket(this.socket);
    this.#shared.observer.onVisitorRefused(this.#listener, this.#stream?.id, this.#from, status, advice);
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) this.#shared.timers.clear(this.#timer);
    this.#timer = undefined;
  }
}

/** What the client's status means, for the relay's log. */
function adviceFor(status: RequestStatus): string {
  switch (status) {
    case 'connection-refused':
      return "nothing listens at the forward's target on the client's side";
    case 'timed-out':
      return "the forward's target did not answer the client";
    case 'name-not-found':
      return "the client cannot resolve the forward's target";
    case 'unreachable':
      return "the client has no route to the forward's target";
    case 'not-allowed':
      return 'the client has ended that forward';
    default:
      return `the client answered: ${status}`;
  }
}
