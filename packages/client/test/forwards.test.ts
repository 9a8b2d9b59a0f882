/** The forwards of a client: which are started, found and ended. The classes that run them are played. */
import { type Forward, parseLocalForwards, parseReverseForwards } from '@underpass/forward';
import { systemTimers } from '@underpass/runtime';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Forwards } from '../src/forwards.js';
import { calls, reset, stage } from './played-part.js';

vi.mock('../src/local-forwarding.js', async () => ({
  LocalForwarding: (await import('./played-part.js')).played('local'),
}));
vi.mock('../src/dynamic-forwarding.js', async () => ({
  DynamicForwarding: (await import('./played-part.js')).played('dynamic'),
}));
vi.mock('../src/udp-forwarding.js', async () => ({
  UdpForwarding: (await import('./played-part.js')).played('udp'),
}));
vi.mock('../src/reverse-forwarding.js', async () => ({
  ReverseForwarding: (await import('./played-part.js')).played('reverse'),
}));

function parsed(result: Forward | readonly Forward[] | { readonly reason: string }): Forward {
  const [first] = Array.isArray(result) ? (result as readonly Forward[]) : [result as Forward];
  if (first === undefined || 'reason' in first) throw new Error('not a forward');
  return first;
}
const local = (port: number) => parsed(parseLocalForwards(`${port}:localhost:80`));
const reverse = (text: string) => parsed(parseReverseForwards(text));
const KINDS = ['local', 'dynamic', 'udp', 'reverse'] as const;
const ofKind = (kind: string, text = '1'): Forward =>
  ({ kind, text, place: { bind: { kind: 'loopback' }, port: 0 }, target: { host: 'a', port: 1 } }) as never;

beforeEach(() => reset());

/** Adds forwards, each of which starts as the same spec. */
async function run(...specs: readonly Forward[]) {
  const forwards = new Forwards({} as never);
  for (const spec of specs) {
    stage.answers[`${spec.kind}.start`] = Promise.resolve({ spec, addresses: [] });
    await forwards.add(spec);
  }
  calls();
  return forwards;
}

describe('the forwards of a client', () => {
  it.each(KINDS)('are started by the class of their kind: %s', async (kind) => {
    const forwards = new Forwards({} as never);
    const bound = { spec: ofKind(kind), addresses: [] };
    stage.answers[`${kind}.start`] = Promise.resolve(bound);
    expect(await forwards.add(bound.spec)).toBe(bound);
    expect(calls()).toEqual([[`${kind}.start`]]);
    expect(forwards.bound).toEqual([bound]);
  });

  it('are handed what serves them', async () => {
    const forwards = new Forwards({ carrier: 'carrier' } as never);
    const service = { serve: () => undefined };
    for (const kind of KINDS) {
      stage.answers[`${kind}.start`] = Promise.resolve({ spec: ofKind(kind), addresses: [] });
      await forwards.add(ofKind(kind), service);
    }
    expect(KINDS.map((kind) => stage.parameters[kind]?.slice(0, 3))).toEqual([
      [ofKind('local'), 'carrier'],
      [ofKind('dynamic'), { carrier: 'carrier' }],
      [ofKind('udp'), 'carrier', systemTimers],
      [ofKind('reverse'), { carrier: 'carrier' }, service],
    ]);
  });

  it('measure the idleness of UDP flows on a clock that nobody sets', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    await run(ofKind('udp'));
    const [, , , now] = stage.parameters.udp as [unknown, unknown, unknown, () => number];
    const before = now();
    vi.setSystemTime(0);
    expect(now()).toBeGreaterThanOrEqual(before);
  });

  it('that cannot start are not among them', async () => {
    const forwards = await run();
    stage.answers['local.start'] = Promise.reject(new Error('the port is taken'));
    await expect(forwards.add(local(1))).rejects.toThrow('the port is taken');
    expect(forwards.bound).toEqual([]);
  });

  it('are listed in the order in which they were added', async () => {
    const forwards = await run(local(1), ofKind('udp'), local(2));
    expect(forwards.bound.map(({ spec }) => spec.text)).toEqual(['1:localhost:80', '1', '2:localhost:80']);
  });

  it('are removed by their kind and text, one at a time', async () => {
    const forwards = await run(ofKind('local'), ofKind('udp'), ofKind('udp'));
    expect(await forwards.remove(ofKind('reverse'))).toBe(false);
    expect(await forwards.remove(ofKind('udp', '2'))).toBe(false);
    expect(calls()).toEqual([]);
    expect(await forwards.remove(ofKind('udp'))).toBe(true);
    expect(calls()).toEqual([['udp.close']]);
    expect(forwards.bound.map(({ spec }) => spec.kind)).toEqual(['local', 'udp']);
  });

  it('are removed alone, wherever they are in the list, and have ended then', async () => {
    const forwards = await run(ofKind('local', '1'), ofKind('local', '2'), ofKind('local', '3'));
    let ended = (): void => undefined;
    stage.answers['local.close'] = new Promise<void>((resolve) => {
      ended = resolve;
    });
    let isRemoved = false;
    const removal = forwards.remove(ofKind('local', '3')).then(() => {
      isRemoved = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isRemoved).toBe(false);
    ended();
    await removal;
    expect(forwards.bound.map(({ spec }) => spec.text)).toEqual(['1', '2']);
    await forwards.remove(ofKind('local', '1'));
    expect(forwards.bound.map(({ spec }) => spec.text)).toEqual(['2']);
  });

  it('all learn of contact and of its end, and say which of them lost a stream', async () => {
    const forwards = await run(ofKind('reverse'), ofKind('reverse', '2'), ofKind('local'));
    forwards.onContact();
    expect(calls()).toEqual([['reverse.onContact'], ['reverse.onContact'], ['local.onContact']]);
    forwards.onDisconnected('removed');
    expect(calls()).toEqual(
      ['reverse', 'reverse', 'local'].map((kind) => [`${kind}.onDisconnected`, 'removed']),
    );
    stage.answers['reverse.takeLoss'] = true;
    expect(forwards.takeLostListeners()).toBe(2);
    stage.answers['reverse.takeLoss'] = false;
    expect(forwards.takeLostListeners()).toBe(0);
  });

  it('all end when the client closes, also one that has not started yet', async () => {
    const forwards = await run(ofKind('local'), ofKind('udp'));
    let start: (bound: unknown) => void = () => undefined;
    stage.answers['dynamic.start'] = new Promise((resolve) => {
      start = resolve;
    });
    const added = forwards.add(ofKind('dynamic'));
    await forwards.close();
    expect(calls()).toEqual([['dynamic.start'], ['local.close'], ['udp.close']]);
    let ended = (): void => undefined;
    stage.answers['dynamic.close'] = new Promise<void>((resolve) => {
      ended = resolve;
    });
    let isAdded = false;
    const adding = added.then(() => {
      isAdded = true;
    });
    start({ spec: ofKind('dynamic'), addresses: [] });
    await new Promise(setImmediate);
    expect([calls(), forwards.bound, isAdded]).toEqual([[['dynamic.close']], [], false]);
    ended();
    await adding;
  });

  it.each<[string, string, string, string | undefined]>([
    [
      'the same port',
      '8080:localhost:1',
      '8080:localhost:2',
      'two reverse forwards ask the relay for localhost:8080',
    ],
    ['different ports', '8080:localhost:1', '8081:localhost:1', undefined],
    ['one port at different addresses', '8080:localhost:1', '*:8080:localhost:1', undefined],
    ['ports that the relay chooses', '0:localhost:1', '0:localhost:1', undefined],
    [
      'the same unix socket',
      '/run/a.sock:localhost:1',
      '/run/a.sock:localhost:2',
      'ask the relay for unix:/run/a.sock',
    ],
    ['different unix sockets', '/run/a.sock:localhost:1', '/run/b.sock:localhost:1', undefined],
  ])('may not ask the relay twice for one place: %s', async (_what, first, second, refusal) => {
    const forwards = await run(reverse(first));
    const spec = reverse(second);
    stage.answers['reverse.start'] = Promise.resolve({ spec, addresses: [] });
    if (refusal === undefined) await forwards.add(spec);
    else await expect(forwards.add(spec)).rejects.toThrow(refusal);
    expect(calls()).toHaveLength(refusal === undefined ? 1 : 0);
  });

  it('of other kinds may have the port of a reverse forward', async () => {
    const forwards = await run(reverse('8080:localhost:1'));
    stage.answers['local.start'] = Promise.resolve({ spec: local(8080), addresses: [] });
    await forwards.add(local(8080));
    const again = await run(local(8080));
    stage.answers['reverse.start'] = Promise.resolve({ spec: reverse('8080:localhost:1'), addresses: [] });
    await again.add(reverse('8080:localhost:1'));
    expect(again.bound).toHaveLength(2);
  });
});
