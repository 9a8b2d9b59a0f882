/** Where the relay is: its name is looked up at the start, and again while it does not answer. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Address } from '@underpass/protocol';
import { systemCode, type Timers, UnderpassError } from '@underpass/runtime';

/** How long the relay may be silent, while we speak, before its name is looked up again. */
export const SILENCE_MS = 10_000;

/** Gives IP literals for a name, the preferred first; rejects when there are none. */
export type NameLookup = (name: string) => Promise<readonly string[]>;

export interface RelayName {
  readonly host: string;
  readonly port: number;
}

/** @returns at least one address, the preferred first
 *  @throws UnderpassError when the name does not resolve */
export async function resolveRelay(
  relay: RelayName,
  lookUp: NameLookup = systemLookup,
): Promise<readonly [Address, ...Address[]]> {
  const { host, port } = relay;
  if (isIP(host) !== 0) return [{ address: host, port }];
  try {
    const [first, ...others] = (await lookUp(host)).map((address) => ({ address, port }));
    if (first === undefined) throw new Error('no address');
    return [first, ...others];
  } catch (error) {
    throw new UnderpassError(
      'name-not-found',
      `the relay's name ${host} does not resolve (${systemCode(error)})`,
      "check the name and this machine's network",
      { cause: error },
    );
  }
}

async function systemLookup(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/** What tells a silent relay from one that has nothing to say. */
export interface Contact {
  readonly datagramsSent: number;
  readonly datagramsReceived: number;
  /** Packets that the relay has to acknowledge. */
  readonly bytesInFlight: number;
  /** Without keys all that is sent are handshakes, and they want an answer. */
  readonly hasKeys: boolean;
}

export interface NameFollowerOptions {
  readonly relay: RelayName;
  /** Where datagrams go now. */
  readonly current: () => Address | undefined;
  readonly setAddress: (address: Address) => void;
  readonly contact: () => Contact;
  readonly timers: Timers;
  readonly lookUp?: NameLookup;
}

/** A relay with a name may have moved, or answer at another of its addresses only: while it is silent, its name is looked up
 *  again and its addresses are tried in turn. */
export class NameFollower {
  readonly #options: NameFollowerOptions;
  #timer: object | undefined;
  #last: Contact;

  constructor(options: NameFollowerOptions) {
    this.#options = options;
    this.#last = options.contact();
    if (isIP(options.relay.host) === 0) this.#wait();
  }

  stop(): void {
    if (this.#timer !== undefined) this.#options.timers.clear(this.#timer);
    this.#timer = undefined;
  }

  #wait(): void {
    this.#timer = this.#options.timers.set(() => void this.#look(), SILENCE_MS);
  }

  async #look(): Promise<void> {
    const before = this.#last;
    this.#last = this.#options.contact();
    if (isSilence(before, this.#last)) await this.#tryNext();
    if (this.#timer !== undefined) this.#wait();
  }

  async #tryNext(): Promise<void> {
    const { relay, current, setAddress, contact, lookUp } = this.#options;
    try {
      const addresses = await resolveRelay(relay, lookUp);
      // Stopped, or heard from, meanwhile.
      if (this.#timer === undefined || contact().datagramsReceived > this.#last.datagramsReceived) return;
      const index = addresses.findIndex(({ address }) => address === current()?.address);
      setAddress(addresses[(index + 1) % addresses.length] ?? addresses[0]);
    } catch {
      // No network, no names: the old address stays.
    }
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
