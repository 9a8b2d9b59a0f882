/** In which order the addresses of a name are tried: IPv6 and IPv4 in turn (RFC 8305 §4), so that a family that is dead costs one
 *  attempt and not all of them. */
import { FAMILY_MEMORY_MS, MAX_ANSWER_ADDRESSES, MAX_REMEMBERED_FAMILIES } from './forward-constants.js';

export type Family = 'ipv4' | 'ipv6';

export function familyOf(address: string): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

/** The families in turn, beginning with `first` or else with that of the first address; within a family the order stays, which is the
 *  resolver's preference (RFC 6724). Of a longer answer only the first `MAX_ANSWER_ADDRESSES` count: nobody dials more, and
 *  judging them costs time that all connections share. */
export function inDialOrder(addresses: readonly string[], first?: Family): readonly string[] {
  const considered = addresses.slice(0, MAX_ANSWER_ADDRESSES);
  const preferred = first ?? familyOf(considered[0] ?? '');
  const ofPreferred = considered.filter((address) => familyOf(address) === preferred);
  const ofOther = considered.filter((address) => familyOf(address) !== preferred);
  const ordered: string[] = [];
  for (let index = 0; ordered.length < considered.length; index++) {
    ordered.push(...ofPreferred.slice(index, index + 1), ...ofOther.slice(index, index + 1));
  }
  return ordered;
}

/** Remembers for some names which family connected first the last time, so that a family that is dead costs its quarter of a second
 *  once and not with every connection. Old entries count no longer, and the oldest make room. */
export class FamilyMemory {
  readonly #now: () => number;
  readonly #known = new Map<string, { readonly family: Family; readonly until: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#known.size;
  }

  get(name: string): Family | undefined {
    const known = this.#known.get(name);
    return known !== undefined && this.#now() < known.until ? known.family : undefined;
  }

  /** @param tried  among what `address` was chosen from; with one family alone there was no choice
   *  @param address  what connected first */
  remember(name: string, tried: readonly string[], address: string): void {
    const family = familyOf(address);
    // Not for longer each time it is used: the other family gets its chance again.
    if (this.get(name) === family) return;
    this.#known.delete(name);
    if (new Set(tried.map(familyOf)).size < 2) return;
    const [oldest] = this.#known.keys();
    if (this.#known.size >= MAX_REMEMBERED_FAMILIES && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(name, { family, until: this.#now() + FAMILY_MEMORY_MS });
  }
}
