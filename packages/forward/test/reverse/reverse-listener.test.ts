import { StreamErrorCode } from '@underpass/protocol';
import { type StreamHandler, UnderpassError } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import type { ListenPlace } from '../../src/forward-spec.js';
import { REQUEST_STATUSES } from '../../src/request.js';
import { decodeListenAnswer } from '../../src/reverse/reverse-requests.js';
import { type Parts, settled, setUp } from './played-listener.js';

const error = (code: ConstructorParameters<typeof UnderpassError>[0]) =>
  new UnderpassError(code, code, 'a hint');

describe('a listener', () => {
  it.each<[string, string, number, ListenPlace]>([
    ['8000', 'localhost', 8000, { bind: { kind: 'loopback' }, port: 8000 }],
    ['*:8000', '*', 8000, { bind: { kind: 'all' }, port: 8000 }],
    ['192.0.2.1:8000', '192.0.2.1', 8000, { bind: { kind: 'host', host: '192.0.2.1' }, port: 8000 }],
    ['unix:/run/web.sock', '/run/web.sock', 0, { path: '/run/web.sock' }],
  ])('with the rule %s listens on %s %i (spec reverse 2)', async (rule, bind, port, place) => {
    const { ask, places, heard } = setUp(rule);
    const { stream } = await ask(bind, port);
    expect(REQUEST_STATUSES[stream.written[0] as number]).toBe('opened');
    expect(decodeListenAnswer(stream.written.subarray(1))).toBe(port);
    expect(places).toEqual([place]);
    expect(heard).toEqual([`listening: ${bind} ${port}, 127.0.0.1, 0`]);
  });

  it.each<[string, unknown, string]>([
    ['is used by a program', error('address-in-use'), 'address-in-use: address-in-use'],
    ['is not of this machine', error('address-not-available'), 'unreachable: address-not-available'],
    [
      'needs a privilege',
      error('permission-denied'),
      'not-allowed: permission-denied: give the relay CAP_NET_BIND_SERVICE, or choose a port above 1023',
    ],
    ['fails in another way', error('cannot-bind'), 'internal-error: cannot-bind: a hint'],
    ['fails for a reason of its own', new Error('odd'), 'internal-error: Error: odd'],
  ])('whose port %s is refused, and says why', async (_what, failure, refusal) => {
    const { ask, failures, heard, listeners } = setUp('*');
    failures.push(failure);
    const { refused, stream } = await ask('localhost', 8001);
    expect(refused).toEqual([refusal]);
    expect([stream.finished, heard, listeners.open]).toEqual([true, [], []]);
  });

  it('names the peer that has its port (spec reverse 4)', async () => {
    const { ask, failures } = setUp('*');
    failures.push(error('address-in-use'));
    const { refused } = await ask('127.0.0.1', 8000);
    expect(refused).toEqual(['address-in-use: 127.0.0.1:8000 is in use by the peer bob']);
  });

  it('does not name that peer when the port is not what is wrong', async () => {
    const { ask, failures } = setUp('*:*');
    failures.push(error('address-not-available'));
    const { refused } = await ask('192.0.2.9', 8000);
    expect(refused).toEqual([expect.stringMatching(/^unreachable: (?!.*bob)/)]);
  });

  it('is not refused any more once the client has given up', async () => {
    const { request, failures } = setUp('*');
    let fail: (why: Error) => void = () => undefined;
    failures.push(
      new Promise((_resolve, reject) => {
        fail = reject;
      }),
    );
    const { refused, stream, handler } = request('localhost', 8001);
    await settled();
    handler.onReset?.(StreamErrorCode.cancelled);
    fail(error('address-in-use'));
    await settled();
    expect([refused, stream.written.length]).toEqual([[], 0]);
  });

  it('discards what its client sends, and still notices the end', async () => {
    const { ask, listeners } = setUp('*');
    const { stream, handler } = await ask('localhost', 8001);
    const before = stream.bytesRead;
    for (const noise of ['noise', 'more']) stream.arrive(noise);
    handler.onReadable?.();
    expect([stream.bytesRead - before, listeners.open.length]).toEqual([9, 1]);
    stream.arrive('last');
    stream.arriveFin();
    handler.onReadable?.();
    expect(listeners.open).toEqual([]);
  });

  it('waits for the ports that were asked for before, whatever becomes of them (spec reverse 4)', async () => {
    const { request, failures, places, bind, heard, listeners } = setUp('*');
    failures.push('later', error('cannot-bind'));
    for (const port of [8001, 8002, 8003]) request('localhost', port);
    await settled();
    expect(listeners.open).toEqual([]);
    expect(places.map((place) => 'port' in place && place.port)).toEqual([8001]);
    bind();
    for (let turns = 0; turns < 5; turns++) await settled();
    expect(places.map((place) => 'port' in place && place.port)).toEqual([8001, 8002, 8003]);
    expect(heard).toEqual([
      'listening: localhost 8001, 127.0.0.1, 0',
      'listening: localhost 8003, 127.0.0.1, 0',
    ]);
  });

  it('is closed as soon as it listens if its peer has ended meanwhile', async () => {
    const { request, failures, listeners, bind, isClosed, heard } = setUp('*');
    failures.push('later');
    const { stream } = request('localhost', 8001);
    await settled();
    await listeners.close('the relay stops');
    expect(isClosed()).toBe(false);
    bind();
    for (let turns = 0; turns < 5; turns++) await settled();
    expect([isClosed(), heard, listeners.open, stream.written.length]).toEqual([true, [], [], 0]);
  });

  it('tries the next port only when one is in use', async () => {
    const { ask, failures, places } = setUp('8000-8003');
    failures.push(error('address-in-use'), error('permission-denied'));
    expect((await ask('localhost', 0)).refused[0]).toContain('not-allowed');
    expect(places).toHaveLength(2);
  });

  it.each<[string, (parts: Parts, handler: StreamHandler) => void, readonly string[]]>([
    ['the client gives up', (_parts, handler) => handler.onReset?.(StreamErrorCode.cancelled), []],
    [
      'its rule is removed',
      ({ setRules }) => setRules(),
      ['not-allowed: its listen rule was removed meanwhile'],
    ],
  ])('closes its port if %s while the system opens it', async (_what, happen, refusals) => {
    const parts = setUp('*');
    const { request, failures, bind, heard, isClosed, listeners } = parts;
    failures.push('later');
    const { handler, refused } = request('localhost', 8001);
    await settled();
    happen(parts, handler);
    bind();
    await settled();
    expect([isClosed(), refused, heard, listeners.open]).toEqual([true, refusals, [], []]);
  });

  it('is closed at once for a client that reads no more when it opens', async () => {
    const { request, failures, bind, heard, isClosed } = setUp('*');
    failures.push('later');
    const { handler, stream } = request('localhost', 8001);
    await settled();
    handler.onStopped?.(StreamErrorCode.cancelled);
    bind();
    await settled();
    expect([isClosed(), stream.resetCode]).toEqual([true, StreamErrorCode.cancelled]);
    expect(heard.at(-1)).toBe('end: localhost 8001, 127.0.0.1, 0: the client closed it');
  });

  it.each<[string, number, string]>([
    ['lost', StreamErrorCode.connectionLost, 'its client is gone'],
    ['reset', StreamErrorCode.cancelled, 'the client closed it'],
  ])('ends once, and wakes the driver, when its stream is %s', async (_what, code, reason) => {
    const { ask, heard, isClosed, takeWakes, listeners } = setUp('*');
    const { handler, stream } = await ask('localhost', 8001);
    expect(listeners.open).toHaveLength(1);
    takeWakes();
    handler.onReset?.(code);
    handler.onClosed?.();
    expect(isClosed()).toBe(true);
    expect(heard.slice(1)).toEqual([`end: localhost 8001, 127.0.0.1, 0: ${reason}`]);
    expect([stream.resetCode, listeners.open.length]).toEqual([StreamErrorCode.cancelled, 0]);
    expect(takeWakes()).toBeGreaterThan(0);
  });

  it('is gone with its client when the stream closes without another sign', async () => {
    const { ask, heard } = setUp('*');
    (await ask('localhost', 8001)).handler.onClosed?.();
    expect(heard.at(-1)).toContain(': its client is gone');
  });

  it('ends with its peer: the stream and the visitors are reset', async () => {
    const { ask, visit, listeners, heard, takeWakes } = setUp('*');
    const { stream } = await ask('localhost', 8001);
    const visitor = visit();
    takeWakes();
    const closed = listeners.close('the peer was revoked');
    expect([stream.resetCode, stream.stopCode]).toEqual([StreamErrorCode.refused, StreamErrorCode.refused]);
    expect([visitor.isReset, takeWakes() > 0]).toEqual([true, true]);
    expect(heard).toContain('end: localhost 8001, 127.0.0.1, 1: the peer was revoked');
    visitor.close();
    await closed;
  });
});
