import { describe, expect, it } from 'vitest';
import { FamilyMemory, inDialOrder } from '../src/dial-order.js';
import { FAMILY_MEMORY_MS, MAX_ANSWER_ADDRESSES, MAX_REMEMBERED_FAMILIES } from '../src/forward-constants.js';

// spec forwarding 2.4
describe('the order in which addresses are tried', () => {
  it.each([
    [[], undefined, []],
    [['192.0.2.1'], undefined, ['192.0.2.1']],
    [['::1', '::2', '::3', '1.1.1.1'], undefined, ['::1', '1.1.1.1', '::2', '::3']],
    [['1.1.1.1', '2.2.2.2', '::1', '3.3.3.3'], undefined, ['1.1.1.1', '::1', '2.2.2.2', '3.3.3.3']],
    [['::1', '::2', '1.1.1.1'], 'ipv4', ['1.1.1.1', '::1', '::2']],
    [['::1', '::2'], 'ipv4', ['::1', '::2']],
  ] as const)('is, for %j with %s first, %j', (addresses, first, ordered) => {
    expect(inDialOrder(addresses, first)).toEqual(ordered);
  });

  it('ignores addresses after the first 64', () => {
    const many = Array.from({ length: 4000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
    expect(inDialOrder(many)).toEqual(many.slice(0, MAX_ANSWER_ADDRESSES));
    expect(inDialOrder([...many, '::1'])).not.toContain('::1');
  });
});

// spec forwarding 2.4
describe('the memory of address families', () => {
  const BOTH = ['2001:db8::1', '192.0.2.1'];

  it('keeps the family that connected first for ten minutes, however often it is used', () => {
    let now = 0;
    const memory = new FamilyMemory(() => now);
    expect(memory.get('a')).toBeUndefined();
    memory.remember('a', BOTH, '192.0.2.1');
    now = FAMILY_MEMORY_MS - 1;
    memory.remember('a', BOTH, '192.0.2.1');
    expect([memory.get('a'), memory.get('b')]).toEqual(['ipv4', undefined]);
    now = FAMILY_MEMORY_MS;
    expect(memory.get('a')).toBeUndefined();
    memory.remember('a', BOTH, '2001:db8::1');
    expect(memory.get('a')).toBe('ipv6');
  });

  it('changes when the other family connects first', () => {
    const memory = new FamilyMemory(() => 0);
    memory.remember('a', BOTH, '192.0.2.1');
    memory.remember('a', BOTH, '2001:db8::1');
    expect(memory.get('a')).toBe('ipv6');
  });

  it('stores nothing for a name with a single family', () => {
    const memory = new FamilyMemory(() => 0);
    memory.remember('a', ['192.0.2.1', '192.0.2.2'], '192.0.2.1');
    expect(memory.size).toBe(0);
  });

  it('is bounded and forgets the oldest name first', () => {
    const memory = new FamilyMemory(() => 0);
    for (let i = 0; i <= MAX_REMEMBERED_FAMILIES; i++) memory.remember(`name${i}`, BOTH, '192.0.2.1');
    expect(memory.size).toBe(MAX_REMEMBERED_FAMILIES);
    expect([memory.get('name0'), memory.get('name1')]).toEqual([undefined, 'ipv4']);
  });

  it('forgets a name that has lost its other family, and counts a change as new', () => {
    const memory = new FamilyMemory(() => 0);
    memory.remember('a', BOTH, '192.0.2.1');
    memory.remember('a', ['2001:db8::1'], '2001:db8::1');
    expect([memory.get('a'), memory.size]).toEqual([undefined, 0]);
    for (let i = 0; i < MAX_REMEMBERED_FAMILIES; i++) memory.remember(`name${i}`, BOTH, '192.0.2.1');
    memory.remember('name0', BOTH, '2001:db8::1');
    memory.remember('new', BOTH, '192.0.2.1');
    expect([memory.get('name0'), memory.get('name1')]).toEqual(['ipv6', undefined]);
  });
});
