/** Between the addresses that the protocol sees and those of a dual-stack socket, where IPv4 is written as
 *  IPv4-mapped IPv6 (RFC 4291 §2.5.5.2). */
import type { Address } from '@underpass/protocol';

const MAPPED_PREFIX = '::ffff:';

/** Addresses remembered so that a datagram of a known sender makes no new object. Senders can be forged, so it is
 *  bounded. */
export const MAX_CACHED_ADDRESSES = 1024;

/** The text for `send` on a dual-stack socket. */
export function toDualStack(address: string): string {
  return address.includes(':') ? address : MAPPED_PREFIX + address;
}

/** The text that the protocol sees. */
export function fromDualStack(address: string): string {
  return address.startsWith(MAPPED_PREFIX) && address.includes('.')
    ? address.slice(MAPPED_PREFIX.length)
    : address;
}

/** Gives the same `Address` object for the same sender, mostly. */
export class AddressCache {
  #last: Address = { address: '', port: 0 };
  #lastText = '';
  readonly #known = new Map<string, Address>();
  readonly #local: { readonly local: string } | undefined;

  /** @param local  this machine's address that all of them have sent to */
  constructor(local?: string) {
    this.#local = local === undefined ? undefined : { local };
  }

  get size(): number {
    return this.#known.size;
  }

  /** @param text  the address as the socket gives it */
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
