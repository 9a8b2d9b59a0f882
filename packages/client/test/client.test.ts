import { randomBytes } from 'node:crypto';
import { silentLog, systemTimers } from '@underpass/runtime';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ClientOptions } from '../src/index.js';
import { startClient } from '../src/index.js';

/** Counts the system's timers that are set and have neither fired nor been cleared. */
function countTimers(): () => number {
  const pending = new Set<object>();
  const { set, clear } = systemTimers;
  vi.spyOn(systemTimers, 'set').mockImplementation((callback, delayMs) => {
    const timer = set(() => {
      pending.delete(timer);
      callback();
    }, delayMs);
    pending.add(timer);
    return timer;
  });
  vi.spyOn(systemTimers, 'clear').mockImplementation((timer) => {
    pending.delete(timer);
    clear(timer);
  });
  onTestFinished(() => void vi.restoreAllMocks());
  return () => pending.size;
}

const optionsFor = (host: string, lookUp: ClientOptions['lookUp']): ClientOptions => ({
  relay: { host, port: 9 },
  relayPublicKey: randomBytes(32),
  privateKey: randomBytes(32),
  forwards: [],
  log: silentLog,
  ...(lookUp && { lookUp }),
});

describe('a client that is closed', () => {
  it.each<[string, string, ClientOptions['lookUp']]>([
    [
      'whose name does not resolve',
      'relay.example',
      () => Promise.reject(Object.assign(new Error(), { code: 'EAI_AGAIN' })),
    ],
    ['whose name has two addresses', 'relay.example', async () => ['127.0.0.1', '::1']],
    ['with an address', '127.0.0.1', undefined],
  ])('leaves no timer behind, with a relay %s', async (_, host, lookUp) => {
    const pending = countTimers();
    const client = await startClient(optionsFor(host, lookUp));
    client.connect();
    await new Promise(setImmediate);
    expect(pending()).toBeGreaterThan(0);
    await client.close();
    expect(pending()).toBe(0);
  });

  it('does not look for its relay any more when a lookup ends later', async () => {
    const pending = countTimers();
    let answer: (addresses: readonly string[]) => void = () => {};
    const client = await startClient(
      optionsFor('relay.example', () => new Promise((resolve) => (answer = resolve))),
    );
    client.connect();
    await client.close();
    answer(['127.0.0.1', '::1']);
    await new Promise(setImmediate);
    expect([client.status().relay.address, pending()]).toEqual([undefined, 0]);
  });

  it('rejects whoever waits for a connection, opens no stream and closes once', async () => {
    const client = await startClient(optionsFor('127.0.0.1', undefined));
    const waiting = expect(client.connected()).rejects.toThrow('the client is closed');
    const closing = client.close();
    expect(client.close()).toBe(closing);
    await closing;
    await waiting;
    await expect(client.connected()).rejects.toThrow('the client is closed');
    expect(await client.probe({ uploadBytes: 1, downloadBytes: 1 } as never)).toEqual({
      ok: false,
      reason: 'too-many-streams',
    });
  });
});
