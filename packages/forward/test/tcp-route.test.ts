/** The way to a host and port: what is looked up, what is dialled, what it leads to and what is left behind (spec
 *  forwarding 2.4, 3.3 to 3.6). */
import { describe, expect, it } from 'vitest';
import { OUT_OF_DESCRIPTORS } from '../src/descriptor-guard.js';
import { FamilyMemory } from '../src/dial-order.js';
import type { RouteOutcome } from '../src/dial-service.js';
import {
  CONNECTION_ATTEMPT_DELAY_MS,
  DIAL_TIMEOUT_MS,
  MAX_DIAL_ADDRESSES,
} from '../src/forward-constants.js';
import type { LookupOutcome } from '../src/lookup-queue.js';
import { TcpRoute, type TcpRouteOptions } from '../src/tcp-route.js';
import { FakeConnects } from './fake-connects.js';
import { FakeTimers } from './fake-timers.js';
import { rules } from './rules.js';

function setUp(host: string, ...allowed: string[]) {
  const timers = new FakeTimers();
  timers.advance(5);
  const connects = new FakeConnects();
  const state = { rules: rules(...allowed), hasRoom: true };
  const lookups: { name: string; owner: object; done: (outcome: LookupOutcome) => void }[] = [];
  const calledOff: string[] = [];
  const options = {
    lookups: {
      lookup: (owner: object, name: string, done: (outcome: LookupOutcome) => void) => {
        lookups.push({ name, owner, done });
        return () => calledOff.push(name);
      },
    },
    rules: () => state.rules,
    connectTcp: connects.connectTcp,
    descriptors: { hasRoom: () => state.hasRoom },
  } as unknown as TcpRouteOptions;
  const families = new FamilyMemory(timers.now);
  const route = new TcpRoute({ host, port: 80 }, options, { families, timers, now: timers.now });
  const outcomes: RouteOutcome[] = [];
  const connect = () => route.connect(timers.now() + DIAL_TIMEOUT_MS, (outcome) => outcomes.push(outcome));
  const resolve = (...addresses: string[]) => lookups.at(-1)?.done({ ok: true, addresses });
  const fail = (code: string) =>
    lookups.at(-1)?.done({ ok: false, error: Object.assign(new Error(), { code }) });
  return { timers, connects, state, lookups, calledOff, options, route, outcomes, connect, resolve, fail };
}

const refused = (status: string, advice: string) => ({ ok: false, status, advice });

describe('the way to an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1:80', ['192.0.2.1 80']],
    ['2001:0DB8::1', '[2001:db8::1]:80', ['2001:db8::1 80']],
    ['localhost', 'localhost:80', ['127.0.0.1 80']],
  ])('of %s needs no resolver', (host, rule, made) => {
    const { route, connect, connects, lookups, outcomes, timers } = setUp(host, rule);
    expect(route.judge()).toBeUndefined();
    connect();
    expect([connects.made, lookups]).toEqual([made, []]);
    connects.succeed();
    const [socket] = connects.sockets;
    expect(outcomes).toEqual([{ ok: true, socket, address: made[0]?.split(' ')[0] }]);
    expect([timers.pending, socket?.destroyed]).toEqual([0, false]);
  });

  it('is judged by the rules of the moment', () => {
    const { route, connect, state, outcomes, connects } = setUp('1.1.1.1', '1.1.1.1:80');
    expect(route.judge()).toBeUndefined();
    state.rules = rules('1.1.1.2:80');
    connect();
    const advice = 'no rule allows 1.1.1.1:80; to allow it, add the rule 1.1.1.1:80';
    expect(outcomes).toEqual([refused('not-allowed', advice)]);
    expect(connects.made).toEqual([]);
  });
});

describe('the way to a name', () => {
  it('is not looked for unless a rule names it', () => {
    const { route, connect, state, outcomes, lookups } = setUp('db.example', 'other.example:80');
    const advice = 'no rule allows db.example:80; to allow it, add the rule db.example:80';
    expect(route.judge()).toBe(advice);
    connect();
    expect([outcomes, lookups]).toEqual([[refused('not-allowed', advice)], []]);
    state.rules = rules('db.example:80');
    expect(route.judge()).toBeUndefined();
  });

  it('is looked up for its peer, and leads to its addresses in turn', () => {
    const { connect, connects, lookups, outcomes, resolve, options, timers } = setUp('db.example', '*:80');
    connect();
    expect(lookups).toMatchObject([{ name: 'db.example' }]);
    expect(lookups[0]?.owner).toBe(options);
    resolve('1.1.1.1', '1.1.1.2', '2606:4700::1');
    connects.fail('ECONNREFUSED');
    timers.advance(CONNECTION_ATTEMPT_DELAY_MS);
    expect(connects.made).toEqual(['1.1.1.1 80', '2606:4700::1 80', '1.1.1.2 80']);
    connects.sockets[1]?.emit('connect');
    expect(outcomes).toMatchObject([{ ok: true, address: '2606:4700::1' }]);
    expect(timers.pending).toBe(0);
    connect();
    resolve('1.1.1.1', '1.1.1.2', '2606:4700::1');
    expect(connects.made.at(-1)).toBe('2606:4700::1 80'); // whose family won
  });

  it('leads only to permitted addresses, and to a few of them', () => {
    const { connect, connects, resolve } = setUp('db.example', 'db.example:80');
    connect();
    resolve('10.0.0.1', '127.0.0.1', ...Array.from({ length: 20 }, (_, i) => `1.1.1.${i}`));
    for (let i = 0; i < 20; i++) connects.fail('ECONNREFUSED');
    expect(connects.made).toEqual(Array.from({ length: MAX_DIAL_ADDRESSES }, (_, i) => `1.1.1.${i} 80`));
  });

  it('is refused if none of its addresses is permitted, with the reason for the first', () => {
    const { connect, connects, outcomes, resolve, timers } = setUp('db.example', 'db.example:80');
    connect();
    resolve('10.0.0.1', '127.0.0.1');
    expect(outcomes).toMatchObject([
      { status: 'not-allowed', advice: expect.stringContaining('db.example resolves to 10.0.0.1') },
    ]);
    expect([connects.made, timers.pending]).toEqual([[], 0]);
  });

  it.each([
    ['ENOTFOUND', true, 'name-not-found'],
    ['EAI_AGAIN', true, 'name-not-found'],
    ['', true, 'name-not-found'],
    ['ENOTFOUND', false, 'internal-error'],
    ['EMFILE', true, 'internal-error'],
    ['ENFILE', true, 'internal-error'],
  ])('that does not resolve (%s, descriptors: %s) is %s', (code, hasRoom, status) => {
    const { connect, outcomes, state, fail, resolve, timers } = setUp('db.example', '*:80');
    connect();
    state.hasRoom = hasRoom;
    if (code === '') resolve();
    else fail(code);
    const advice =
      status === 'internal-error'
        ? OUT_OF_DESCRIPTORS
        : "db.example does not resolve here: check the name and this machine's DNS";
    expect([outcomes, timers.pending]).toEqual([[refused(status, advice)], 0]);
  });

  it('is given up if it does not resolve in time', () => {
    const { connect, outcomes, timers, calledOff } = setUp('db.example', '*:80');
    connect();
    timers.advance(DIAL_TIMEOUT_MS - 1);
    expect([outcomes, calledOff]).toEqual([[], []]);
    timers.advance(1);
    expect(outcomes).toEqual([
      refused('timed-out', "db.example did not resolve within 10 s: check this machine's DNS"),
    ]);
    expect([calledOff, timers.pending]).toEqual([['db.example'], 0]);
  });

  it('has the time for its connection that the resolver has left', () => {
    const { connect, outcomes, resolve, timers, connects } = setUp('db.example', '*:80');
    connect();
    timers.advance(4_000);
    resolve('1.1.1.1');
    timers.advance(DIAL_TIMEOUT_MS - 4_001);
    expect(outcomes).toEqual([]);
    timers.advance(1);
    expect(outcomes).toMatchObject([{ status: 'timed-out' }]);
    expect(connects.sockets[0]?.destroyed).toBe(true);
  });

  it.each([false, true])('can be cancelled, while it is looked up or dialled (%s)', (isResolved) => {
    const { connect, outcomes, resolve, timers, connects, calledOff } = setUp('db.example', '*:80');
    const cancel = connect();
    if (isResolved) resolve('1.1.1.1');
    cancel();
    expect([timers.pending, outcomes]).toEqual([0, []]);
    expect(calledOff).toEqual(isResolved ? [] : ['db.example']);
    expect(connects.sockets.map(({ destroyed }) => destroyed)).toEqual(isResolved ? [true] : []);
  });
});

describe('a failure to connect', () => {
  it.each([
    ['ECONNREFUSED', true, 'connection-refused', 'db:80 refused the connection: nothing listens there'],
    [
      'ETIMEDOUT',
      true,
      'timed-out',
      'db:80 did not answer within 10 s: check that it runs and that no firewall blocks it',
    ],
    [
      'EHOSTUNREACH',
      true,
      'unreachable',
      'db:80 cannot be reached from this machine: there is no route to it',
    ],
    [
      'EMFILE',
      true,
      'internal-error',
      'db:80 could not be dialled: this machine is out of sockets or memory',
    ],
    ['EMFILE', false, 'internal-error', OUT_OF_DESCRIPTORS],
    ['ECONNREFUSED', false, 'connection-refused', 'db:80 refused the connection: nothing listens there'],
  ])('with %s (descriptors: %s) is %s, in words', (code, hasRoom, status, advice) => {
    const { connect, outcomes, resolve, state, connects, timers } = setUp('db', '*:80');
    connect();
    resolve('1.1.1.1');
    state.hasRoom = hasRoom;
    connects.fail(code);
    expect([outcomes, timers.pending]).toEqual([[refused(status, advice)], 0]);
  });
});

describe('rules that change while a connection is open', () => {
  it('are asked about its address, once each', () => {
    const { route, connect, resolve, state } = setUp('db.example', 'db.example:80');
    connect();
    resolve('1.1.1.1');
    expect(route.judgeAgain('10.0.0.1')).toBeUndefined(); // the same rules
    state.rules = rules('*.example:80');
    expect(route.judgeAgain('1.1.1.1')).toBeUndefined();
    state.rules = rules('other.example:80');
    const advice = 'no rule allows db.example:80; to allow it, add the rule db.example:80';
    expect(route.judgeAgain('1.1.1.1')).toBe(advice);
    expect(route.judgeAgain('1.1.1.1')).toBeUndefined();
  });
});
