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
      now: timers.now,
      connectTcp: connects.connectTcp,
    },
    (outcome) => outcomes.push(outcome),
  );
  return { timers, connects, outcomes, callOff };
}

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
  ])('tells of %s as %s (spec forwarding 2.4)', (code, status) => {
    const { connects, outcomes } = setUp(['192.0.2.1']);
    connects.fail(code);
    expect(outcomes).toEqual([{ ok: false, status }]);
  });

  it('lets the last of several failures count (spec forwarding 2.4)', () => {
    const { connects, outcomes } = setUp(['192.0.2.1', '192.0.2.2']);
    connects.fail('ECONNREFUSED');
    connects.fail('ENETUNREACH');
    expect(outcomes).toEqual([{ ok: false, status: 'unreachable' }]);
  });

  it('gives an address that swallows everything its share of the time only (spec forwarding 2.4)', () => {
    const { connects, outcomes, timers } = setUp(['192.0.2.1', '192.0.2.2']);
    timers.advance(4999);
    expect(connects.made).toHaveLength(1);
    timers.advance(1);
    expect(connects.made).toHaveLength(2);
    expect(connects.sockets[0]?.destroyed).toBe(true);
    timers.advance(4999);
    expect(outcomes).toEqual([]);
    timers.advance(1);
    expect(outcomes).toEqual([{ ok: false, status: 'timed-out' }]);
    expect(timers.pending).toBe(0);
  });

  it('does nothing more once it is called off', () => {
    const { connects, outcomes, timers, callOff } = setUp(['192.0.2.1', '192.0.2.2']);
    callOff();
    connects.fail('ECONNREFUSED'); // on its way already
    timers.advance(20_000);
    expect([outcomes, connects.made.length, connects.sockets[0]?.destroyed, timers.pending]).toEqual([
      [],
      1,
      true,
      0,
    ]);
  });

  it('gives a real socket whose two directions end by themselves', async () => {
    const { port } = await listen((socket) => void socket.end('bye'));
    const outcome = await dialReally(port);
    if (!outcome.ok) throw new Error(outcome.status);
    outcome.socket.resume();
    await once(outcome.socket, 'end');
    expect(outcome.socket.writable).toBe(true);
    outcome.socket.destroy();
  });

  it('hears from a real port that nothing listens there', async () => {
    const { port, server } = await listen();
    server.close();
    await once(server, 'close');
    expect(await dialReally(port)).toEqual({ ok: false, status: 'connection-refused' });
  });
});

function dialReally(port: number): Promise<DialOutcome> {
  const options = { port, timeoutMs: 10_000, timers: systemTimers, now: () => 0 };
  return new Promise((resolve) => {
    dial({ addresses: ['127.0.0.1'], ...options }, resolve);
  });
}
