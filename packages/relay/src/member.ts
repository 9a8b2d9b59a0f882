/** One peer of a running relay: its streams, its listeners, and the events that report them. */
import {
  Acceptor,
  CLIENT_GONE,
  type DescriptorGuard,
  formatRelayPlace,
  formatTarget,
  type ListenerInfo,
  type ListenersObserver,
  type LookupQueue,
  type OwnAddresses,
  PeerListeners,
  RateLimit,
  type RequestStatus,
  type SocketWatch,
  type Target,
  type Tunnel,
  VISITOR_TIMEOUT_MS,
} from '@underpass/forward';
import { type Peer, type Stream, TurnoverMap } from '@underpass/protocol';
import { systemTimers } from '@underpass/runtime';
import { probeReport } from './probe-report.js';
import type { RelayEvent, RelayListener, RelayPeerOptions, RelayStream } from './relay-options.js';

/** What all members of a relay share. The limits of the queue, the watch and the guard keep one peer from exhausting
 *  what others need. */
export interface SharedByMembers {
  readonly tunnel: Tunnel;
  readonly lookups: LookupQueue;
  readonly watch: SocketWatch;
  readonly descriptors: DescriptorGuard;
  readonly ownAddresses: OwnAddresses;
  readonly ownSockets?: () => readonly string[];
  readonly now: () => number;
  readonly emit: (event: RelayEvent) => void;
  /** The name of the member for which the relay listens on that port, if it does. */
  readonly holderOf: (port: number) => string | undefined;
}

/** A peer of the config, with its endpoint state.
 *
 *  It owns the acceptor of the peer's streams and the peer's listeners, and turns what they observe into events under
 *  the peer's configured name. All of this is created when it is first needed, because most peers of a large config are
 *  idle. The relay passes it the peer's streams and its new options, and closes it when the peer has left the config. */
export class Member {
  readonly peer: Peer;
  /** Since when an answer of the peer has been due, once that was reported. */
  silentSince: number | undefined;
  /** Listeners that ended with the connection, until that is reported. */
  #lostListeners = 0;
  readonly #shared: SharedByMembers;
  #limit: RateLimit | undefined;
  #options: RelayPeerOptions;
  #acceptor: Acceptor | undefined;
  #listeners: PeerListeners | undefined;
  /** The connected targets, by stream id. The acceptor's limit bounds them. */
  #streams: TurnoverMap<number, RelayStream> | undefined;

  constructor(options: RelayPeerOptions, peer: Peer, shared: SharedByMembers) {
    this.#options = kept(options, peer);
    this.peer = peer;
    this.#shared = shared;
  }

  get options(): RelayPeerOptions {
    return this.#options;
  }
  get name(): string {
    return this.#options.name;
  }
  get streams(): readonly RelayStream[] {
    return [...(this.#streams?.values() ?? [])];
  }
  get listeners(): readonly RelayListener[] {
    return (this.#listeners?.open ?? []).map((listener) => ({
      listener: nameOf(listener),
      addresses: listener.addresses,
      visitors: listener.visitors,
    }));
  }

  /** @returns how many listeners have ended with a connection of the peer since the last call */
  takeLostListeners(): number {
    const lost = this.#lostListeners;
    this.#lostListeners = 0;
    return lost;
  }

  listensOn(port: number): boolean {
    return this.#listeners?.open.some(({ place }) => place.port === port) ?? false;
  }

  /** New rules apply at once: what they do not permit is closed. */
  setOptions(options: RelayPeerOptions): void {
    this.#options = kept(options, this.peer);
    this.#limit?.set(options.maxRate?.bytesPerSecond);
    this.#acceptor?.onRulesChanged();
    this.#listeners?.onRulesChanged();
  }

  /** Serves a stream that the peer opened. */
  accept(stream: Stream): void {
    this.#acceptor ??= this.#newAcceptor();
    this.#acceptor.accept(stream);
  }

  /** Call when the peer may permit more streams. */
  startWaiting(): void {
    this.#listeners?.startWaiting();
  }

  /** Resets what is still connected. Call it when the peer's streams are closed. */
  async close(reason: string): Promise<void> {
    await Promise.all([this.#acceptor?.close(), this.#listeners?.close(reason)]);
  }

  get #rateLimit(): RateLimit {
    if (this.#limit === undefined) {
      this.#limit = new RateLimit({ timers: systemTimers, now: this.#shared.now });
      this.#limit.set(this.#options.maxRate?.bytesPerSecond);
    }
    return this.#limit;
  }

  #newAcceptor(): Acceptor {
    const { emit, now, ...shared } = this.#shared;
    const streams = new TurnoverMap<number, RelayStream>();
    this.#streams = streams;
    return new Acceptor({
      ...shared,
      rules: () => this.#options.allow,
      limit: this.#rateLimit,
      probeReport: () => probeReport(this.name, this.peer),
      listen: (request, incoming) => {
        this.#listeners ??= this.#newListeners();
        return this.#listeners.serve(request, incoming);
      },
      observer: {
        onOpened: (id, target, address) => {
          streams.set(id, { id, target, address, openedAt: now() });
          emit({ type: 'stream-opened', peer: this.name, id, target, address });
        },
        onRefused: (id, target, status, reason) => this.#onRefused(id, target, status, reason),
        onForbidden: (id, target, reason) => {
          const advice = `${this.name} lost its connection to ${formatTarget(target)}: ${reason}`;
          emit({ type: 'stream-forbidden', peer: this.name, id, target, advice });
        },
        onTooLarge: (id, target, bytes, maxBytes) => {
          emit({ type: 'message-too-large', peer: this.name, id, target, bytes, maxBytes });
        },
        onListenRefused: (_id, { bind, port }, status, reason) => {
          const listener = formatRelayPlace(bind, port);
          const advice = `${this.name} asked to listen on ${listener}: ${reason}`;
          emit({ type: 'listen-refused', peer: this.name, listener, status, advice });
        },
        onEnd: (id, target, summary) => {
          streams.delete(id);
          emit({ type: 'stream-closed', peer: this.name, id, target, ...summary });
        },
      },
    });
  }

  #onRefused(id: number, target: Target | undefined, status: RequestStatus, reason: string): void {
    const requested = target === undefined ? 'a stream' : formatTarget(target);
    const advice = `${this.name} asked for ${requested}: ${reason}`;
    this.#shared.emit({ type: 'refused', peer: this.name, id, target, status, advice });
  }

  #newListeners(): PeerListeners {
    const { now } = this.#shared;
    return new PeerListeners({
      ...this.#shared,
      rules: () => this.#options.allowListen ?? [],
      limit: this.#rateLimit,
      openStream: () => this.peer.openStream(),
      // spec reverse 6
      isAway: () => this.silentSince !== undefined && now() - this.silentSince >= VISITOR_TIMEOUT_MS,
      timers: systemTimers,
      observer: this.#listenersObserver(),
    });
  }

  #listenersObserver(): ListenersObserver {
    const { emit } = this.#shared;
    const about = (listener: ListenerInfo) => ({ peer: this.name, listener: nameOf(listener) });
    return {
      onListening: (listener) => {
        emit({ type: 'listener-opened', ...about(listener), addresses: listener.addresses });
      },
      onListenerEnd: (listener, reason) => {
        if (reason === CLIENT_GONE) this.#lostListeners++;
        emit({ type: 'listener-closed', ...about(listener), reason });
      },
      onVisitor: (listener, id, from) => emit({ type: 'visitor-opened', ...about(listener), id, from }),
      onVisitorRefused: (listener, id, from, status, reason) => {
        const advice = `a visitor of ${nameOf(listener)} was reset: ${reason}`;
        emit({ type: 'visitor-refused', ...about(listener), id, from, status, advice });
      },
      onVisitorEnd: (listener, id, from, summary) => {
        emit({ type: 'visitor-closed', ...about(listener), id, from, ...summary });
      },
    };
  }
}

function nameOf({ place }: ListenerInfo): string {
  return formatRelayPlace(place.bind, place.port);
}

/** What a member keeps of its options: no preshared key, because the endpoint has its own copy and the caller wipes this
 *  one, and the endpoint's copy of the public key, so that there is only one. */
function kept(options: RelayPeerOptions, { publicKey }: Peer): RelayPeerOptions {
  const { presharedKey: _secret, ...others } = options;
  return { ...others, publicKey };
}
