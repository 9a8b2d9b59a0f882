/** What the listeners of one peer have in common. */
import type { Socket } from 'node:net';
import type { Stream, TurnoverSet } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import type { DescriptorGuard } from '../descriptor-guard.js';
import type { listenAt } from '../listener.js';
import type { PumpSummary } from '../pump.js';
import type { RateLimit } from '../rate-limit.js';
import type { RequestStatus } from '../request.js';
import type { SocketWatch } from '../socket-watch.js';
import type { ListenAddress } from '../tcp-listener.js';
import type { Tunnel } from '../tunnel.js';
import type { ListenRule, RelayPlace } from './listen-rules.js';
import type { VisitorQueue } from './visitor-queue.js';

/** What observers learn of a listener. */
export interface ListenerInfo {
  /** Where it listens, with the actual port. */
  readonly place: RelayPlace;
  readonly addresses: readonly ListenAddress[];
  readonly visitors: number;
}

/** One of a peer's listeners, for its visitors and for `PeerListeners`. */
export interface Listener extends ListenerInfo {
  /** The id of its stream, which INCOMING names. */
  readonly id: number;
  readonly isOpen: boolean;
  /** Closes it and resets its visitors, because it may not listen any more (spec reverse 8). */
  close(reason: string): void;
}

/** `id` is that of the stream between relay and client. */
export interface ListenersObserver {
  onListening(listener: ListenerInfo): void;
  /** Called for a listener that had listened. */
  onListenerEnd(listener: ListenerInfo, reason: string): void;
  /** The client has connected a visitor to the target. */
  onVisitor(listener: ListenerInfo, id: number, from: ListenAddress): void;
  /** @param id  undefined when there was no stream for it */
  onVisitorRefused(
    listener: ListenerInfo,
    id: number | undefined,
    from: ListenAddress,
    status: RequestStatus,
    advice: string,
  ): void;
  /** Called last, and only after `onVisitor`. */
  onVisitorEnd(listener: ListenerInfo, id: number, from: ListenAddress, summary: PumpSummary): void;
}

export interface PeerListenersOptions {
  readonly tunnel: Tunnel;
  /** Opens a stream to the client. Returns undefined while the client permits no more. */
  readonly openStream: () => Stream | undefined;
  /** The peer's listen rules. Called for each request, because they may have changed. */
  readonly rules: () => readonly ListenRule[];
  /** Whether an answer of the client has been due for so long that visitors are not let wait. */
  readonly isAway: () => boolean;
  /** The name of the peer that listens on a port, if it is one. */
  readonly holderOf: (port: number) => string | undefined;
  readonly watch: SocketWatch;
  readonly descriptors: DescriptorGuard;
  readonly timers: Timers;
  /** Limits what the visitors carry. */
  readonly limit?: RateLimit | undefined;
  readonly observer: ListenersObserver;
  readonly listen?: typeof listenAt;
}

/** What the listeners of one peer share. */
export interface SharedByListeners extends PeerListenersOptions {
  readonly listen: typeof listenAt;
  readonly queue: VisitorQueue;
  /** The sockets of all visitors. */
  readonly sockets: TurnoverSet<Socket>;
  /** Counts a listener. @returns why there can be no more, or undefined */
  enter(listener: Listener): string | undefined;
  leave(listener: Listener): void;
  /** Runs `bind` when all earlier ones are over, so that a listener that closes has left its port to the next. */
  inTurn(bind: () => Promise<void>): void;
}
