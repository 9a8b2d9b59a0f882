/** Carries the client's local connections, whatever kind of forward they come from. */
import type { Socket } from 'node:net';
import {
  DescriptorGuard,
  type FlowObserver,
  type LocalEnd,
  MAX_CONNECTIONS,
  OUT_OF_DESCRIPTORS,
  OutgoingFlow,
  type PumpSummary,
  type ResettableSocket,
  resetSocket,
  resetSockets,
  SocketWatch,
  type Target,
  type Tunnel,
  type TunnelFailure,
  type UdpRequest,
  type UdpSocketRequest,
  type UdpTarget,
} from '@underpass/forward';
import { type Stream, TurnoverMap, TurnoverSet } from '@underpass/protocol';
import type { Log, Timers } from '@underpass/runtime';
import { adviceFor, forbiddenAdvice } from './advice.js';
import type { ClientEvent, StreamStatus } from './client-options.js';
import { ContactLimit } from './contact-limit.js';
import { PlaceQueue } from './place-queue.js';

export interface CarrierOptions {
  readonly tunnel: Tunnel;
  /** Returns undefined while the relay permits no more streams, and when the client is closed. */
  readonly openStream: () => Stream | undefined;
  /** Whether the relay was reached. */
  readonly hasContact: () => boolean;
  /** Whether the relay was reached and still answers. */
  readonly isReachable: () => boolean;
  /** Looks for the relay, because a connection needs it now. */
  readonly seek: () => void;
  readonly emit: (event: ClientEvent) => void;
  /** How long a connection waits for first contact; 0 for ever. */
  readonly contactLimitMs: number;
  readonly log: Log;
  readonly now: () => number;
  readonly timers: Timers;
}

/** A flow that a forward opens. */
export interface FlowOptions {
  readonly target: UdpTarget;
  readonly request: UdpRequest | UdpSocketRequest;
  /** Where it comes from, for display. */
  readonly from: string;
  /** Receives what arrives. */
  readonly onMessage: (message: Uint8Array) => void;
  readonly onOpened?: () => void;
  /** The flow was refused, or the relay was not reached in time. Without it, the flow waits for the relay for ever. */
  readonly onFailed?: (failure: TunnelFailure) => void;
  /** The flow has ended. Called last. */
  readonly onEnded?: () => void;
}

interface Carried {
  readonly target: Target;
  /** Where it comes from, for display. To find that out takes a system call, and usually nobody asks. */
  readonly nameOf: () => string;
  readonly openedAt: number;
  /** Undefined while it waits for one. */
  stream?: Stream;
}

/** The part of the client that forwards use.
 *
 *  It owns every local socket until that is closed. A forward first lets the carrier `admit` a socket that it accepted,
 *  which needs a descriptor. When the target is known it lets the carrier `carry` the connection: the carrier gives it a
 *  place and a stream (`PlaceQueue`), ends a hopeless wait for the relay (`ContactLimit`), and emits the events of the
 *  connection. It never touches the bytes of a stream: the connection's `LocalEnd` does. */
export class Carrier {
  readonly #options: CarrierOptions;
  readonly #watch: SocketWatch;
  readonly #places: PlaceQueue;
  readonly #limit: ContactLimit;
  readonly #descriptors: DescriptorGuard;
  readonly #sockets = new TurnoverSet<ResettableSocket>();
  /** By the id that the events use. */
  readonly #carried = new TurnoverMap<number, Carried>();
  #lastId = 0;

  constructor(options: CarrierOptions) {
    const { log, now, timers } = options;
    this.#options = options;
    this.#watch = new SocketWatch(timers);
    this.#limit = new ContactLimit(options.contactLimitMs, timers);
    this.#places = new PlaceQueue({
      maxConnections: MAX_CONNECTIONS,
      openStream: options.openStream,
      isReachable: options.isReachable,
      watch: this.#watch,
      timers,
    });
    this.#descriptors = new DescriptorGuard({
      onShortage: (refused) => {
        log.warn(
          { event: 'out-of-descriptors', refused },
          `${OUT_OF_DESCRIPTORS}; local connections are reset`,
        );
      },
      now,
    });
  }

  /** What visitors' connections share with local ones. */
  get shared(): { readonly watch: SocketWatch; readonly descriptors: DescriptorGuard } {
    return { watch: this.#watch, descriptors: this.#descriptors };
  }

  /** Draws the id of a connection, for events. */
  newId(): number {
    return ++this.#lastId;
  }

  /** How many local connections exist. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Those for which a target was asked. */
  streams(): StreamStatus[] {
    return Array.from(this.#carried, ([id, { stream, nameOf, ...carried }]) => ({
      id,
      ...carried,
      from: nameOf(),
      streamId: stream?.id,
    }));
  }

  /** Takes over a socket that was just accepted.
   *  @returns false when it was reset for lack of descriptors (spec forwarding 2.7) */
  admit(socket: Socket): boolean {
    if (this.#descriptors.hasRoom()) {
      this.#own(socket);
      socket.once('close', () => this.#descriptors.release());
      return true;
    }
    socket.on('error', () => {});
    resetSocket(socket);
    return false;
  }

  /** Carries a connection to `target`, as soon as that is possible.
   *  @param nameOf  says where it comes from, for display, while its socket is open */
  carry(end: LocalEnd, target: Target, nameOf: () => string): void {
    const id = this.newId();
    const { emit, hasContact, seek } = this.#options;
    this.#own(end.socket);
    this.#carried.set(id, { target, nameOf, openedAt: this.#options.now() });
    emit(new StreamOpened(id, target, nameOf));
    if (!hasContact()) {
      seek();
      this.#limit.wait(id, (waitedMs) => {
        emit({ type: 'given-up', id, target, waitedMs });
        end.giveUp();
      });
    }
    this.#places.enter({
      socket: end.socket,
      onPlace: (stream) => this.#open(stream, id, target, end),
      onRefused: () => this.#open(undefined, id, target, end),
      onLeft: () => this.#onEnd(id, target, { bytesSent: 0, bytesReceived: 0, clean: false }),
    });
  }

  /** Opens a flow of messages. It does not wait for a place, because its messages would not be worth sending later.
   *  @returns undefined when the relay permits no more streams */
  openFlow(options: FlowOptions): OutgoingFlow | undefined {
    const { target, request, from, onMessage, onOpened, onFailed, onEnded } = options;
    const id = this.newId();
    const { emit, hasContact, seek, tunnel, now } = this.#options;
    const carried: Carried = { target, nameOf: () => from, openedAt: now() };
    this.#carried.set(id, carried);
    emit({ type: 'stream-opened', id, target, from });
    const observer: FlowObserver = {
      ...(onOpened && { onOpened }),
      onRefused: (status) => {
        emit({ type: 'refused', id, target, status, advice: adviceFor(target, status) });
        onFailed?.(status === 'opened' ? 'internal-error' : status);
      },
      onTooLarge: (bytes, maxBytes) => emit({ type: 'message-too-large', id, target, bytes, maxBytes }),
      onEnd: (summary) => {
        this.#onEnd(id, target, summary);
        onEnded?.();
      },
    };
    const stream = this.#options.openStream();
    if (stream === undefined) {
      observer.onRefused('too-many-streams');
      observer.onEnd({ bytesSent: 0, bytesReceived: 0, clean: false });
      return undefined;
    }
    carried.stream = stream;
    const flow = new OutgoingFlow(stream, { tunnel, request, now, onMessage, observer });
    if (!hasContact()) {
      seek();
      if (onFailed !== undefined) {
        this.#limit.wait(id, (waitedMs) => {
          emit({ type: 'given-up', id, target, waitedMs });
          onFailed('relay-not-reached');
          flow.end(); // which calls `onEnded`
        });
      }
    }
    return flow;
  }

  /** Call on contact with the relay. */
  onContact(): void {
    this.#limit.end();
    this.#places.startWaiting();
  }

  /** Call when the relay may permit more streams. */
  startWaiting(): void {
    this.#places.startWaiting();
  }

  /** Call first when the client closes. */
  stopWaiting(): void {
    this.#limit.end();
  }

  /** Resets the local connections that are still open. Call it when all streams are closed: a program that reads its
   *  last bytes slowly outlives its stream. */
  close(): Promise<void> {
    return resetSockets(this.#sockets);
  }

  #own(socket: ResettableSocket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /** @param stream  undefined to refuse the local connection */
  #open(stream: Stream | undefined, id: number, target: Target, end: LocalEnd): void {
    const carried = this.#carried.get(id);
    if (carried !== undefined && stream !== undefined) carried.stream = stream;
    end.open(stream, {
      tunnel: this.#options.tunnel,
      watch: this.#watch,
      observer: {
        onRefused: (status) => {
          const advice = adviceFor(target, status);
          this.#options.emit({ type: 'refused', id, target, status, advice });
        },
        onForbidden: () => {
          const advice = forbiddenAdvice(target);
          this.#options.emit({ type: 'refused', id, target, status: 'not-allowed', advice });
        },
        onEnd: (summary) => {
          this.#onEnd(id, target, summary);
          if (stream !== undefined) this.#places.release();
        },
      },
    });
  }

  #onEnd(id: number, target: Target, summary: PumpSummary): void {
    this.#carried.delete(id);
    this.#limit.leave(id);
    this.#options.emit({ type: 'stream-closed', id, target, ...summary });
  }
}

/** The event of a connection. Most of them go unread, so the name is asked for only when it is read. A literal with a
 *  getter would do, but V8 keeps what its getter refers to until the next full garbage collection. */
class StreamOpened {
  readonly type = 'stream-opened';
  readonly id: number;
  readonly target: Target;
  readonly #nameOf: () => string;

  constructor(id: number, target: Target, nameOf: () => string) {
    this.id = id;
    this.target = target;
    this.#nameOf = nameOf;
  }

  get from(): string {
    return this.#nameOf();
  }
}
