/** Hosts in one form: an address, localhost, or a name (spec forwarding 3.6). */
import { describe, expect, it } from 'vitest';
import { formatAddress, isIp6, MAX_HOST_NAME_LENGTH, parseAddress, parseHost } from '../src/host.js';

/** The kind of a host, and its one form. */
function read(text: string): string {
  const host = parseHost(text);
  if (host === undefined) return 'neither';
  if (host.kind === 'localhost') return 'localhost';
  return host.kind === 'name' ? `name ${host.name}` : `address ${formatAddress(host.address)}`;
}

/** A name of so many characters. */
const nameOf = (length: number) =>
  'abcdefg.'
    .repeat(40)
    .slice(0, length - 1)
    .concat('x');

describe('a host', () => {
  it.each([
    ['192.0.2.1', 'address 192.0.2.1'],
    ['255.255.255.255', 'address 255.255.255.255'],
    ['::1', 'address ::1'],
    ['2001:0DB8:0:0::1', 'address 2001:db8::1'],
    ['::ffff:192.0.2.1', 'address 192.0.2.1'],
    ['::ffff:c000:201', 'address 192.0.2.1'],
    ['64:ff9b::192.0.2.1', 'address 64:ff9b::c000:201'],
    ['localhost', 'localhost'],
    ['LocalHost', 'localhost'],
    ['localhost.', 'localhost'],
    ['db', 'name db'],
    ['DB.Example.ORG.', 'name db.example.org'],
    ['_srv.a-b.c', 'name _srv.a-b.c'],
    ['1.example', 'name 1.example'],
    ['0x7f.example', 'name 0x7f.example'],
    ['0xg', 'name 0xg'],
    ['localhost.example', 'name localhost.example'],
    ['x.localhost', 'name x.localhost'],
    [`${'a'.repeat(63)}.b`, `name ${'a'.repeat(63)}.b`],
    [nameOf(MAX_HOST_NAME_LENGTH), `name ${nameOf(MAX_HOST_NAME_LENGTH)}`],
  ])('%s is %s', (text, expected) => {
    expect(read(text)).toBe(expected);
  });

  it.each([
    ...[
      '',
      '.',
      'a..b',
      'a..',
      '.a',
      'a b',
      'a/b',
      'ä',
      'a:b',
      '[::1]',
      '::1%eth0',
      'fe80::1%1',
      ':::',
      '1::2::3',
    ],
    // What resolvers may read as an address.
    ...[
      '127.1',
      '127.0.0.1.',
      '256.0.0.1',
      '01.2.3.4',
      '1.2.3',
      '2130706433',
      '0x7f000001',
      '0x',
      'a.1',
      'a.0x1f',
    ],
    ...[`${'a'.repeat(64)}.b`, nameOf(MAX_HOST_NAME_LENGTH + 1)],
  ])('%j is neither an address nor a name', (text) => {
    expect(read(text)).toBe('neither');
  });
});

it.each([
  ['192.0.2.1', false],
  ['::ffff:192.0.2.1', false],
  ['::1', true],
])('the family of %s is told apart (IPv6: %s)', (text, expected) => {
  const address = parseAddress(text);
  expect(address && isIp6(address)).toBe(expected);
});
