/** A relay and its clients in virtual time, each client connected to the relay by a simulated network of its own. */
import { type Address, type EndpointEvent, sameAddress } from '@underpass/protocol';
import type { CarriageWatcher } from './carried.js';
import { Digest } from './digest.js';
import {
  type DrivenEndpoint,
  EndpointDriver,
  PROMPT,
  type Turn,
  type TurnTiming,
} from './endpoint-driver.js';
import { EventQueue } from './event-queue.js';
import { type NetworkConditions, type Side, STRANGER_ADDRESS } from './network-conditions.js';
import type { SeededRandom } from './seeded-random.js';
import { type Links, SimulatedNetwork } from './simulated-network.js';

/** A process: the relay, or one of the clients. */
export type NodeName = 'relay' | 'client' | `client-${number}`;

/** The first is `client`, the others are `client-2` and so on. */
export function clientName(index: number): NodeName {
  return index === 0 ? 'client' : `client-${index + 1}`;
}

export function sideOf(node: NodeName): Side {
  return node === 'relay' ? 'relay' : 'client';
}

/** Observes everything that happens, without any effect on it. */
export interface Watcher {
  /** @param towards  the node that has, or had, that address */
  onSent?(node: NodeName, to: Address, datagram: Uint8Array, towards: NodeName | undefined): void;
  onArrival?(node: NodeName, datagram: Uint8Array, from: Address): void;
  /** `datagram` is as the endpoint left it: decrypted in place if it opened. */
  onHandled?(node: NodeName, datagram: Uint8Array, from: Address): void;
  onTurn?(node: NodeName, turn: Turn): void;
}

export interface WorldOptions {
  /** One network for each client. */
  readonly networks: readonly NetworkConditions[];
  readonly random: SeededRandom;
  readonly timing?: TurnTiming;
  /** A clock that is shared with others, and links that all networks share. By default the world has a clock, and each
   *  network has links, of its own. */
  readonly shared?: { readonly queue: EventQueue; readonly links?: Links };
  readonly onEvent: (node: NodeName, event: EndpointEvent) => void;
  /** The endpoint broke a promise. */
  readonly onViolation: (violation: string) => void;
  /** Whether the system of that process refuses a datagram because of its size, of which the process is told. */
  readonly refuses?: (node: NodeName, bytes: number) => boolean;
  readonly onTooLarge?: (node: NodeName, to: Address, bytes: number) => void;
  /** Receives one line for each thing that happens. */
  readonly trace?: (line: string) => void;
  readonly watcher?: Watcher;
  /** Observes the network of the client with that index. */
  readonly watchNetwork?: (index: number) => CarriageWatcher;
}

/** How many bytes at each end of a datagram go into the digest. */
const DIGESTED_BYTES = 16;

/** Runs the processes of a simulation and carries their datagrams.
 *
 *  It owns the clock, the networks and one `EndpointDriver` for each running process. Tests set endpoints, give them
 *  commands, call `wake` and let time pass with `run`. It reports violations that need no knowledge of the protocol's
 *  state: a process that throws, sends something that is not a message, or answers a forgery. Everything else it passes
 *  to the watcher. The digest covers every datagram and event, so two runs with the same digest did the same. */
export class World {
  readonly queue: EventQueue;
  readonly networks: readonly SimulatedNetwork[];
  readonly digest = new Digest();
  datagramsSent = 0;
  readonly #options: WorldOptions;
  readonly #random: SeededRandom;
  readonly #drivers = new Map<NodeName, EndpointDriver>();
  readonly #isTraced: boolean;
  #isBroken = false;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#isTraced = options.trace !== undefined;
    this.queue = options.shared?.queue ?? new EventQueue();
    this.#random = options.random.derive('turns');
    this.networks = options.networks.map((conditions, i) => {
      const random = options.random.derive(i === 0 ? 'network' : `network ${i + 1}`);
      const deliver = (to: Side, datagram: Uint8Array, from: Address) =>
        this.receive(to === 'relay' ? 'relay' : clientName(i), datagram, from);
      const watcher = options.watchNetwork?.(i);
      return new SimulatedNetwork(conditions, random, this.queue, deliver, options.shared?.links, watcher);
    });
  }

  get now(): number {
    return this.queue.now;
  }

  /** Starts a process with this endpoint, or ends the running one. Datagrams to a process that has ended are lost. */
  setEndpoint(node: NodeName, endpoint: DrivenEndpoint | undefined): void {
    this.#drivers.get(node)?.stop();
    this.#drivers.delete(node);
    this.#trace(`${node} ${endpoint === undefined ? 'ends' : 'starts'}`);
    if (endpoint === undefined) return;
    const { watcher } = this.#options;
    const driver: EndpointDriver = new EndpointDriver({
      queue: this.queue,
      timing: this.#options.timing ?? PROMPT,
      random: this.#random,
      endpoint,
      onEvent: (event) => {
        this.#note(node, event);
        this.#options.onEvent(node, event);
      },
      onSend: (to, datagram, mayFragment) => this.#send(node, to, datagram, mayFragment),
      onArrival: (datagram, from) => {
        if (this.#isTraced) {
          this.#trace(`${node} receives ${describe(datagram)} from ${from.address}:${from.port}`);
        }
        watcher?.onArrival?.(node, datagram, from);
      },
      onHandled: (datagram, from) => watcher?.onHandled?.(node, datagram, from),
      onTurn: (turn) => watcher?.onTurn?.(node, turn),
      onBroken: (violation) => this.#break(`${node} ${violation}`),
      trace: (text) => this.#trace(`${node} ${text}`),
    });
    this.#drivers.set(node, driver);
    driver.wake();
  }

  /** Makes the process do nothing until then. */
  freeze(node: NodeName, until: number): void {
    this.#drivers.get(node)?.freeze(until);
  }

  /** Call after commands on an endpoint or a stream. */
  wake(node: NodeName): void {
    this.#drivers.get(node)?.wake();
  }

  /** Passes waiting events to `onEvent`. */
  dispatchEvents(node: NodeName): void {
    this.#drivers.get(node)?.dispatchEvents();
  }

  /** Lets time pass until `until`, until `done` returns true, or until nothing is scheduled. */
  run(until: number, done: () => boolean = () => false): void {
    // The protocol must never throw, whatever arrives.
    try {
      while (!this.#isBroken && !done()) {
        const next = this.queue.nextAt;
        if (next === undefined || next > until) {
          this.queue.now = until;
          return;
        }
        this.queue.runNext();
      }
    } catch (error) {
      this.#break(`threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }

  /** Delivers a datagram to that process, from any address. */
  receive(to: NodeName, datagram: Uint8Array, from: Address): void {
    this.#drivers.get(to)?.receive(datagram, from);
  }

  #send(node: NodeName, to: Address, datagram: Uint8Array, mayFragment: boolean): void {
    this.datagramsSent++;
    this.digest.number(this.now);
    this.digest.text(node);
    this.digest.text(`${to.address} ${to.port}`);
    this.digest.number(datagram.length);
    // The digest of a transport message includes its tag, which depends on all of it.
    this.digest.bytes(datagram.subarray(0, DIGESTED_BYTES));
    this.digest.bytes(datagram.subarray(-DIGESTED_BYTES));
    if (this.#isTraced) this.#trace(`${node} sends ${describe(datagram)} to ${to.address}:${to.port}`);
    const { onViolation, watcher } = this.#options;
    if (!isMessage(datagram))
      onViolation(`${node} sent something that is not a message, or cut a batch wrongly`);
    // Under load a relay asks anyone who knows its public key for a cookie (spec handshake 6).
    const isCookieReply = datagram[0] === 3;
    if (sameAddress(to, STRANGER_ADDRESS) && !isCookieReply) onViolation(`${node} answered a forgery`);
    const index = this.#networkFor(node, to);
    const towards = node !== 'relay' ? 'relay' : index < 0 ? undefined : clientName(index);
    watcher?.onSent?.(node, to, datagram, towards);
    const { refuses, onTooLarge } = this.#options;
    if (refuses?.(node, datagram.length) === true) {
      const [bytes, place] = [datagram.length, { ...to }];
      this.#trace(`${node} may not send ${bytes} bytes`);
      const network = this.networks[index];
      if (network !== undefined) network.troubledAt = this.now;
      this.queue.schedule(this.now, () => onTooLarge?.(node, place, bytes));
      return;
    }
    this.networks[index]?.send(sideOf(node), to, datagram, mayFragment);
  }

  /** A client has one network. The relay's datagrams take the network of the client that has, or had, that address. */
  #networkFor(node: NodeName, to: Address): number {
    const { networks } = this;
    if (networks.length === 1) return 0;
    return node === 'relay'
      ? networks.findIndex((network) => network.leadsTo(to))
      : networks.findIndex((_, i) => clientName(i) === node);
  }

  #note(node: NodeName, event: EndpointEvent): void {
    const stream = 'stream' in event ? ` ${event.stream.id}` : '';
    const code = 'code' in event ? ` ${event.code}` : '';
    const error = 'error' in event ? ` ${event.error.by} ${event.error.code} ${event.error.reason}` : '';
    const text = `${node} ${event.type}${stream}${code}${error}`;
    this.digest.number(this.now);
    this.digest.text(text);
    this.#trace(text);
  }

  /** Ends the run, because nothing sensible can follow. */
  #break(violation: string): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#options.onViolation(violation);
  }

  #trace(text: string): void {
    this.#options.trace?.(`${this.now.toFixed(3).padStart(12)} ${text}`);
  }
}

const MESSAGE_NAMES = ['', 'initiation', 'response', 'cookie reply', 'transport'];

/** Checks for one of the four types and three zero bytes (spec wire 2), which a batch cut at the wrong place lacks. */
function isMessage(datagram: Uint8Array): boolean {
  const type = datagram[0] ?? 0;
  return type >= 1 && type <= 4 && datagram[1] === 0 && datagram[2] === 0 && datagram[3] === 0;
}

function describe(datagram: Uint8Array): string {
  return `${MESSAGE_NAMES[datagram[0] ?? 0] || 'unknown'} of ${datagram.length} bytes`;
}
