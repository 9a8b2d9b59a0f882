import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressCache, fromDualStack, MAX_CACHED_ADDRESSES, toDualStack } from '../src/socket-address.js';

describe('addresses of a dual-stack socket (spec wire 5)', () => {
  it('convert to the socket form and back', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          fc.ipV6().filter((text) => !text.includes('.')),
        ),
        (address) => {
          expect(fromDualStack(toDualStack(address))).toBe(address);
        },
      ),
    );
  });

  it('leave IPv6 that only looks mapped alone', () => {
    expect(fromDualStack('::ffff:1')).toBe('::ffff:1');
  });

  it('are one object for each sender, even when two senders alternate', () => {
    const cache = new AddressCache();
    const a = cache.get('::ffff:192.0.2.1', 1000);
    const b = cache.get('2001:db8::1', 2000);
    expect(a).toEqual({ address: '192.0.2.1', port: 1000 });
    expect(cache.get('::ffff:192.0.2.1', 1000)).toBe(a);
    expect(cache.get('2001:db8::1', 2000)).toBe(b);
    expect(cache.get('2001:db8::1', 2001)).toEqual({ address: '2001:db8::1', port: 2001 });
  });

  it('name the address of this machine that was used, if the socket knows it', () => {
    const senders = [undefined, '192.0.2.9'].map((local) => new AddressCache(local).get('192.0.2.1', 7));
    expect(senders[0]).toStrictEqual({ address: '192.0.2.1', port: 7 });
    expect(senders[1]).toStrictEqual({ address: '192.0.2.1', port: 7, local: '192.0.2.9' });
  });

  it('differ for two machines that use the same port', () => {
    const cache = new AddressCache();
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.1']) {
      expect(cache.get(address, 7)).toEqual({ address, port: 7 });
    }
  });

  it('are cached for a bounded number of senders', () => {
    const cache = new AddressCache();
    for (let i = 0; i < MAX_CACHED_ADDRESSES * 3; i++) {
      cache.get(`::ffff:10.0.${i >> 8}.${i & 255}`, 1);
      expect(cache.size).toBe(1 + (i % MAX_CACHED_ADDRESSES));
    }
  });
});
