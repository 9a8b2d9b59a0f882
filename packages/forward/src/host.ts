/** Parses the hosts of rules and targets into one form: an address as numbers, or a lower-case name (spec forwarding
 *  3.6). */
import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

export type IpAddress = ipaddr.IPv4 | ipaddr.IPv6;

/** The longest name that fits into a request and into the DNS. */
export const MAX_HOST_NAME_LENGTH = 253;

export type Host =
  | { readonly kind: 'address'; readonly address: IpAddress }
  | { readonly kind: 'localhost' }
  | { readonly kind: 'name'; readonly name: string };

/** The addresses of `localhost`, which is never looked up. */
export const LOOPBACK_ADDRESSES: readonly string[] = ['127.0.0.1', '::1'];

/** @param text  a name or an IP literal without brackets
 *  @returns undefined when it is neither, or is ambiguous between the two */
export function parseHost(text: string): Host | undefined {
  const address = parseAddress(text);
  if (address !== undefined) return { kind: 'address', address };
  // Check before removing the trailing dot: otherwise `name..` would pass as `name.`, a second form of one name.
  if (!isHostName(text)) return undefined;
  const name = text.toLowerCase().replace(/\.$/, '');
  if (isNumericName(name)) return undefined;
  return name === 'localhost' ? { kind: 'localhost' } : { kind: 'name', name };
}

/** Accepts only unambiguous forms: four decimal numbers, or IPv6 without a zone. IPv4-mapped IPv6 becomes IPv4. */
export function parseAddress(text: string): IpAddress | undefined {
  // Node has accepted no other form than four decimal numbers, so the many others need not be looked for.
  if (isIPv4(text)) return new ipaddr.IPv4(text.split('.').map(Number));
  // Most texts are names. Node's check of IPv6 is a long regular expression, which is slow to compile.
  if (!text.includes(':') || !isIPv6(text) || text.includes('%')) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

/** Labels of letters, digits, `-` and `_`, as used in practice; a trailing dot is allowed. */
export function isHostName(text: string): boolean {
  return text.length <= MAX_HOST_NAME_LENGTH && /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?$/i.test(text);
}

/** Matches `127.1`, `0x7f000001` and `2130706433`, which the system's resolver may read as addresses. */
export function isNumericName(name: string): boolean {
  return /(^|\.)(0x[0-9a-f]*|[0-9]+)$/.test(name);
}

/** In the shortest form, without brackets. */
export function formatAddress(address: IpAddress): string {
  return isIp6(address) ? address.toRFC5952String() : address.toString();
}

export function isIp6(address: IpAddress): address is ipaddr.IPv6 {
  return address.kind() === 'ipv6';
}
