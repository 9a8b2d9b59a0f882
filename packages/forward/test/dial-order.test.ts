import { describe, expect, it } from 'vitest';
import { inDialOrder } from '../src/dial-order.js';
import { MAX_ANSWER_ADDRESSES } from '../src/forward-constants.js';

// spec forwarding 2.4
describe('the order in which addresses are tried', () => {
  it.each([
    [[], undefined, []],
    [['192.0.2.1'], undefined, ['192.0.2.1']],
    [['::1', '::2', '::3', '1.1.1.1'], undefined, ['::1', '1.1.1.1', '::2', '::3']],
    [['1.1.1.1', '2.2.2.2', '::1', '3.3.3.3'], undefined, ['1.1.1.1', '::1', '2.2.2.2', '3.3.3.3']],
    [['::1', '::2', '1.1.1.1'], 'ipv4', ['1.1.1.1', '::1', '::2']],
    [['::1', '::2'], 'ipv4', ['::1', '::2']],
  ] as const)('of %j, with %s first, is %j', (addresses, first, ordered) => {
    expect(inDialOrder(addresses, first)).toEqual(ordered);
  });

  it('leaves out what is behind the first 64', () => {
    const many = Array.from({ length: 4000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
    expect(inDialOrder(many)).toEqual(many.slice(0, MAX_ANSWER_ADDRESSES));
    expect(inDialOrder([...many, '::1'])).not.toContain('::1');
  });
});
