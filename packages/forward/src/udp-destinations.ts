/** Where a flow without a fixed target may send to (spec forwarding 5.7). */
import type { Address } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import type { AllowRule } from './allow-rules.js';
import { judgeAddresses, judgeTarget, type OwnAddresses } from './authorize.js';
import {
  DESTINATION_NAME_MS,
  MAX_ANSWER_ADDRESSES,
  MAX_DESTINATIONS,
  MAX_FLOW_LOOKUPS,
  MAX_MESSAGES_FOR_NAME,
} from './forward-constants.js';
import { formatTarget, type UdpTarget } from './forward-spec.js';
import type { LookupQueue } from './lookup-queue.js';
import type { RequestStatus } from './request.js';

export interface UdpDestinationsOptions {
  /** The owner of the lookups: all of a peer's have one. */
  readonly peer: object;
  readonly lookups: LookupQueue;
  readonly rules: () => readonly AllowRule[];
  readonly ownAddresses: OwnAddresses;
  readonly timers: Timers;
  readonly now: () => number;
  readonly send: (payload: Uint8Array, to: Address) => void;
  /** Called once for each destination, while it is remembered. */
  readonly onRefused: (target: UdpTarget, status: RequestStatus, advice: string) => void;
}

interface Destination {
  /** Undefined while the name is being resolved, and if it is refused. */
  address: Address | undefined;
  /** The messages that wait for the name, the oldest first. */
  waiting: Uint8Array[];
  /** When a message for it was last sent or let wait. */
  usedAt: number;
  readonly isName: boolean;
  cancel: (() => void) | undefined;
}

/** Judges each destination of a flow before the first message to it, and remembers the outcome for the next ones.
 *
 *  It sends a payload only to an address that the peer's rules permit for that destination, and answers whether a
 *  message comes from such an address. Its memory is bounded: the destination that was used the longest time ago is
 *  forgotten first, and judged again if it is asked for again. The flow owns it, and clears it when the rules change. */
export class UdpDestinations {
  readonly #options: UdpDestinationsOptions;
  /** By target, the one that was used the longest time ago first. */
  readonly #known = new Map<string, Destination>();
  /** How many destinations lead to each address. */
  readonly #addresses = new Map<string, number>();
  #lookups = 0;

  constructor(options: UdpDestinationsOptions) {
    this.#options = options;
  }

  /** Sends a payload to a target, now or once its name is resolved, or drops it. */
  send(target: UdpTarget, payload: Uint8Array): void {
    const destination = this.#find(target);
    if (destination.address !== undefined) this.#options.send(payload, destination.address);
    else if (destination.cancel !== undefined) {
      destination.waiting.push(payload);
      if (destination.waiting.length > MAX_MESSAGES_FOR_NAME) destination.waiting.shift();
    }
  }

  /** Whether messages were sent to this address, and are permitted. */
  has({ address, port }: Address): boolean {
    return this.#addresses.has(keyOf(address, port));
  }

  clear(): void {
    for (const destination of this.#known.values()) destination.cancel?.();
    this.#known.clear();
    this.#addresses.clear();
  }

  #find(target: UdpTarget): Destination {
    const key = keyOf(target.host, target.port);
    const known = this.#known.get(key);
    if (known !== undefined) {
      const now = this.#options.now();
      const isStale = known.isName && now - known.usedAt > DESTINATION_NAME_MS;
      this.#known.delete(key);
      if (!isStale) {
        // Using a name that has failed must not extend it, or the name would never be resolved again.
        if (known.address !== undefined || known.cancel !== undefined) known.usedAt = now;
        this.#known.set(key, known);
        return known;
      }
      this.#drop(known);
    }
    return this.#add(key, target);
  }

  #add(key: string, target: UdpTarget): Destination {
    const { rules, now } = this.#options;
    const verdict = judgeTarget(rules(), target);
    const isName = verdict.kind === 'lookup';
    const destination: Destination = {
      address: undefined,
      waiting: [],
      usedAt: now(),
      isName,
      cancel: undefined,
    };
    // Forgotten at once, so that the next message can find a place.
    if (isName && this.#lookups >= MAX_FLOW_LOOKUPS) return destination;
    this.#remember(key, destination);
    if (verdict.kind === 'refused') this.#options.onRefused(target, 'not-allowed', verdict.advice);
    else if (verdict.kind === 'addresses') this.#choose(destination, target, verdict.addresses);
    else this.#resolve(destination, target, verdict.name);
    return destination;
  }

  #remember(key: string, destination: Destination): void {
    const [oldest] = this.#known;
    if (oldest !== undefined && this.#known.size >= MAX_DESTINATIONS) {
      this.#known.delete(oldest[0]);
      this.#drop(oldest[1]);
    }
    this.#known.set(key, destination);
  }

  #resolve(destination: Destination, target: UdpTarget, name: string): void {
    const { lookups, peer, onRefused } = this.#options;
    this.#lookups++;
    const leave = lookups.lookup(peer, name, (outcome) => {
      destination.cancel = undefined;
      this.#lookups--;
      const addresses = outcome.ok ? outcome.addresses.slice(0, MAX_ANSWER_ADDRESSES) : [];
      if (addresses.length > 0) this.#choose(destination, target, addresses);
      else {
        onRefused(
          target,
          'name-not-found',
          `${formatTarget(target)} does not resolve here: check the name and this machine's DNS`,
        );
      }
      const { address } = destination;
      for (const payload of destination.waiting.splice(0)) {
        if (address !== undefined) this.#options.send(payload, address);
      }
    });
    destination.cancel = () => {
      this.#lookups--;
      leave();
    };
  }

  /** spec forwarding 3.4: takes the first address that is permitted */
  #choose(destination: Destination, target: UdpTarget, candidates: readonly string[]): void {
    const { rules, ownAddresses, onRefused } = this.#options;
    const { permitted, advice } = judgeAddresses(rules(), target, candidates, 1, ownAddresses);
    const [address] = permitted;
    if (address === undefined) {
      onRefused(target, 'not-allowed', advice);
      return;
    }
    destination.address = { address, port: target.port };
    const key = keyOf(address, target.port);
    this.#addresses.set(key, (this.#addresses.get(key) ?? 0) + 1);
  }

  #drop({ address, cancel }: Destination): void {
    cancel?.();
    if (address === undefined) return;
    const key = keyOf(address.address, address.port);
    const left = (this.#addresses.get(key) ?? 1) - 1;
    if (left > 0) this.#addresses.set(key, left);
    else this.#addresses.delete(key);
  }
}

function keyOf(host: string, port: number): string {
  return `${host} ${port}`;
}
