/** Ports of the relay that a program asks for, with a client that plays. */
import { getEventListeners } from 'node:events';
import { THIS_PROGRAM } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import { Listeners } from '../../src/library/listeners.js';
import { playedClient } from './played-client.js';

function setUp() {
  const client = playedClient();
  const listeners = new Listeners(client.asClient);
  const place = { host: '127.0.0.1', port: 8080 };
  const listening = (forward: string) =>
    listeners.onEvent({ type: 'reverse-listening', forward, place, target: THIS_PROGRAM } as never);
  const refused = (forward: string, status: string) =>
    listeners.onEvent({
      type: 'reverse-refused',
      forward,
      place,
      status,
      advice: 'why',
      retryMs: 1,
    } as never);
  return { client, listeners, listening, refused };
}

describe('a listener', () => {
  it.each<[string | number, string | number, string]>([
    [8080, 'db:5432', '8080:db:5432'],
    [0, 80, '0:localhost:80'],
    ['0.0.0.0:8080', 'unix:/run/app.sock', '0.0.0.0:8080:/run/app.sock'],
  ])('at %s for %s asks for a forward of the client', async (place, target, text) => {
    const { client, listeners, listening } = setUp();
    const opening = listeners.open(place, target);
    listening(text);
    await opening;
    expect([client.calls, client.services]).toEqual([[`add ${text}`], [undefined]]);
  });

  it.each([
    [undefined, false],
    [{ allowHalfOpen: true }, true],
  ])('for a function gives that its visitors, with %j', async (options, allowHalfOpen) => {
    const { client, listeners, listening } = setUp();
    const serve = () => undefined;
    const opening = listeners.open(8080, serve, options);
    listening('8080:this program');
    await opening;
    expect(client.services).toEqual([{ serve, allowHalfOpen }]);
    expect(client.forwards[0]?.spec).toMatchObject({ text: '8080:this program', target: THIS_PROGRAM });
  });

  it('is open when the relay says so, has its port, and ends the forward when it is closed', async () => {
    const { client, listeners, listening } = setUp();
    let isOpen = false;
    const opening = listeners.open(0, 'db:1').then((listener) => {
      isOpen = true;
      return listener;
    });
    listening('0:other:1');
    await new Promise(setImmediate);
    expect(isOpen).toBe(false);
    listening('0:db:1');
    const listener = await opening;
    expect(listener.port).toBeUndefined();
    client.addressesOf('0:db:1').push({ address: '127.0.0.1', port: 41_000 });
    expect(listener.port).toBe(41_000);
    await listener.close();
    expect(client.calls).toEqual(['add 0:db:1', 'remove 0:db:1']);
    const again = listeners.open(0, 'db:1');
    listening('0:db:1');
    await (await again)[Symbol.asyncDispose]();
    expect(client.forwards).toEqual([]);
  });

  it('is refused a second time for the same, while it is asked for and while it listens', async () => {
    const { client, listeners, listening } = setUp();
    const opening = listeners.open(8080, 'db:1');
    client.forwards.length = 0; // the client has not got so far
    const error = { code: 'address-in-use', message: 'this tunnel already listens for 8080:db:1' };
    await expect(listeners.open(8080, 'db:1')).rejects.toMatchObject(error);
    client.forwards.push({ spec: { text: '8080:db:1' }, addresses: [] } as never);
    listening('8080:db:1');
    await opening;
    await expect(listeners.open(8080, 'db:1')).rejects.toMatchObject(error);
    expect(client.calls).toEqual(['add 8080:db:1']);
  });

  it.each([
    ['8080-8081', 'db:1-2', "'8080-8081:db:1-2' is a range of ports"],
    ['8080', 'unix://run/app.sock', 'unix:/run/app.sock'],
    ['x y', 'db:1', 'x y'],
    ['8080', 'db', '8080:db'],
  ])('cannot be at %s for %s', async (place, target, message) => {
    const { client, listeners } = setUp();
    await expect(listeners.open(place, target)).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringContaining(message),
    });
    expect(client.calls).toEqual([]);
  });

  it.each([
    ['not-allowed', 'not-allowed'],
    ['opened', 'internal-error'], // it has opened, and ended at once
  ])('that the relay refuses (%s) leaves nothing behind', async (status, failure) => {
    const { client, listeners, refused } = setUp();
    const { signal } = new AbortController();
    const opening = listeners.open(8080, 'db:1', { signal });
    refused('8080:other:1', status);
    refused('8080:db:1', status);
    await expect(opening).rejects.toMatchObject({ name: 'TunnelError', failure, message: 'why' });
    expect([client.calls, client.forwards]).toEqual([['add 8080:db:1', 'remove 8080:db:1'], []]);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    void listeners.open(8080, 'db:1'); // can be tried again
    expect(client.calls).toHaveLength(3);
  });

  it('that the client cannot start fails for its reason', async () => {
    const { client, listeners } = setUp();
    client.addForward.mockRejectedValueOnce(new Error('too many'));
    await expect(listeners.open(8080, 'db:1')).rejects.toThrow('too many');
    expect(client.calls).toEqual(['remove 8080:db:1']);
  });

  it('is given up when its signal aborts, before or while it waits, but not when it listens', async () => {
    const { client, listeners, listening } = setUp();
    const reason = new Error('enough');
    const aborted = AbortSignal.abort(reason);
    await expect(listeners.open(8080, 'db:1', { signal: aborted })).rejects.toBe(reason);
    expect(client.calls).toEqual([]);
    const abort = new AbortController();
    const { signal } = abort;
    const [waiting, open] = [listeners.open(1, 'db:1', { signal }), listeners.open(2, 'db:1', { signal })];
    listening('2:db:1');
    await open;
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(client.forwards.map(({ spec }) => spec.text)).toEqual(['2:db:1']);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('that waits fails when the tunnel is closed', async () => {
    const { listeners } = setUp();
    const opening = [listeners.open(1, 'db:1'), listeners.open(2, 'db:1')];
    listeners.close();
    for (const listener of opening)
      await expect(listener).rejects.toMatchObject({ code: 'closed', message: 'the tunnel is closed' });
  });
});
