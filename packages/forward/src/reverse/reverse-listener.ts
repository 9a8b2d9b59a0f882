/** One listener of a relay, from the LISTEN request to its end (spec reverse 2, 5 to 8). */
import type { Socket } from 'node:net';
import { StreamErrorCode, TurnoverSet } from '@underpass/protocol';
import { UnderpassError } from '@underpass/runtime';
import type { ListenPlace } from '../forward-spec.js';
import { formatAddress, parseAddress } from '../host.js';
import type { IncomingRequest, RequestService } from '../incoming-request.js';
import type { Listener as PlaceListener } from '../listener.js';
import type { RequestStatus } from '../request.js';
import { resetSocket } from '../reset-socket.js';
import type { ListenAddress } from '../tcp-listener.js';
import { formatRelayPlace, isListenPermitted, judgeListen, type RelayPlace } from './listen-rules.js';
import type { Listener, SharedByListeners } from './listener-parts.js';
import { encodeListenAnswer, type ListenRequest, UNIX_SOURCE } from './reverse-requests.js';
import { Visitor } from './visitor.js';

/** The reason for the end of a listener whose stream was lost with its connection. */
export const CLIENT_GONE = 'its client is gone';

/** Listens on a port of the relay for one stream of a client.
 *
 *  `PeerListeners` creates it for a LISTEN request. It judges the request, binds, and answers with the port. From then
 *  on it accepts visitors and makes a `Visitor` of each. The listener lives until its stream ends, or until a rule is taken
 *  away. Visitors survive a listener that the client has ended, and are reset with one that lost its rule. */
export class ReverseListener implements RequestService, Listener {
  readonly #request: IncomingRequest;
  readonly #asked: RelayPlace;
  readonly #shared: SharedByListeners;
  readonly #visitors = new TurnoverSet<Socket>();
  #listener: PlaceListener | undefined;
  #place: RelayPlace | undefined;
  #isOver = false;

  constructor(request: IncomingRequest, { bind, port }: ListenRequest, shared: SharedByListeners) {
    this.#request = request;
    this.#asked = { bind, port };
    this.#shared = shared;
  }

  /** The id of its stream, which INCOMING names. */
  get id(): number {
    return this.#request.stream.id;
  }
  /** Where it listens, with the actual port; until it does, where it was asked to. */
  get place(): RelayPlace {
    return this.#place ?? this.#asked;
  }
  /** Empty until it listens. */
  get addresses(): readonly ListenAddress[] {
    return this.#listener?.addresses ?? [];
  }
  get isOpen(): boolean {
    return this.#listener !== undefined && !this.#isOver;
  }
  /** How many visitors are connected. */
  get visitors(): number {
    return this.#visitors.size;
  }

  // ---- from request to status -------------------------------------------------------------------------------

  start(): void {
    const refusal = this.#shared.enter(this);
    const verdict = judgeListen(this.#shared.rules(), this.#asked);
    if (refusal !== undefined) this.#request.refuse('too-many-streams', refusal);
    else if (!verdict.permitted) this.#request.refuse('not-allowed', verdict.advice);
    else this.#shared.inTurn(() => this.#bind(verdict.bind, verdict.ports));
  }

  cancel(): void {
    this.#isOver = true;
    this.#listener?.close();
    this.#shared.leave(this);
  }

  async #bind(bind: string, ports: readonly number[]): Promise<void> {
    for (const [index, port] of ports.entries()) {
      if (this.#isOver) return;
      try {
        const place = placeOf(bind, port);
        const listener = await this.#shared.listen(place, (socket) => this.#accept(socket));
        this.#open(listener, bind);
        return;
      } catch (error) {
        const failure = failureOf(error);
        const isTaken = failure.status === 'address-in-use';
        if (isTaken && index < ports.length - 1) continue;
        const holder = isTaken && port > 0 ? this.#shared.holderOf(port) : undefined;
        const held = `${formatRelayPlace(bind, port)} is in use by the peer ${holder}`;
        if (!this.#isOver) this.#request.refuse(failure.status, holder === undefined ? failure.advice : held);
        return;
      }
    }
  }

  #open(listener: PlaceListener, bind: string): void {
    this.#listener = listener;
    this.#place = { bind, port: listener.addresses[0]?.port ?? 0 };
    // The client gave up, or the rules changed, while the system opened the port.
    if (this.#isOver) listener.close();
    else if (!isListenPermitted(this.#shared.rules(), this.#place)) {
      this.#request.refuse('not-allowed', 'its listen rule was removed meanwhile');
      this.#resetVisitors();
    } else {
      this.#request.open();
      this.#request.stream.write(encodeListenAnswer(this.#place.port));
      this.#shared.observer.onListening(this);
      if (this.#request.isStopped) this.onStopped();
      else this.onReadable();
      this.#shared.tunnel.wake();
    }
  }

  // ---- the end ----------------------------------------------------------------------------------------------

  /** Discards what arrives: the client has nothing to say. */
  onReadable(): void {
    const { stream } = this.#request;
    while (stream.read() !== undefined);
    if (!stream.readFinished) return;
    if (!this.#isOver) stream.finish();
    this.#end('the client closed it');
  }
  onStopped(): void {
    this.#request.stream.reset(StreamErrorCode.cancelled);
    this.#end('the client closed it');
  }
  onReset(code: number): void {
    this.#request.stream.reset(StreamErrorCode.cancelled);
    const isLost = code === StreamErrorCode.connectionLost;
    this.#end(isLost ? CLIENT_GONE : 'the client closed it');
  }
  onClosed(): void {
    this.#end(CLIENT_GONE);
  }

  /** Closes it and resets its visitors, because it may not listen any more (spec reverse 8). */
  close(reason: string): void {
    const { stream } = this.#request;
    if (this.isOpen) {
      stream.reset(StreamErrorCode.refused);
      stream.stopSending(StreamErrorCode.refused);
    }
    this.#end(reason);
    this.#resetVisitors();
    this.#shared.tunnel.wake();
  }

  #end(reason: string): void {
    const wasOpen = this.isOpen;
    this.cancel();
    if (wasOpen) this.#shared.observer.onListenerEnd(this, reason);
    this.#shared.tunnel.wake();
  }

  #resetVisitors(): void {
    for (const socket of this.#visitors) resetSocket(socket);
  }

  // ---- visitors ---------------------------------------------------------------------------------------------

  #accept(socket: Socket): void {
    const { descriptors, sockets } = this.#shared;
    const from = this.place.bind.startsWith('/') ? UNIX_END : sourceOf(socket);
    if (this.#isOver || from === undefined || !descriptors.hasRoom()) {
      socket.on('error', () => {});
      resetSocket(socket);
      return;
    }
    for (const owner of [this.#visitors, sockets]) {
      owner.add(socket);
      socket.once('close', () => owner.delete(socket));
    }
    socket.once('close', () => descriptors.release());
    new Visitor(socket, from, this, this.#shared).start();
  }
}

function placeOf(bind: string, port: number): ListenPlace {
  if (bind.startsWith('/')) return { path: bind };
  if (bind === 'localhost') return { bind: { kind: 'loopback' }, port };
  return { bind: bind === '*' ? { kind: 'all' } : { kind: 'host', host: bind }, port };
}

/** A visitor of a unix socket has no address. */
const UNIX_END: ListenAddress = { address: UNIX_SOURCE, port: 0 };

/** Where a visitor comes from. Undefined when it is gone already. */
function sourceOf(socket: Socket): ListenAddress | undefined {
  const { remoteAddress, remotePort } = socket;
  const address = parseAddress(remoteAddress?.split('%', 1)[0] ?? '');
  if (address === undefined || remotePort === undefined) return undefined;
  return { address: formatAddress(address), port: remotePort };
}

function failureOf(error: unknown): { readonly status: RequestStatus; readonly advice: string } {
  if (!(error instanceof UnderpassError)) return { status: 'internal-error', advice: String(error) };
  switch (error.code) {
    case 'address-in-use':
      return { status: 'address-in-use', advice: error.message };
    case 'address-not-available':
      return { status: 'unreachable', advice: error.message };
    case 'permission-denied':
      return {
        status: 'not-allowed',
        advice: `${error.message}: give the relay CAP_NET_BIND_SERVICE, or choose a port above 1023`,
      };
    default:
      return { status: 'internal-error', advice: `${error.message}: ${error.hint}` };
  }
}
