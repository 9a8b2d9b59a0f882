/** One stream that the peer opened, from its request to its status (spec forwarding 2.3 to 2.6). */

import type { Socket } from 'node:net';
import { type Stream, StreamErrorCode } from '@underpass/protocol';
import { type StreamHandler, systemCode, type Timers } from '@underpass/runtime';
import type { AllowRule } from './allow-rules.js';
import { judgeAddresses, judgeTarget, type OwnAddresses } from './authorize.js';
import { type DescriptorGuard, OUT_OF_DESCRIPTORS } from './descriptor-guard.js';
import { type FamilyMemory, inDialOrder } from './dial-order.js';
import type { DialQueue } from './dial-queue.js';
import { type ConnectTcp, dial } from './dialer.js';
import {
  DIAL_TIMEOUT_MS,
  MAX_DIAL_ADDRESSES,
  MAX_WAITING_DIALS,
  REQUEST_TIMEOUT_MS,
} from './forward-constants.js';
import { formatTarget, type Target } from './forward-spec.js';
import type { LookupOutcome, LookupQueue } from './lookup-queue.js';
import { Pump, type PumpSummary } from './pump.js';
import { decodeRequest, encodeStatus, MAX_REQUEST_BYTES, type RequestStatus } from './request.js';
import type { SocketWatch } from './socket-watch.js';
import type { Tunnel } from './tunnel.js';

export interface AcceptorObserver {
  /** @param address  the address that the relay connected to */
  onOpened(id: number, target: Target, address: string): void;
  /** @param target  undefined when the request could not be read
   *  @param advice  what happened, and what would change it */
  onRefused(id: number, target: Target | undefined, status: RequestStatus, advice: string): void;
  /** Called last, and only for a stream that was opened. */
  onEnd(id: number, target: Target, summary: PumpSummary): void;
}

export interface AcceptorOptions {
  readonly tunnel: Tunnel;
  readonly lookups: LookupQueue;
  /** The peer's rules. Called for each request, because they may have changed. */
  readonly rules: () => readonly AllowRule[];
  readonly observer: AcceptorObserver;
  /** Returns the addresses of this machine (docs/adr/0004-allow-rules.md). */
  readonly ownAddresses?: OwnAddresses;
  readonly connectTcp?: ConnectTcp;
  /** Shared by all peers, like `descriptors`. */
  readonly watch: SocketWatch;
  readonly descriptors: DescriptorGuard;
  readonly timers?: Timers;
  readonly now?: () => number;
}

/** What the requests of one peer share, and how they report to their acceptor. */
export interface SharedByRequests {
  readonly families: FamilyMemory;
  readonly queue: DialQueue;
  onDecided(): void;
  onConnected(socket: Socket): void;
  onDisconnected(socket: Socket): void;
}

/** Turns one stream of a peer into a connection to its target, or into a refusal.
 *
 *  It reads the request, checks the target against the peer's rules, waits for a place in the dial queue, resolves the
 *  name, checks each address, dials and writes the status. From then on a `Pump` carries the bytes and gets all events
 *  of the stream. At any moment the request waits for at most one thing, and `#cancel` stops that wait: the peer may
 *  give up at any time. The acceptor creates it, and counts it until it is decided. It never connects to an address
 *  that was not checked. */
export class IncomingRequest implements StreamHandler {
  readonly #stream: Stream;
  readonly #options: AcceptorOptions;
  readonly #timers: Timers;
  readonly #now: () => number;
  readonly #shared: SharedByRequests;
  #received: Uint8Array = new Uint8Array(0);
  #target: Target | undefined;
  #isDecided = false;
  /** The peer does not read our direction of the stream. */
  #isStopped = false;
  /** Stops what the request is waiting for. */
  #cancel: (() => void) | undefined;
  #leaveQueue: (() => void) | undefined;
  #pump: Pump | undefined;

  constructor(
    stream: Stream,
    options: AcceptorOptions,
    timers: Timers,
    now: () => number,
    shared: SharedByRequests,
  ) {
    this.#stream = stream;
    this.#options = options;
    this.#timers = timers;
    this.#now = now;
    this.#shared = shared;
  }

  start(): void {
    const timer = this.#timers.set(() => {
      this.refuse('malformed-request', `the request was not complete within ${REQUEST_TIMEOUT_MS / 1000} s`);
    }, REQUEST_TIMEOUT_MS);
    this.#cancel = () => this.#timers.clear(timer);
    this.#readRequest();
  }

  // ---- the stream's events ----------------------------------------------------------------------------------

  onReadable(): void {
    if (this.#pump !== undefined) this.#pump.onReadable();
    else if (!this.#isDecided && this.#target === undefined) this.#readRequest();
  }
  onWritable(): void {
    this.#pump?.onWritable();
  }
  onStopped(): void {
    this.#isStopped = true;
    this.#pump?.onStopped();
  }
  onReset(): void {
    if (this.#pump !== undefined) this.#pump.onReset();
    else this.#abandon();
  }
  onClosed(): void {
    if (this.#pump === undefined) this.#abandon();
  }

  // ---- from request to status -------------------------------------------------------------------------------

  #readRequest(): void {
    for (;;) {
      const chunk = this.#stream.read();
      if (chunk === undefined) {
        if (this.#stream.readFinished) {
          this.refuse('malformed-request', 'the stream ended before the request was complete');
        }
        return;
      }
      this.#received = concatenated(this.#received, chunk);
      const decoded = decodeRequest(this.#received);
      if (decoded.ok) {
        const { host, port } = decoded.value;
        this.#received = this.#received.subarray(decoded.bytesRead);
        this.#stopWaiting();
        this.#judge({ host, port });
        return;
      }
      if (decoded.reason === 'malformed' || this.#received.length >= MAX_REQUEST_BYTES) {
        this.refuse('malformed-request', 'the request could not be read');
        return;
      }
    }
  }

  #judge(target: Target): void {
    this.#target = target;
    const verdict = judgeTarget(this.#options.rules(), target);
    if (verdict.kind === 'refused') {
      this.refuse('not-allowed', verdict.advice);
      return;
    }
    const end = this.#now() + DIAL_TIMEOUT_MS;
    const where = formatTarget(target);
    const giveUp = (): void => {
      const seconds = DIAL_TIMEOUT_MS / 1000;
      const why = `${where} was not dialled within ${seconds} s: too many connections are waiting`;
      this.refuse('timed-out', why);
    };
    const timer = this.#timers.set(giveUp, DIAL_TIMEOUT_MS);
    this.#cancel = () => this.#timers.clear(timer);
    this.#leaveQueue = this.#shared.queue.enter(where, () => {
      this.#stopWaiting();
      if (this.#now() >= end) giveUp();
      else if (!this.#options.descriptors.hasRoom()) this.#refuseForDescriptors();
      else if (verdict.kind === 'addresses') this.#connect(target, verdict.addresses, end);
      else this.#lookUp(target, verdict.name, end);
    });
    // `start` may have run, and decided, within the call above.
    if (this.#isDecided) this.#leave();
    else if (this.#leaveQueue === undefined) {
      this.refuse('too-many-streams', `more than ${MAX_WAITING_DIALS} connections are waiting to be dialled`);
    }
  }

  #lookUp(target: Target, name: string, end: number): void {
    const { lookups } = this.#options;
    const timer = this.#timers.set(() => {
      this.refuse(
        'timed-out',
        `${name} did not resolve within ${DIAL_TIMEOUT_MS / 1000} s: check this machine's DNS`,
      );
    }, end - this.#now());
    const callOff = lookups.lookup(this.#options, name, (outcome: LookupOutcome) => {
      this.#timers.clear(timer);
      this.#cancel = undefined;
      if (!outcome.ok && this.#isShortage(outcome.error)) this.#refuseForDescriptors();
      else if (!outcome.ok || outcome.addresses.length === 0) {
        this.refuse('name-not-found', `${name} does not resolve here: check the name and this machine's DNS`);
      } else this.#connect(target, outcome.addresses, end);
    });
    this.#cancel = () => {
      this.#timers.clear(timer);
      callOff();
    };
  }

  /** Resolvers report a lack of descriptors in several ways, some of them as a name that does not exist (spec
   *  forwarding 2.7). */
  #isShortage(error: unknown): boolean {
    const code = systemCode(error);
    return code === 'EMFILE' || code === 'ENFILE' || !this.#options.descriptors.hasRoom();
  }

  #refuseForDescriptors(): void {
    this.refuse('internal-error', OUT_OF_DESCRIPTORS);
  }

  /** spec forwarding 3.4: judges each address by itself and connects only to those that were permitted */
  #connect(target: Target, candidates: readonly string[], end: number): void {
    const { rules, ownAddresses = () => [] } = this.#options;
    const { families } = this.#shared;
    const { permitted, advice } = judgeAddresses(
      rules(),
      target,
      inDialOrder(candidates, families.get(target.host)),
      MAX_DIAL_ADDRESSES,
      ownAddresses,
    );
    if (permitted.length === 0) {
      this.refuse('not-allowed', advice);
      return;
    }
    this.#cancel = dial(
      {
        addresses: permitted,
        port: target.port,
        timeoutMs: Math.max(end - this.#now(), 0),
        timers: this.#timers,
        ...(this.#options.connectTcp && { connectTcp: this.#options.connectTcp }),
      },
      (outcome) => {
        this.#cancel = undefined;
        if (outcome.ok) {
          families.remember(target.host, candidates, outcome.address);
          this.#open(target, outcome.socket, outcome.address);
        } else if (outcome.status === 'internal-error' && !this.#options.descriptors.hasRoom()) {
          this.#refuseForDescriptors();
        } else this.refuse(outcome.status, adviceFor(outcome.status, target));
      },
    );
  }

  #open(target: Target, socket: Socket, address: string): void {
    const { tunnel, observer } = this.#options;
    const { id } = this.#stream;
    // Count the socket before giving the place back, because a waiting request may take that place at once.
    this.#shared.onConnected(socket);
    this.#decide();
    this.#stream.write(encodeStatus('opened'));
    this.#pump = new Pump({
      socket,
      stream: this.#stream,
      watch: this.#options.watch,
      wake: () => tunnel.wake(),
      onEnd: (summary) => {
        this.#shared.onDisconnected(socket);
        observer.onEnd(id, target, summary);
      },
    });
    observer.onOpened(id, target, address);
    this.#pump.start(this.#received);
    if (this.#isStopped) this.#pump.onStopped();
    tunnel.wake();
  }

  /** spec forwarding 2.6 */
  refuse(status: RequestStatus, advice: string): void {
    this.#stopWaiting();
    this.#decide();
    this.#stream.write(encodeStatus(status));
    this.#stream.finish();
    this.#stream.stopSending(StreamErrorCode.refused);
    this.#options.observer.onRefused(this.#stream.id, this.#target, status, advice);
    this.#options.tunnel.wake();
  }

  /** Ends a request whose peer gave up first or is gone. */
  #abandon(): void {
    if (this.#isDecided) return;
    this.#stopWaiting();
    this.#decide();
    this.#stream.reset(StreamErrorCode.cancelled);
    this.#options.tunnel.wake();
  }

  #stopWaiting(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Gives back the place in the dial queue. */
  #leave(): void {
    const leave = this.#leaveQueue;
    this.#leaveQueue = undefined;
    leave?.();
  }

  #decide(): void {
    if (this.#isDecided) return;
    this.#isDecided = true;
    this.#shared.onDecided();
    this.#leave();
  }
}

function adviceFor(status: RequestStatus, target: Target): string {
  const where = formatTarget(target);
  switch (status) {
    case 'connection-refused':
      return `${where} refused the connection: nothing listens there`;
    case 'timed-out':
      return `${where} did not answer within ${DIAL_TIMEOUT_MS / 1000} s: check that it runs and that no firewall blocks it`;
    case 'unreachable':
      return `${where} cannot be reached from this machine: there is no route to it`;
    default:
      return `${where} could not be dialled: this machine is out of sockets or memory`;
  }
}

function concatenated(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
