import { describe, expect, it } from 'vitest';
import { ipv4Bytes, ipv6Bytes } from '../../src/pcapng/ip-address.js';

const hexOf = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex');

describe('an IPv4 literal', () => {
  it.each([
    ['192.0.2.1', 'c0000201'],
    ['255.255.255.255', 'ffffffff'],
    ['0.0.0.0', '00000000'],
    ['::ffff:192.0.2.1', 'c0000201'],
    ['::FFFF:10.0.0.9', '0a000009'],
  ])('%s is four bytes', (text, bytes) => {
    expect(hexOf(ipv4Bytes(text))).toBe(bytes);
  });

  it.each(['256.0.0.1', '1.2.3', '1.2.3.4.5', '1.2.3.', '1.2.3.x', '1.2.3.0004', '', '::1', 'example.org'])(
    'is not %j',
    (text) => {
      expect(ipv4Bytes(text)).toBeUndefined();
    },
  );
});

describe('an IPv6 literal (RFC 4291 §2.2)', () => {
  it.each([
    ['2001:db8:0:0:8:800:200c:417a', '20010db80000000000080800200c417a'],
    ['2001:DB8::8:800:200C:417A', '20010db80000000000080800200c417a'],
    ['ff01::101', 'ff010000000000000000000000000101'],
    ['::1', '00000000000000000000000000000001'],
    ['::', '00000000000000000000000000000000'],
    ['fe80::', 'fe800000000000000000000000000000'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['::13.1.68.3', '0000000000000000000000000d014403'],
    ['::ffff:129.144.52.38', '00000000000000000000ffff81903426'],
    ['1:2:3:4:5:6:1.2.3.4', '00010002000300040005000601020304'],
  ])('%s is sixteen bytes', (text, bytes) => {
    expect(hexOf(ipv6Bytes(text))).toBe(bytes);
  });

  it.each([
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4::5:6:7:8',
    '1::2::3',
    '1::g',
    '1::12345',
    'fe80::1%eth0',
    '',
    '192.0.2.1',
    'example.org',
  ])('is not %j', (text) => {
    expect(ipv6Bytes(text)).toBeUndefined();
  });
});
