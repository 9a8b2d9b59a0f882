/** Finds the relay: looks its name up, and tries its addresses until one of them answers (spec outage 6, 7). */
import { isIP } from 'node:net';
import { familyOf } from '@underpass/forward';
import { type Address, sameAddress } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import {
  ATTEMPT_DELAY_MS,
  MAX_LOOKUP_RETRY_MS,
  MIN_LOOKUP_RETRY_MS,
  NEXT_ATTEMPT_DELAY_MS,
  SILENCE_MS,
} from './client-constants.js';
import { type NameLookup, type RelayName, resolveRelay } from './relay-address.js';

/** What tells a silent relay from one that has nothing to say. */
export interface Contact {
  readonly address: Address | undefined;
  readonly datagramsSent: number;
  readonly datagramsReceived: number;
  /** Packets that the relay has to acknowledge. */
  readonly bytesInFlight: number;
  /** Without keys all that is sent are handshakes, and they want an answer. */
  readonly hasKeys: boolean;
}

export interface RelayFinderOptions {
  readonly relay: RelayName;
  /** Datagrams go there from now on, though nothing need be sent. */
  readonly setAddress: (address: Address) => void;
  /** The same, and a handshake message goes there at once. */
  readonly tryAddress: (address: Address) => void;
  readonly contact: () => Contact;
  /** There is no address yet, and why: told after each lookup that failed. */
  readonly onUnresolved: (code: string) => void;
  readonly timers: Timers;
  readonly lookUp?: NameLookup;
}

/** Owns the list of addresses that the relay's name has, and decides which of them is used until one answers.
 *
 *  `start` looks the name up, again and again until there is an answer. From `seek` on, the addresses are tried one
 *  after the other, the next after 250 ms: an attempt is a copy of the same handshake message, and the session itself
 *  goes to where the answer comes from, so this class only stops. Every 10 s it looks whether answers are due and none
 *  comes: then the name is looked up again, and its addresses are tried anew, every other time the one that answered
 *  last. With an IP literal none of this happens. */
export class RelayFinder {
  readonly #options: RelayFinderOptions;
  readonly #hasName: boolean;
  #addresses: readonly Address[] = [];
  /** The next of `#addresses` to try, and how many were tried in this search. */
  #next = 0;
  #tried = 0;
  #isSought = false;
  #isStopped = false;
  #attemptTimer: object | undefined;
  #lookTimer: object | undefined;
  #retryMs = MIN_LOOKUP_RETRY_MS;
  /** Contact when the present search began, and at the last look. */
  #receivedBefore = 0;
  #last: Contact;
  /** The address that last answered: its family is tried first (RFC 8305 §4). */
  #answered: Address | undefined;

  constructor(options: RelayFinderOptions) {
    this.#options = options;
    this.#hasName = isIP(options.relay.host) === 0;
    this.#last = options.contact();
  }

  /** @returns after the first lookup: why there is no address yet, or undefined */
  async start(): Promise<string | undefined> {
    const found = await this.#lookUp();
    if (this.#isStopped) return undefined;
    if (typeof found === 'string') {
      this.#options.onUnresolved(found);
      this.#setLookTimer(() => void this.start(), this.#retryMs);
      this.#retryMs = Math.min(2 * this.#retryMs, MAX_LOOKUP_RETRY_MS);
      return found;
    }
    this.#addresses = found;
    this.#options.setAddress(found[0]);
    if (this.#isSought) this.#search();
    if (this.#hasName) this.#setLookTimer(() => void this.#look(), SILENCE_MS);
    return undefined;
  }

  /** Somebody wants to reach the relay, who was not reached yet. */
  seek(): void {
    if (this.#isSought) return;
    this.#isSought = true;
    if (this.#addresses.length > 0) this.#search();
  }

  /** The system would not send there: the next address need not wait. */
  onSendError(to: Address): void {
    const current = this.#addresses[(this.#next + this.#addresses.length - 1) % this.#addresses.length];
    // Once each was tried there is no hurry: where all fail, this would not end.
    if (this.#attemptTimer === undefined || this.#tried >= this.#addresses.length) return;
    if (current !== undefined && sameAddress(to, current)) this.#attempt();
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of [this.#attemptTimer, this.#lookTimer]) {
      if (timer !== undefined) this.#options.timers.clear(timer);
    }
  }

  #lookUp() {
    const { relay, lookUp } = this.#options;
    return resolveRelay(relay, this.#answered && familyOf(this.#answered.address), lookUp);
  }

  #setLookTimer(callback: () => void, delayMs: number): void {
    if (!this.#isStopped) this.#lookTimer = this.#options.timers.set(callback, delayMs);
  }

  /** Tries the addresses from the first on, until something is heard. */
  #search(): void {
    this.#next = 0;
    this.#tried = 0;
    this.#receivedBefore = this.#options.contact().datagramsReceived;
    this.#attempt();
  }

  #attempt(): void {
    if (this.#attemptTimer !== undefined) this.#options.timers.clear(this.#attemptTimer);
    this.#attemptTimer = undefined;
    const contact = this.#options.contact();
    if (this.#isStopped || this.#noteAnswer(contact) || !awaitsAnswer(contact)) return;
    this.#options.tryAddress(this.#addresses[this.#next] as Address);
    this.#tried++;
    this.#next = (this.#next + 1) % this.#addresses.length;
    if (this.#addresses.length === 1) return;
    const delayMs = this.#tried < this.#addresses.length ? ATTEMPT_DELAY_MS : NEXT_ATTEMPT_DELAY_MS;
    this.#attemptTimer = this.#options.timers.set(() => this.#attempt(), delayMs);
  }

  /** @returns true when something was heard since the search began */
  #noteAnswer({ datagramsReceived, address }: Contact): boolean {
    if (datagramsReceived === this.#receivedBefore) return false;
    this.#answered = address;
    return true;
  }

  async #look(): Promise<void> {
    const before = this.#last;
    this.#last = this.#options.contact();
    this.#noteAnswer(this.#last);
    if (isSilence(before, this.#last)) await this.#lookAgain();
    this.#setLookTimer(() => void this.#look(), SILENCE_MS);
  }

  async #lookAgain(): Promise<void> {
    const found = await this.#lookUp();
    const { address: current, datagramsReceived } = this.#options.contact();
    // No network, no names: the old addresses stay. And nothing is to be done when the relay was heard meanwhile.
    if (this.#isStopped || typeof found === 'string' || datagramsReceived > this.#last.datagramsReceived)
      return;
    const home = found.find(({ address }) => address === this.#answered?.address);
    const others = found.filter((address) => address !== home);
    if (found.length === 1 && sameAddress(found[0], current)) return;
    // A search that has been going on for 10 s goes on, unless the name leads elsewhere now.
    const addresses =
      home === undefined || others.length === 0 ? found : others.flatMap((address) => [address, home]);
    if (this.#attemptTimer !== undefined && sameList(addresses, this.#addresses)) return;
    this.#addresses = addresses;
    this.#search();
  }
}

function isSilence(before: Contact, now: Contact): boolean {
  return (
    now.datagramsSent > before.datagramsSent &&
    now.datagramsReceived === before.datagramsReceived &&
    awaitsAnswer(before) &&
    awaitsAnswer(now)
  );
}

function awaitsAnswer({ bytesInFlight, hasKeys }: Contact): boolean {
  return bytesInFlight > 0 || !hasKeys;
}

function sameList(a: readonly Address[], b: readonly Address[]): boolean {
  return a.length === b.length && a.every((address, index) => sameAddress(address, b[index]));
}
