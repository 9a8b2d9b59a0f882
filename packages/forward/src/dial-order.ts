/** The order in which a name's addresses are tried: IPv6 and IPv4 alternate (RFC 8305 §4), so that a dead family costs
 *  one attempt and not all of them. */
import { FAMILY_MEMORY_MS, MAX_ANSWER_ADDRESSES, MAX_REMEMBERED_FAMILIES } from './forward-constants.js';

export type Family = 'ipv4' | 'ipv6';

export function familyOf(address: string): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

/** Alternates the families, starting with `first` or else with the family of the first address. Within a family the
 *  resolver's order stays (RFC 6724). Only the first `MAX_ANSWER_ADDRESSES` count: judging thousands of addresses would
 *  delay every connection. */
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

/** Remembers which address family connected first for each of one peer's names.
 *
 *  Without it a dead family would delay every connection to a name by 250 ms; with it only the first is delayed.
 *  Requests ask before they dial and report the winner afterwards. An entry expires after ten minutes however often it
 *  is used, so that a family that works again gets another chance. When the memory is full the oldest name is
 *  forgotten. */
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

  /** @param tried  the addresses that could have won; if they are all of one family, there is nothing to remember
   *  @param address  the one that connected first */
  remember(name: string, tried: readonly string[], address: string): void {
    const family = familyOf(address);
    // Using an entry must not extend it, so that the other family gets another chance.
    if (this.get(name) === family) return;
    this.#known.delete(name);
    if (new Set(tried.map(familyOf)).size < 2) return;
    const [oldest] = this.#known.keys();
    if (this.#known.size >= MAX_REMEMBERED_FAMILIES && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(name, { family, until: this.#now() + FAMILY_MEMORY_MS });
  }
}
