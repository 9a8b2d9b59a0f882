/** How forwards are read by their kind, and where they are said to listen. */
import { describe, expect, it } from 'vitest';
import { FORWARD_PARSERS, isForwardKind } from '../src/forward-parsers.js';
import { placesOf } from '../src/forward-places.js';

describe('a forward', () => {
  it.each([
    ['local', '1-2:a:3-4', ['local', 'local']],
    ['dynamic', '1080', ['dynamic']],
    ['udp', '1:a:2', ['udp']],
    ['reverse', '1-2:a:3-4', ['reverse', 'reverse']],
  ] as const)('of the kind %s is read as such', (kind, text, kinds) => {
    const parsed = FORWARD_PARSERS[kind](text);
    expect('reason' in parsed ? parsed.reason : parsed.map((forward) => forward.kind)).toEqual(kinds);
    expect(FORWARD_PARSERS[kind]('nonsense')).toHaveProperty('reason');
    expect(isForwardKind(kind)).toBe(true);
  });

  it.each(['remote', 'toString', '', 1, undefined, null, ['local']])('has no kind %j', (kind) => {
    expect(isForwardKind(kind)).toBe(false);
  });

  it('listens at its addresses, or at its path', () => {
    const addresses = [
      { address: '127.0.0.1', port: 1 },
      { address: '::1', port: 1 },
    ];
    const spec = {} as never;
    expect(placesOf({ spec, addresses })).toEqual(['127.0.0.1:1', '[::1]:1']);
    expect(placesOf({ spec, addresses: [], path: '/run/a.sock' })).toEqual(['unix:/run/a.sock']);
    expect(placesOf({ spec, addresses: [] })).toEqual([]);
  });
});
