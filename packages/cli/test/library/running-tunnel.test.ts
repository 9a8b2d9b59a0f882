/** What a tunnel makes of its client: events, status, targets and its end. */
import http from 'node:http';
import https from 'node:https';
import { Duplex } from 'node:stream';
import type { ClientEvent } from '@underpass/client';
import { describe, expect, it, vi } from 'vitest';
import { RunningTunnel } from '../../src/library/running-tunnel.js';
import { playedClient } from './played-client.js';

function setUp() {
  const client = playedClient();
  const tunnel = new RunningTunnel(client.asClient, { host: 'relay.example', port: 51_820 }, () =>
    client.calls.push('closed'),
  );
  const events: unknown[] = [];
  for (const name of ['connected', 'disconnected', 'waiting', 'resumed', 'problem', 'close'] as const)
    tunnel.on(name, (...event: unknown[]) => events.push([name, ...event]));
  return { client, tunnel, events };
}

const DISCONNECTED = { cause: 'removed', reason: 'why' } as const;
const PROBLEM = { kind: 'unresolved', host: 'relay.example', port: 51_820, code: 'ENOTFOUND' } as const;

describe('a tunnel', () => {
  it.each<[ClientEvent, unknown]>([
    [{ type: 'connected', handshakeRttMs: 5 }, ['connected']],
    [
      { type: 'disconnected', ...DISCONNECTED, lostStreams: 3 },
      ['disconnected', { ...DISCONNECTED, lostConnections: 3 }],
    ],
    [{ type: 'waiting', silentMs: 7 }, ['waiting', { silentMs: 7 }]],
    [{ type: 'resumed', silentMs: 8 }, ['resumed', { silentMs: 8 }]],
    [
      { type: 'contact-problem', problem: PROBLEM },
      [
        'problem',
        {
          code: 'ENOTFOUND',
          message:
            "the relay's name relay.example does not exist (ENOTFOUND): check the name and this machine's network",
        },
      ],
    ],
  ])('reports the event %j of its client', (event, expected) => {
    const { tunnel, events } = setUp();
    tunnel.onEvent(event);
    expect(events).toEqual([expected]);
  });

  it('keeps what is of no use to a program, and hears for its listeners what the relay says', async () => {
    const { tunnel, events } = setUp();
    tunnel.onEvent({ type: 'path-fragments', datagramBytes: 1 });
    const opening = tunnel.listen(8080, 'db:1');
    const place = { bind: { kind: 'loopback' }, port: 8080 } as never;
    tunnel.onEvent({
      type: 'reverse-listening',
      forward: '8080:db:1',
      place,
      target: { host: 'db', port: 1 },
    });
    await opening;
    expect(events).toEqual([]);
  });

  it.each([
    ['db:5432', { host: 'db', port: 5432 }],
    [
      { host: 'db', port: 5432 },
      { host: 'db', port: 5432 },
    ],
    ['[::1]:80', { host: '::1', port: 80 }],
    [
      { host: '::1', port: 80 },
      { host: '::1', port: 80 },
    ],
    ['unix:/run/app.sock', { path: '/run/app.sock' }],
    [{ path: '/run/app.sock' }, { path: '/run/app.sock' }],
  ])('dials %j', (target, parsed) => {
    const { client, tunnel } = setUp();
    const options = { allowHalfOpen: true };
    expect(tunnel.dial(target, options)).toEqual({ target: parsed, options });
    expect(client.dial).toHaveBeenCalledTimes(1);
  });

  it('dials for its connector and its agents', async () => {
    const { client, tunnel } = setUp();
    const socket = () => {
      const duplex = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
      return Object.assign(duplex, { ref: () => undefined, setTimeout: () => undefined });
    };
    client.dial.mockImplementation(socket as never);
    tunnel.connector({ protocol: 'http:', hostname: 'a', port: '1' }, () => undefined);
    http
      .get({ agent: tunnel.httpAgent(), host: 'b' })
      .on('error', () => undefined)
      .destroy();
    https
      .get({ agent: tunnel.httpsAgent(), host: 'c' })
      .on('error', () => undefined)
      .destroy();
    await vi.waitUntil(() => client.dial.mock.calls.length === 3);
    const targets = client.dial.mock.calls.map(([target]) => target);
    expect(targets).toEqual([
      { host: 'a', port: 1 },
      { host: 'b', port: 80 },
      { host: 'c', port: 443 },
    ]);
  });

  it.each(['db', { host: 'a b', port: 1 }, { host: 'db', port: 65_536 }, { path: 'relative' }])(
    'does not dial %j',
    (target) => {
      const { client, tunnel } = setUp();
      expect(() => tunnel.dial(target)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
      expect(client.dial).not.toHaveBeenCalled();
    },
  );

  it.each([
    [true, undefined, [true, false]],
    [true, 5, [true, true]],
    [false, undefined, [false, false]],
  ])('says how it is (connected: %s, waiting since %s)', (connected, waitingSince, expected) => {
    const { client, tunnel } = setUp();
    const relay = {
      connected,
      waitingSince,
      smoothedRttMs: 1,
      bytesSent: 2,
      bytesReceived: 3,
      packetsLost: 4,
    };
    const streams = [{ id: 5, target: { host: '::1', port: 80 }, from: 'a', openedAt: 0 }];
    client.status.mockReturnValue({ relay, suite: 'sodium', streams });
    expect(tunnel.status()).toEqual({
      relay: { host: 'relay.example', port: 51_820 },
      connected: expected[0],
      waiting: expected[1],
      rttMs: 1,
      bytesSent: 2,
      bytesReceived: 3,
      packetsLost: 4,
      suite: 'sodium',
      connections: [{ id: 5, target: '[::1]:80' }],
    });
    void tunnel.close();
    expect(tunnel.status().connected).toBe(false);
  });

  it('ends what waits, then its client, then says so, and is of no use from the beginning on', async () => {
    const { client, tunnel, events } = setUp();
    const opening = tunnel.listen(8080, 'db:1');
    const listening = expect(opening).rejects.toMatchObject({ code: 'closed' });
    const closed = tunnel.close();
    expect(() => tunnel.dial('db:1')).toThrow('the tunnel is closed');
    await expect(tunnel.listen(1, 'db:1')).rejects.toThrow('the tunnel is closed');
    await Promise.all([closed, tunnel[Symbol.asyncDispose](), listening]);
    expect(client.calls.filter((call) => call.startsWith('close'))).toEqual(['close', 'closed']);
    expect(events).toEqual([['close']]);
  });

  it('closes with a signal', () => {
    const { client, tunnel } = setUp();
    const abort = new AbortController();
    tunnel.closeWith(abort.signal);
    expect(client.calls).toEqual([]);
    abort.abort();
    expect(client.calls).toEqual(['close']);
  });
});
