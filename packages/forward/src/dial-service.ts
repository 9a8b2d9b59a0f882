/** Serves a request for a target: judges it, dials it and carries its bytes (spec forwarding 2.4 to 2.6). */
import type { Socket } from 'node:net';
import { systemCode, type Timers } from '@underpass/runtime';
import type { AllowRule } from './allow-rules.js';
import { judgeAddresses, judgeTarget, type OwnAddresses } from './authorize.js';
import { type DescriptorGuard, OUT_OF_DESCRIPTORS } from './descriptor-guard.js';
import { type FamilyMemory, inDialOrder } from './dial-order.js';
import type { DialQueue } from './dial-queue.js';
import { type ConnectTcp, dial } from './dialer.js';
import { DIAL_TIMEOUT_MS, MAX_DIAL_ADDRESSES, MAX_WAITING_DIALS } from './forward-constants.js';
import { formatTarget, type Target } from './forward-spec.js';
import type { IncomingRequest, RequestService } from './incoming-request.js';
import type { LookupOutcome, LookupQueue } from './lookup-queue.js';
import { Pump, type PumpSummary } from './pump.js';
import type { RequestStatus } from './request.js';
import type { SocketWatch } from './socket-watch.js';
import type { Tunnel } from './tunnel.js';

export interface DialServiceOptions {
  readonly tunnel: Tunnel;
  readonly lookups: LookupQueue;
  /** The peer's rules. Called for each request, because they may have changed. */
  readonly rules: () => readonly AllowRule[];
  /** Returns the addresses of this machine (docs/adr/0004-allow-rules.md). */
  readonly ownAddresses?: OwnAddresses;
  readonly connectTcp?: ConnectTcp;
  /** Shared by all peers, like `descriptors`. */
  readonly watch: SocketWatch;
  readonly descriptors: DescriptorGuard;
}

/** What the requests of one peer share. */
export interface SharedByDials {
  readonly families: FamilyMemory;
  readonly queue: DialQueue;
  readonly timers: Timers;
  readonly now: () => number;
  /** @param address  the address that the relay connected to */
  onOpened(id: number, target: Target, address: string): void;
  onConnected(socket: Socket): void;
  onDisconnected(socket: Socket): void;
  /** Called last, and only for a request that was opened. */
  onEnd(id: number, target: Target, summary: PumpSummary): void;
}

/** Turns a request into a connection to its target, or into a refusal.
 *
 *  It checks the target against the peer's rules, waits for a place in the dial queue, resolves the name, checks each
 *  address and dials. From then on a `Pump` carries the bytes and gets all events of the stream. At any moment the
 *  service waits for at most one thing, and `cancel` stops that wait. It never connects to an address that was not
 *  checked. */
export class DialService implements RequestService {
  readonly #request: IncomingRequest;
  readonly #target: Target;
  readonly #options: DialServiceOptions;
  readonly #shared: SharedByDials;
  /** Stops what the service is waiting for. */
  #cancel: (() => void) | undefined;
  #leaveQueue: (() => void) | undefined;
  #pump: Pump | undefined;

  constructor(request: IncomingRequest, target: Target, options: DialServiceOptions, shared: SharedByDials) {
    this.#request = request;
    this.#target = target;
    this.#options = options;
    this.#shared = shared;
  }

  onReadable(): void {
    this.#pump?.onReadable();
  }
  onWritable(): void {
    this.#pump?.onWritable();
  }
  onStopped(): void {
    this.#pump?.onStopped();
  }
  onReset(): void {
    this.#pump?.onReset();
  }

  start(): void {
    const target = this.#target;
    const { timers, now, queue } = this.#shared;
    const verdict = judgeTarget(this.#options.rules(), target);
    if (verdict.kind === 'refused') {
      this.#request.refuse('not-allowed', verdict.advice);
      return;
    }
    const end = now() + DIAL_TIMEOUT_MS;
    const where = formatTarget(target);
    const giveUp = (): void => {
      const seconds = DIAL_TIMEOUT_MS / 1000;
      const why = `${where} was not dialled within ${seconds} s: too many connections are waiting`;
      this.#request.refuse('timed-out', why);
    };
    const timer = timers.set(giveUp, DIAL_TIMEOUT_MS);
    this.#cancel = () => timers.clear(timer);
    this.#leaveQueue = queue.enter(where, () => {
      this.#stopWaiting();
      if (now() >= end) giveUp();
      else if (!this.#options.descriptors.hasRoom()) this.#refuseForDescriptors();
      else if (verdict.kind === 'addresses') this.#connect(target, verdict.addresses, end);
      else this.#lookUp(target, verdict.name, end);
    });
    // The queue may have called, and the request may be decided, before `enter` returned.
    if (this.#request.isDecided) this.#leave();
    else if (this.#leaveQueue === undefined) {
      this.#request.refuse(
        'too-many-streams',
        `more than ${MAX_WAITING_DIALS} connections are waiting to be dialled`,
      );
    }
  }

  cancel(): void {
    this.#stopWaiting();
    this.#leave();
  }

  #lookUp(target: Target, name: string, end: number): void {
    const { lookups } = this.#options;
    const { timers, now } = this.#shared;
    const timer = timers.set(() => {
      this.#request.refuse(
        'timed-out',
        `${name} did not resolve within ${DIAL_TIMEOUT_MS / 1000} s: check this machine's DNS`,
      );
    }, end - now());
    const callOff = lookups.lookup(this.#options, name, (outcome: LookupOutcome) => {
      timers.clear(timer);
      this.#cancel = undefined;
      if (!outcome.ok && this.#isShortage(outcome.error)) this.#refuseForDescriptors();
      else if (!outcome.ok || outcome.addresses.length === 0) {
        this.#request.refuse(
          'name-not-found',
          `${name} does not resolve here: check the name and this machine's DNS`,
        );
      } else this.#connect(target, outcome.addresses, end);
    });
    this.#cancel = () => {
      timers.clear(timer);
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
    this.#request.refuse('internal-error', OUT_OF_DESCRIPTORS);
  }

  /** spec forwarding 3.4: judges each address by itself and connects only to those that were permitted */
  #connect(target: Target, candidates: readonly string[], end: number): void {
    const { rules, ownAddresses = () => [] } = this.#options;
    const { families, timers, now } = this.#shared;
    const { permitted, advice } = judgeAddresses(
      rules(),
      target,
      inDialOrder(candidates, families.get(target.host)),
      MAX_DIAL_ADDRESSES,
      ownAddresses,
    );
    if (permitted.length === 0) {
      this.#request.refuse('not-allowed', advice);
      return;
    }
    this.#cancel = dial(
      {
        addresses: permitted,
        port: target.port,
        timeoutMs: Math.max(end - now(), 0),
        timers,
        ...(this.#options.connectTcp && { connectTcp: this.#options.connectTcp }),
      },
      (outcome) => {
        this.#cancel = undefined;
        if (outcome.ok) {
          families.remember(target.host, candidates, outcome.address);
          this.#open(target, outcome.socket, outcome.address);
        } else if (outcome.status === 'internal-error' && !this.#options.descriptors.hasRoom()) {
          this.#refuseForDescriptors();
        } else this.#request.refuse(outcome.status, adviceFor(outcome.status, target));
      },
    );
  }

  #open(target: Target, socket: Socket, address: string): void {
    const { tunnel, watch } = this.#options;
    const { stream, firstBytes, isStopped } = this.#request;
    // Count the socket before giving the place back, because a waiting request may take that place at once.
    this.#shared.onConnected(socket);
    this.#request.open();
    this.#leave();
    const { id } = stream;
    this.#pump = new Pump({
      socket,
      stream,
      watch,
      wake: () => tunnel.wake(),
      onEnd: (summary) => {
        this.#shared.onDisconnected(socket);
        this.#shared.onEnd(id, target, summary);
      },
    });
    this.#shared.onOpened(id, target, address);
    this.#pump.start(firstBytes);
    if (isStopped) this.#pump.onStopped();
    tunnel.wake();
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
