/** Listeners on both loopback addresses, with a system that answers as the test says (spec forwarding 1.2). */
import { UnderpassError } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { isFamilyMissing, openOnLoopback } from '../src/both-families.js';
import { MAX_SAME_PORT_TRIES } from '../src/forward-constants.js';

type Outcome = number | 'EADDRINUSE' | 'EAFNOSUPPORT' | 'EADDRNOTAVAIL' | 'EACCES';

function systemError(code: string): Error {
  return new Error(`cannot listen: ${code}`, { cause: Object.assign(new Error(code), { code }) });
}

/** Opens listeners. @param outcomes the port or the error of each attempt, in turn */
async function opening(port: number, outcomes: readonly Outcome[]) {
  const asked: string[] = [];
  const open = new Set<number>();
  const result = await openOnLoopback(port, async (host, asking) => {
    const outcome = outcomes[asked.length];
    asked.push(`${host} ${asking}`);
    if (typeof outcome !== 'number') throw systemError(outcome as string);
    open.add(asked.length);
    const n = asked.length;
    return { port: outcome, close: () => open.delete(n) };
  }).catch((error: UnderpassError) => error);
  return { result, asked, open: open.size };
}

describe('listeners on loopback (spec forwarding 1.2)', () => {
  it('have the same port on both addresses', async () => {
    const { result, asked, open } = await opening(0, [5_000, 5_000]);
    expect(result).toMatchObject([{ port: 5_000 }, { port: 5_000 }]);
    expect(asked).toEqual(['127.0.0.1 0', '::1 5000']);
    expect(open).toBe(2);
  });

  it.each([
    ['no IPv6 address', [80, 'EADDRNOTAVAIL']],
    ['no IPv6', [80, 'EAFNOSUPPORT']],
    ['no IPv4', ['EAFNOSUPPORT', 80]],
    ['no IPv4 address', ['EADDRNOTAVAIL', 80]],
  ] as const)('are one if the machine has %s', async (_what, outcomes) => {
    const { result, asked, open } = await opening(80, outcomes);
    expect(result).toMatchObject([{ port: 80 }]);
    expect(asked).toEqual(['127.0.0.1 80', '::1 80']);
    expect(open).toBe(1);
  });

  it.each([
    ['127.0.0.1', '[::1]', ['EADDRINUSE', 80]],
    ['[::1]', '127.0.0.1', [80, 'EADDRINUSE']],
  ] as const)('fail if another program has the port on %s', async (taken, free, outcomes) => {
    const { result, open } = await opening(80, outcomes);
    expect(result).toBeInstanceOf(UnderpassError);
    expect((result as UnderpassError).message).toContain(
      `${taken}:80 is in use by another program; ${free}:80 is free`,
    );
    expect(result).toMatchObject({
      code: 'address-in-use',
      hint: 'choose another port, or stop that program',
    });
    expect((result as UnderpassError).cause).toMatchObject({ cause: { code: 'EADDRINUSE' } });
    expect(open).toBe(0);
  });

  it.each([
    [['EADDRINUSE', 'EADDRINUSE'], 'EADDRINUSE'],
    [['EAFNOSUPPORT', 'EADDRINUSE'], 'EADDRINUSE'],
    [['EADDRINUSE', 'EAFNOSUPPORT'], 'EADDRINUSE'],
    [[80, 'EACCES'], 'EACCES'],
    [['EACCES', 80], 'EACCES'],
  ] as const)('fail with what the system says of %j, and leave none open: %s', async (outcomes, code) => {
    const { result, open } = await opening(80, outcomes);
    expect((result as Error).message).toBe(`cannot listen: ${code}`);
    expect(open).toBe(0);
  });

  it('try other ports that the system chooses, if one is free for one family only', async () => {
    const { result, asked, open } = await opening(0, [1, 'EADDRINUSE', 2, 'EADDRINUSE', 3, 3]);
    expect(result).toMatchObject([{ port: 3 }, { port: 3 }]);
    expect(asked).toEqual(['127.0.0.1 0', '::1 1', '127.0.0.1 0', '::1 2', '127.0.0.1 0', '::1 3']);
    expect(open).toBe(2);
  });

  it('try no more ports than the limit, and only because of a port that is taken', async () => {
    const outcomes = Array.from({ length: 100 }, (_, i): Outcome => (i % 2 === 0 ? 1_000 + i : 'EADDRINUSE'));
    const { result, asked, open } = await opening(0, outcomes);
    expect(asked).toHaveLength(2 * MAX_SAME_PORT_TRIES);
    expect((result as Error).message).toMatch(/is in use by another program/);
    expect(open).toBe(0);
    expect((await opening(0, [1, 'EACCES'])).asked).toHaveLength(2);
  });
});

it.each([
  [systemError('EAFNOSUPPORT'), true],
  [systemError('EADDRNOTAVAIL'), true],
  [systemError('EADDRINUSE'), false],
  [new Error('without a cause'), false],
  ['a text', false],
])('an address family is missing if the system says so: %s, %s', (error, expected) => {
  expect(isFamilyMissing(error)).toBe(expected);
});

it('a listener that fails with something else than an error fails with its words', async () => {
  await expect(openOnLoopback(80, () => Promise.reject('no luck'))).rejects.toThrow('no luck');
});
