/** Finds the relay: looks up its name, and tries its addresses until one answers (spec outage 6, 7, 10). */
import { isIP } from 'node:net';
import { familyOf } from '@underpass/forward';
import { type Address, sameAddress } from '@underpass/protocol';
import type { Timers } from '@underpass/runtime';
import {
  ATTEMPT_DELAY_MS,
  MAX_LOOKUP_RETRY_MS,
  MIN_LOOKUP_RETRY_MS,
  NEXT_ATTEMPT_DELAY_MS,
  NEXT_PORT_CHANGE_INTERVALS,
  PORT_CHANGE_INTERVALS,
  SILENCE_MS,
} from './client-constants.js';
import { type NameLookup, type RelayName, resolveRelay } from './relay-address.js';

/** What distinguishes a relay that does not answer from one that has nothing to send. */
export interface Contact {
  readonly address: Address | undefined;
  readonly datagramsSent: number;
  readonly datagramsReceived: number;
  /** Bytes that the relay has yet to acknowledge. */
  readonly bytesInFlight: number;
  /** Without keys we send only handshake messages, and those need an answer. */
  readonly hasKeys: boolean;
}

export interface RelayFinderOptions {
  readonly relay: RelayName;
  /** Sends datagrams to this address from now on, without sending one now. */
  readonly setAddress: (address: Address) => void;
  /** The same, and sends a handshake message there at once. */
  readonly tryAddress: (address: Address) => void;
  /** Switches to another port of this machine. Omitted by callers that give up sooner. */
  readonly changePort?: () => void;
  readonly contact: () => Contact;
  /** Called after each failed lookup while there is no address. */
  readonly onUnresolved: (code: string) => void;
  readonly timers: Timers;
  readonly lookUp?: NameLookup;
}

/** Owns the addresses of the relay's name, and chooses the one to use until one of them answers.
 *
 *  `start` looks up the name, repeatedly until that succeeds. The client calls `seek` when something needs the relay:
 *  the finder then tries one address after another, each 250 ms after the one before. An attempt sends a copy of the
 *  same handshake message, and the session itself follows the answer to its source, so on an answer the finder only has
 *  to stop. Every 10 s it checks whether answers are overdue. If they are, it looks up the name again and tries its
 *  addresses, every other time the one that answered last; with an IP literal there is nothing to look up. After three
 *  such checks in a row it asks for another port, and then once a minute. It never sends anything itself. */
export class RelayFinder {
  readonly #options: RelayFinderOptions;
  readonly #hasName: boolean;
  #addresses: readonly Address[] = [];
  /** The index of the next address to try, and how many were tried in this search. */
  #next = 0;
  #tried = 0;
  #isSought = false;
  #isStopped = false;
  #attemptTimer: object | undefined;
  #timer: object | undefined;
  #retryMs = MIN_LOOKUP_RETRY_MS;
  /** Datagrams received when this search began. */
  #receivedBefore = 0;
  /** The state of contact at the last check, and how many checks in a row have found silence. */
  #last: Contact;
  #silentChecks = 0;
  #isLookingUp = false;
  /** The address that answered last. Its family is tried first (RFC 8305 §4). */
  #answered: Address | undefined;

  constructor(options: RelayFinderOptions) {
    this.#options = options;
    this.#hasName = isIP(options.relay.host) === 0;
    this.#last = options.contact();
  }

  /** @returns the reason why there is no address after the first lookup, or undefined */
  async start(): Promise<string | undefined> {
    const found = await this.#lookUp();
    if (this.#isStopped) return undefined;
    if (typeof found === 'string') {
      this.#options.onUnresolved(found);
      this.#setTimer(() => void this.start(), this.#retryMs);
      this.#retryMs = Math.min(2 * this.#retryMs, MAX_LOOKUP_RETRY_MS);
      return found;
    }
    this.#addresses = found;
    this.#options.setAddress(found[0]);
    if (this.#isSought) this.#search();
    this.#setTimer(() => this.#checkSilence(), SILENCE_MS);
    return undefined;
  }

  /** Call when something needs a relay that was not reached yet. */
  seek(): void {
    if (this.#isSought) return;
    this.#isSought = true;
    if (this.#addresses.length > 0) this.#search();
  }

  /** Call when the system refused to send: there is no point in waiting before the next address. */
  onSendError(to: Address): void {
    const current = this.#addresses[(this.#next + this.#addresses.length - 1) % this.#addresses.length];
    // After a full round keep the interval: if all addresses fail, this would never stop.
    if (this.#attemptTimer === undefined || this.#tried >= this.#addresses.length) return;
    if (current !== undefined && sameAddress(to, current)) this.#attempt();
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of [this.#attemptTimer, this.#timer]) {
      if (timer !== undefined) this.#options.timers.clear(timer);
    }
  }

  #lookUp() {
    const { relay, lookUp } = this.#options;
    return resolveRelay(relay, this.#answered && familyOf(this.#answered.address), lookUp);
  }

  #setTimer(callback: () => void, delayMs: number): void {
    if (!this.#isStopped) this.#timer = this.#options.timers.set(callback, delayMs);
  }

  /** Tries the addresses in order until something is heard. */
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

  /** @returns whether anything was heard since the search began */
  #noteAnswer({ datagramsReceived, address }: Contact): boolean {
    if (datagramsReceived === this.#receivedBefore) return false;
    this.#answered = address;
    return true;
  }

  #checkSilence(): void {
    const before = this.#last;
    this.#last = this.#options.contact();
    this.#noteAnswer(this.#last);
    this.#silentChecks = isSilence(before, this.#last) ? this.#silentChecks + 1 : 0;
    if (isTimeForAnotherPort(this.#silentChecks)) this.#options.changePort?.();
    if (this.#silentChecks > 0) void this.#searchAgain();
    this.#setTimer(() => this.#checkSilence(), SILENCE_MS);
  }

  /** Does nothing while a lookup is under way: the system may take longer for it than from one check to the next. */
  async #searchAgain(): Promise<void> {
    if (!this.#hasName || this.#isLookingUp) return;
    this.#isLookingUp = true;
    const found = await this.#lookUp();
    this.#isLookingUp = false;
    const { address: current, datagramsReceived } = this.#options.contact();
    // Without a network no name resolves: keep the old addresses. If the relay was heard meanwhile there is nothing to
    // do.
    if (this.#isStopped || typeof found === 'string' || datagramsReceived > this.#last.datagramsReceived)
      return;
    const answering = found.find(({ address }) => address === this.#answered?.address);
    const others = found.filter((address) => address !== answering);
    if (found.length === 1 && sameAddress(found[0], current)) return;
    // A search that is still running continues, unless the name has new addresses.
    const addresses =
      answering === undefined || others.length === 0
        ? found
        : others.flatMap((address) => [address, answering]);
    if (this.#attemptTimer !== undefined && sameList(addresses, this.#addresses)) return;
    this.#addresses = addresses;
    this.#search();
  }
}

/** @param checks  how many in a row have found silence */
function isTimeForAnotherPort(checks: number): boolean {
  const since = checks - PORT_CHANGE_INTERVALS;
  return since >= 0 && since % NEXT_PORT_CHANGE_INTERVALS === 0;
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
