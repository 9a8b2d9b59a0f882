/** Addresses that are not global unicast (spec forwarding 3.5): IANA's special-purpose registries (RFC 6890), the
 *  address plan of IPv6 (RFC 4291 §2.4), and the metadata addresses of cloud providers. */
import ipaddr from 'ipaddr.js';
import { formatAddress, type IpAddress, isIp6, parseAddress } from './host.js';

export interface Network {
  readonly base: IpAddress;
  readonly prefixBits: number;
}

export interface SpecialBlock extends Network {
  /** How messages call it, for example 'a loopback address'. */
  readonly name: string;
}

const BLOCK_LITERALS = [
  ['0.0.0.0/8', 'an address of "this network"'],
  ['10.0.0.0/8', 'a private address'],
  ['100.64.0.0/10', 'a shared (carrier NAT) address'],
  ['127.0.0.0/8', 'a loopback address'],
  ['169.254.0.0/16', 'a link-local address'],
  ['172.16.0.0/12', 'a private address'],
  ['192.0.0.0/24', 'a protocol assignment'],
  ['192.0.2.0/24', 'a documentation address'],
  ['192.31.196.0/24', 'an AS112 address'],
  ['192.52.193.0/24', 'an AMT address'],
  ['192.88.99.0/24', 'a 6to4 relay address'],
  ['192.168.0.0/16', 'a private address'],
  ['192.175.48.0/24', 'an AS112 address'],
  ['198.18.0.0/15', 'a benchmarking address'],
  ['198.51.100.0/24', 'a documentation address'],
  ['203.0.113.0/24', 'a documentation address'],
  ['224.0.0.0/4', 'a multicast address'],
  ['240.0.0.0/4', 'a reserved address'],
  ['255.255.255.255/32', 'the broadcast address'],
  // Everything outside 2000::/3 is not global unicast.
  ['::/3', 'a reserved address'],
  ['4000::/2', 'a reserved address'],
  ['8000::/1', 'a reserved address'],
  ['::/96', 'an IPv4-compatible address'],
  ['::/128', 'the unspecified address'],
  ['::1/128', 'a loopback address'],
  ['::ffff:0:0:0/96', 'an IPv4-translated address'],
  ['64:ff9b::/96', 'a NAT64 address'],
  ['64:ff9b:1::/48', 'a NAT64 address'],
  ['100::/64', 'a discard address'],
  ['100:0:0:1::/64', 'a dummy address'],
  ['2001::/23', 'a protocol assignment'],
  ['2001::/32', 'a Teredo address'],
  ['2001:2::/48', 'a benchmarking address'],
  ['2001:3::/32', 'an AMT address'],
  ['2001:4:112::/48', 'an AS112 address'],
  ['2001:10::/28', 'an ORCHID address'],
  ['2001:20::/28', 'an ORCHID address'],
  ['2001:30::/28', 'a drone identifier'],
  ['2001:db8::/32', 'a documentation address'],
  ['2002::/16', 'a 6to4 address'],
  ['2620:4f:8000::/48', 'an AS112 address'],
  ['3fff::/20', 'a documentation address'],
  ['5f00::/16', 'a segment routing identifier'],
  ['fc00::/7', 'a private (unique local) address'],
  ['fe80::/10', 'a link-local address'],
  ['fec0::/10', 'a site-local address'],
  ['ff00::/8', 'a multicast address'],
] as const;

let parsedBlocks: readonly SpecialBlock[] | undefined;

/** They are parsed when the first address is judged: it takes several milliseconds, which a start would feel. */
function blocks(): readonly SpecialBlock[] {
  parsedBlocks ??= BLOCK_LITERALS.map(([text, name]) => {
    const [base, prefixBits] = ipaddr.parseCIDR(text);
    return { base, prefixBits, name };
  });
  return parsedBlocks;
}

/** At these addresses, clouds hand out credentials of the machine to every program on it. Each is a block of its own, so
 *  that no rule for a network permits it (adr 0004). */
const METADATA_ADDRESSES: ReadonlySet<string> = new Set([
  '169.254.169.254', // AWS, Azure, Google, Oracle, OpenStack and most others
  '169.254.170.2', // AWS, containers
  '169.254.170.23', // AWS, pods
  '169.254.0.23', // Tencent
  '169.254.42.42', // Scaleway
  '100.100.100.200', // Alibaba
  '168.63.129.16', // Azure: the host's agent, at an address of the public space
  '192.0.0.192', // Oracle, the older one
  'fd00:ec2::254', // AWS
  'fd00:ec2::23', // AWS, pods
  'fd20:ce::254', // Google
  'fd00:c1::a9fe:a9fe', // Oracle
  'fd00:42::42', // Scaleway
  'fd00:a9fe:a9fe::1', // Akamai
  'fe80::a9fe:a9fe', // OpenStack
]);

/** The prefix whose last 32 bits are the IPv4 address to which a NAT64 gateway connects (RFC 6052). */
const NAT64: Network = {
  base: new ipaddr.IPv6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0]),
  prefixBits: 96,
};

/** The smallest special-purpose block that holds `address`.
 *  @returns undefined for a global unicast address */
export function specialBlockOf(address: IpAddress): SpecialBlock | undefined {
  if (METADATA_ADDRESSES.has(formatAddress(address))) {
    return { ...singleAddress(address), name: 'a metadata address of a cloud' };
  }
  // A rule for the whole prefix is meant for public addresses: RFC 6052 §3.1 allows no others behind it.
  if (contains(NAT64, address)) {
    const behind = specialBlockOf(ipaddr.fromByteArray(address.toByteArray().slice(12)));
    if (behind !== undefined) return { ...singleAddress(address), name: `translated to ${behind.name}` };
  }
  let smallest: SpecialBlock | undefined;
  for (const block of blocks()) {
    if (contains(block, address) && block.prefixBits > (smallest?.prefixBits ?? -1)) smallest = block;
  }
  return smallest;
}

export function contains(network: Network, address: IpAddress): boolean {
  const { base, prefixBits } = network;
  if (isIp6(base)) return isIp6(address) && address.match(base, prefixBits);
  return !isIp6(address) && address.match(base, prefixBits);
}

/** Whether every address of `inner` is one of `outer`. */
export function liesWithin(inner: Network, outer: Network): boolean {
  return inner.prefixBits >= outer.prefixBits && contains(outer, inner.base);
}

/** The network that holds one address. */
export function singleAddress(base: IpAddress): Network {
  return { base, prefixBits: isIp6(base) ? 128 : 32 };
}

/** The network of an address literal in the source code. */
export function literalNetwork(text: string): Network {
  return singleAddress(ipaddr.parse(text));
}

/** Whether a text is an address that is reached from everywhere: global unicast, and nothing special. */
export function isGlobalAddress(text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && specialBlockOf(address) === undefined;
}
