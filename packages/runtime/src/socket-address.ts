/** Converts between the protocol's addresses and those of a dual-stack socket, which writes IPv4 as IPv4-mapped IPv6
 *  (RFC 4291 §2.5.5.2). */
import type { Address } from '@underpass/protocol';

const MAPPED_PREFIX = '::ffff:';

/** How many addresses are cached. The limit matters because source addresses can be forged. */
export const MAX_CACHED_ADDRESSES = 1024;

/** The form that `send` needs on a dual-stack socket. */
export function toDualStack(address: string): string {
  return address.includes(':') ? address : MAPPED_PREFIX + address;
}

/** The form that the protocol uses. */
export function fromDualStack(address: string): string {
  return address.startsWith(MAPPED_PREFIX) && address.includes('.')
    ? address.slice(MAPPED_PREFIX.length)
    : address;
}

/** Returns the same `Address` object for datagrams from the same sender, so that receiving allocates nothing.
 *
 *  Each socket has one and asks it for every datagram. It checks the last sender first, then a bounded map, and forgets
 *  everything when the map is full. So the same sender may get a new object now and then: compare addresses by
 *  value. */
export class AddressCache {
  #last: Address = { address: '', port: 0 };
  #lastText = '';
  readonly #known = new Map<string, Address>();
  readonly #local: { readonly local: string } | undefined;

  /** @param local  the address of this machine to which all these datagrams were sent */
  constructor(local?: string) {
    this.#local = local === undefined ? undefined : { local };
  }

  get size(): number {
    return this.#known.size;
  }

  /** @param text  the address as the socket reports it */
  get(text: string, port: number): Address {
    if (port === this.#last.port && text === this.#lastText) return this.#last;
    let found = this.#known.get(text);
    if (found?.port !== port) {
      found = { address: found?.address ?? fromDualStack(text), port, ...this.#local };
      if (this.#known.size >= MAX_CACHED_ADDRESSES) this.#known.clear();
      this.#known.set(text, found);
    }
    this.#last = found;
    this.#lastText = text;
    return found;
  }
}
