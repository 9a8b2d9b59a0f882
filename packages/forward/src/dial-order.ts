/** In which order the addresses of a name are tried: IPv6 and IPv4 in turn (RFC 8305 §4), so that a family that is dead costs one
 *  attempt and not all of them. */
import { MAX_ANSWER_ADDRESSES } from './forward-constants.js';

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
