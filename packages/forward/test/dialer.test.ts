import { once } from 'node:events';
import { systemTimers } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { type DialOutcome, dial } from '../src/dialer.js';
import { FakeConnects } from './fake-connects.js';
import { FakeTimers } from './fake-timers.js';
import { listen } from './sockets.js';

function setUp(addresses: readonly string[]) {
  const timers = new FakeTimers();
  const connects = new FakeConnects();
  const outcomes: DialOutcome[] = [];
  const callOff = dial(
    {
      addresses,
      port: 80,
      timeoutMs: 10_000,
      timers,
      connectTcp: connects.connectTcp,
    },
    (outcome) => outcomes.push(outcome),
  );
  return { timers, connects, outcomes, callOff };
}

type SetUp = ReturnType<typeof setUp>;

describe('dialling', () => {
  it('connects to the first address that answers (spec forwarding 2.4)', () => {
    const { connects, outcomes, timers } = setUp(['192.0.2.1', '2001:db8::1', '192.0.2.3']);
    connects.fail('ECONNREFUSED');
    connects.succeed();
    expect(connects.made).toEqual(['192.0.2.1 80', '2001:db8::1 80']);
    expect(outcomes).toEqual([{ ok: true, socket: connects.sockets[1], address: '2001:db8::1' }]);
    expect(connects.sockets.map(({ destroyed }) => destroyed)).toEqual([true, false]);
    expect(timers.pending).toBe(0);
  });

  it.each([
    ['ECONNREFUSED', 'connection-refused'],
    ['ECONNRESET', 'connection-refused'],
    ['ENETUNREACH', 'unreachable'],
    ['EHOSTUNREACH', 'unreachable'],
    ['EACCES', 'unreachable'],
    ['EADDRNOTAVAIL', 'unreachable'],
    ['ETIMEDOUT', 'timed-out'],
    ['EMFILE', 'internal-error'],
    ['ENFILE', 'internal-error'],
    ['ENOBUFS', 'internal-error'],
    ['ENOMEM', 'internal-error'],
  ])('reports %s as %s (spec forwarding 2.4)', (code, status) => {
    const { connects, outcomes } = setUp(['192.0.2.1']);
    connects.fail(code);
    expect(outcomes).toEqual([{ ok: false, status }]);
  });

  it.each([
    [['ECONNREFUSED', 'ENETUNREACH'], 'connection-refused'],
    [['ENETUNREACH', 'ECONNREFUSED'], 'connection-refused'],
    [['ENETUNREACH', 'ETIMEDOUT'], 'timed-out'],
    [['EMFILE', 'ECONNREFUSED'], 'internal-error'],
  ])('reports the most informative of the failures %j: %s (spec forwarding 2.4)', (codes, status) => {
    const { connects, outcomes } = setUp(['192.0.2.1', '192.0.2.2']);
    for (const code of codes) connects.fail(code);
    expect(outcomes).toEqual([{ ok: false, status }]);
  });

  it('leaves no listener of its own on the connection that it hands over', () => {
    const { connects, outcomes } = setUp(['192.0.2.1']);
    connects.succeed();
    expect(connects.sockets[0]?.eventNames()).toEqual([]);
    expect(outcomes).toHaveLength(1);
  });

  it.each([
    ['failed', ({ connects }: SetUp) => connects.fail('ECONNREFUSED')],
    ['been cancelled', ({ callOff }: SetUp) => callOff()],
    ['not answered in time', ({ timers }: SetUp) => timers.advance(10_000)],
  ])('ignores whatever becomes of an attempt that has %s', (_what, end) => {
    const parts = setUp(['192.0.2.1']);
    const { connects, outcomes, timers } = parts;
    end(parts);
    const before = outcomes.length;
    connects.succeed();
    connects.fail('EPIPE');
    timers.advance(20_000);
    expect([outcomes.length, connects.made.length, timers.pending]).toEqual([before, 1, 0]);
    expect(connects.sockets[0]?.destroyed).toBe(true);
  });

  it('gives the next attempt its own 250 ms when one fails early', () => {
    const { connects, timers } = setUp(['192.0.2.1', '192.0.2.2', '192.0.2.3']);
    timers.advance(200);
    connects.fail('ECONNREFUSED');
    expect(connects.made).toHaveLength(2);
    timers.advance(249);
    expect(connects.made).toHaveLength(2);
    timers.advance(1);
    expect(connects.made).toHaveLength(3);
    timers.advance(1000);
    expect(connects.made).toHaveLength(3);
  });

  it('tries the next address as soon as one fails, also while an earlier one is silent', () => {
    const { connects, timers } = setUp(['192.0.2.1', '192.0.2.2', '192.0.2.3']);
    timers.advance(250);
    connects.fail('ENETUNREACH');
    expect(connects.made).toEqual(['192.0.2.1 80', '192.0.2.2 80', '192.0.2.3 80']);
    expect(connects.sockets[0]?.destroyed).toBe(false);
  });

  it('also tries the next address when the first has not answered after 250 ms (spec forwarding 2.4: "MUST NOT wait for an attempt")', () => {
    const { connects, outcomes, timers } = setUp(['2001:db8::1', '192.0.2.1', '192.0.2.2']);
    timers.advance(249);
    expect(connects.made).toHaveLength(1);
    timers.advance(1);
    expect(connects.made).toEqual(['2001:db8::1 80', '192.0.2.1 80']);
    expect(connects.sockets[0]?.destroyed).toBe(false);
    connects.succeed();
    expect(outcomes).toEqual([{ ok: true, socket: connects.sockets[1], address: '192.0.2.1' }]);
    expect(connects.sockets.map(({ destroyed }) => destroyed)).toEqual([true, false]);
    timers.advance(20_000);
    expect([connects.made.length, timers.pending]).toEqual([2, 0]);
  });

  it('takes the first to connect, even if that is the earlier attempt (spec forwarding 2.4)', () => {
    const { connects, outcomes, timers } = setUp(['192.0.2.1', '192.0.2.2']);
    timers.advance(250);
    connects.sockets[0]?.emit('connect');
    expect(outcomes).toEqual([{ ok: true, socket: connects.sockets[0], address: '192.0.2.1' }]);
    expect(connects.sockets.map(({ destroyed }) => destroyed)).toEqual([false, true]);
    connects.fail('ECONNREFUSED'); // already on its way
    expect(outcomes).toHaveLength(1);
  });

  it('waits for attempts under way when the last address fails (spec forwarding 2.4)', () => {
    const { connects, outcomes, timers } = setUp(['192.0.2.1', '192.0.2.2']);
    timers.advance(250);
    connects.fail('ECONNREFUSED');
    timers.advance(9_749);
    expect(outcomes).toEqual([]);
    timers.advance(1);
    expect(outcomes).toEqual([{ ok: false, status: 'connection-refused' }]);
    expect([timers.pending, connects.sockets[0]?.destroyed]).toEqual([0, true]);
  });

  it('gives up on silent addresses after 10 s in all (spec forwarding 2.4)', () => {
    const { connects, outcomes, timers } = setUp(['192.0.2.1', '192.0.2.2']);
    timers.advance(9_999);
    expect([connects.made.length, outcomes]).toEqual([2, []]);
    timers.advance(1);
    expect(outcomes).toEqual([{ ok: false, status: 'timed-out' }]);
    expect(connects.sockets.map(({ destroyed }) => destroyed)).toEqual([true, true]);
    expect(timers.pending).toBe(0);
  });

  it('does nothing more once it is cancelled', () => {
    const { connects, outcomes, timers, callOff } = setUp(['192.0.2.1', '192.0.2.2']);
    callOff();
    connects.fail('ECONNREFUSED'); // already on its way
    timers.advance(20_000);
    expect([outcomes, connects.made.length, connects.sockets[0]?.destroyed, timers.pending]).toEqual([
      [],
      1,
      true,
      0,
    ]);
  });

  it('returns a real socket whose directions end independently', async () => {
    const { port } = await listen((socket) => void socket.end('bye'));
    const outcome = await dialReally(port);
    if (!outcome.ok) throw new Error(outcome.status);
    outcome.socket.resume();
    await once(outcome.socket, 'end');
    expect(outcome.socket.writable).toBe(true);
    outcome.socket.destroy();
  });

  it('reports a refused connection from a real port without a listener', async () => {
    const { port, server } = await listen();
    server.close();
    await once(server, 'close');
    expect(await dialReally(port)).toEqual({ ok: false, status: 'connection-refused' });
  });
});

function dialReally(port: number): Promise<DialOutcome> {
  const options = { port, timeoutMs: 10_000, timers: systemTimers };
  return new Promise((resolve) => {
    dial({ addresses: ['127.0.0.1'], ...options }, resolve);
  });
}
