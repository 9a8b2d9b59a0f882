import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../src/host.js';
import { isGlobalAddress, specialBlockOf } from '../src/special-purpose.js';

/** The registries of IANA and the address plan of IPv6 once more, with what messages call each block. */
const BLOCKS: readonly (readonly [block: string, name: string])[] = [
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
  ['::/3', 'a reserved address'],
  ['4000::/2', 'a reserved address'],
  ['8000::/1', 'a reserved address'],
  ['::/96', 'an IPv4-compatible address'],
  ['::/128', 'the unspecified address'],
  ['::1/128', 'a loopback address'],
  ['::ffff:0:0:0/96', 'an IPv4-translated address'],
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
];

/** A block as the range of its addresses. */
interface Range {
  readonly name: string;
  readonly prefixBits: number;
  /** How many bits an address has. */
  readonly width: number;
  readonly first: bigint;
  readonly last: bigint;
}

const RANGES: readonly Range[] = BLOCKS.map(([block, name]) => {
  const [base, prefixBits] = ipaddr.parseCIDR(block);
  const bytes = base.toByteArray();
  const width = 8 * bytes.length;
  const first = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  return { name, prefixBits, width, first, last: first + (1n << BigInt(width - prefixBits)) - 1n };
});

function addressAt(at: bigint, width: number): ipaddr.IPv4 | ipaddr.IPv6 {
  const digits = at.toString(16).padStart(width / 4, '0');
  return ipaddr.fromByteArray([...Buffer.from(digits, 'hex')]);
}

describe('a special-purpose address (spec forwarding 3.5)', () => {
  it.each(BLOCKS.map(([block], index) => [block, index] as const))(
    'belongs to %s from the first address to the last, unless a smaller block has it',
    (_block, index) => {
      const { first, last, width } = RANGES[index] as Range;
      for (const at of [first - 1n, first, last, last + 1n]) {
        if (at < 0n || at >= 1n << BigInt(width)) continue;
        const holds = (range: Range) => range.width === width && range.first <= at && at <= range.last;
        const [expected] = RANGES.filter(holds).sort((a, b) => b.prefixBits - a.prefixBits);
        const found = specialBlockOf(addressAt(at, width));
        const about = found && { name: found.name, prefixBits: found.prefixBits };
        expect(about).toEqual(expected && { name: expected.name, prefixBits: expected.prefixBits });
      }
    },
  );

  it.each([
    ['64:ff9b::808:808', 96, 'a NAT64 address'],
    ['64:ff9b::a00:1', 128, 'translated to a private address'],
    ['64:ff9b::ffff:ffff', 128, 'translated to the broadcast address'],
    ['64:ff9b::a9fe:a9fe', 128, 'translated to a metadata address of a cloud'],
    ['64:ff9b::1:0:0', 3, 'a reserved address'],
    ['169.254.169.254', 32, 'a metadata address of a cloud'],
    ['fd00:ec2::254', 128, 'a metadata address of a cloud'],
  ])('that leads to another one, or to credentials, is a block of its own: %s', (text, prefixBits, name) => {
    const address = parseAddress(text) as ipaddr.IPv6;
    const block = specialBlockOf(address);
    expect(block).toMatchObject({ prefixBits, name });
    if (prefixBits === 128 || prefixBits === 32) expect(String(block?.base)).toBe(String(address));
  });
});

it.each([
  ['9.9.9.9', true],
  ['2620:fe::9', true],
  ['10.0.0.1', false],
  ['fe80::1', false],
  ['9.9.9', false],
  ['relay.example', false],
])('%s is reached from everywhere: %s', (text, expected) => {
  expect(isGlobalAddress(text)).toBe(expected);
});
