/** The messages of a client's log, as its user reads them. */
import type { BoundForward, ClientEvent, ContactProblem, DisconnectCause } from '@underpass/client';
import { parseDynamicForward, parseLocalForwards, parseUdpForwards } from '@underpass/forward';
import { describe, expect, it, test } from 'vitest';
import {
  formatMilliseconds,
  logClientEvent,
  logClientSummary,
  logForward,
} from '../../src/commands/client-log.js';
import { recordingLog } from './recording-log.js';

function words(event: ClientEvent): string {
  const log = recordingLog();
  logClientEvent(log, event);
  expect(log.lines).toHaveLength(1);
  return log.lines[0] as string;
}

describe("a client's log", () => {
  test.each<[DisconnectCause, number, string]>([
    ['relay-restarted', 3, 'the relay was restarted: 3 connections are lost'],
    ['relay-restarted', 0, 'the relay was restarted: no connection is lost'],
    [
      'relay-stopped',
      1,
      'the relay was stopped: 1 connection is lost; new connections wait for it, up to the connect timeout',
    ],
    [
      'removed',
      2,
      'the relay no longer accepts this client (why): 2 connections are lost; ask whoever runs the relay',
    ],
    [
      'superseded',
      2,
      'another client with the same key has connected: 2 connections are lost; give each client its own key',
    ],
    [
      'error-at-relay',
      0,
      'the relay ended the connection (why): no connection is lost; the next connection reconnects',
    ],
    [
      'error',
      1,
      'disconnected (why): 1 connection is lost; the next connection through the tunnel reconnects',
    ],
  ])('explains a disconnect: %s, %i lost', (cause, lostStreams, expected) => {
    expect(words({ type: 'disconnected', cause, reason: 'why', lostStreams })).toBe(`warn ${expected}`);
  });

  const at = { host: '10.77.0.2', port: 51_821 };
  test.each<[ContactProblem, string]>([
    [
      { ...at, kind: 'cannot-send', code: 'ENETUNREACH' },
      "this machine cannot send to 10.77.0.2 (network is unreachable): check this machine's network and its own firewall",
    ],
    [
      { ...at, kind: 'cannot-send', code: 'EPERM' },
      "this machine cannot send to 10.77.0.2 (operation not permitted): check this machine's network and its own firewall",
    ],
    [
      { ...at, kind: 'not-listening', code: 'ECONNREFUSED' },
      '10.77.0.2 answers, but nothing listens on UDP 51821: start the relay, or check the port; a firewall that rejects packets looks the same',
    ],
    [
      { ...at, kind: 'unreachable', code: 'EHOSTUNREACH' },
      '10.77.0.2 cannot be reached, according to a router or the host itself (no route to host): check the address and the firewalls on the path',
    ],
    [
      { host: 'relay.example', port: 1, kind: 'unresolved', code: 'EAI_AGAIN' },
      "the relay's name relay.example does not resolve yet (EAI_AGAIN): check the name and this machine's network",
    ],
    [
      { host: 'relay.example', port: 1, kind: 'unresolved', code: 'ENOTFOUND' },
      "the relay's name relay.example does not exist (ENOTFOUND): check the name and this machine's network",
    ],
  ])('explains why the relay cannot be reached: %o (spec outage 9)', (problem, expected) => {
    expect(words({ type: 'contact-problem', problem })).toBe(`warn ${expected} (still trying)`);
  });

  test.each<[number, ContactProblem | undefined, string]>([
    [
      0,
      undefined,
      "for 10 s: check that the relay runs, that UDP reaches it, that each side has the other's public key, and that this machine's clock is right",
    ],
    [
      2,
      { ...at, kind: 'not-listening', code: 'ECONNREFUSED' },
      'for 10 s, 2 connections wait: 10.77.0.2 answers, but nothing listens on UDP 51821',
    ],
  ])('reports silence while %i connections wait (spec outage 9)', (waitingConnections, problem, expected) => {
    const event = { relay: at, silentMs: 10_000, waitingConnections, problem };
    expect(words({ type: 'no-answer', ...event })).toBe(
      `warn no answer from 10.77.0.2:51821 ${expected} (still trying)`,
    );
  });

  test('reports a connection that was given up (spec outage 8)', () => {
    const target = { host: 'localhost', port: 80 };
    expect(words({ type: 'given-up', id: 1, target, waitedMs: 30_000 })).toBe(
      'warn the relay was not reached within 30 s: the connection to localhost:80 was reset; a new one tries again',
    );
  });

  test('reports that the path fragments packets (spec mtu 3.6)', () => {
    expect(words({ type: 'path-fragments', datagramBytes: 1152 })).toBe(
      'warn the path to the relay fragments packets of 1200 bytes, which is slower, and some firewalls drop fragments: raise the MTU of the link or tunnel below to at least 1200',
    );
  });

  test('reports that connections wait (spec outage 2)', () => {
    expect(words({ type: 'waiting', silentMs: 2_500 })).toBe(
      'warn the relay has not answered for 2.5 s: connections wait until it does',
    );
  });
});

describe('the line about a forward', () => {
  const addresses = [{ address: '127.0.0.1', port: 8080 }];

  function lines(spec: unknown, bound: Partial<BoundForward> = {}): readonly string[] {
    const log = recordingLog();
    logForward(log, { spec, addresses, ...bound } as BoundForward);
    return log.lines;
  }

  test('says where it listens, and for which target', () => {
    const [spec] = parseLocalForwards('8080:example.com:80') as readonly unknown[];
    expect(lines(spec)).toEqual(['info listening on 127.0.0.1:8080 for example.com:80']);
    const [unix] = parseLocalForwards('/a.sock:/b.sock') as readonly unknown[];
    expect(lines(unix, { path: '/a.sock' })).toEqual(['info listening on unix:/a.sock for unix:/b.sock']);
  });

  test('names each place where it listens, and the target of UDP as such', () => {
    const addresses = ['127.0.0.1', '::1'].map((address) => ({ address, port: 53 }));
    const [udp] = parseUdpForwards('53:dns:53') as readonly unknown[];
    expect(lines(udp, { addresses })).toEqual(['info listening on 127.0.0.1:53 and [::1]:53 for dns:53/udp']);
    expect(lines(parseDynamicForward('*:53'), { addresses })[1]).toMatch(
      /^warn anyone who reaches 127\.0\.0\.1:53 or \[::1\]:53 can use/,
    );
  });

  test.each(['8080', '127.0.0.1:8080', '[::1]:8080', 'localhost:8080', '/a.sock'])(
    'of a dynamic forward at %s warns about nothing',
    (text) => {
      expect(lines(parseDynamicForward(text))).toEqual([
        'info listening on 127.0.0.1:8080 for any target, by SOCKS or HTTP CONNECT',
      ]);
    },
  );

  test.each(['*:8080', ':8080', '192.0.2.7:8080'])('of a dynamic forward at %s warns', (text) => {
    expect(lines(parseDynamicForward(text))[1]).toBe(
      "warn anyone who reaches 127.0.0.1:8080 can use this client's access, because a dynamic forward has no password: limit it with a firewall",
    );
  });
});

describe("a client's log, for each other event", () => {
  const target = { host: 'db.internal', port: 5432 };
  const forward = '8080:db.internal:5432';
  const place = { bind: 'localhost', port: 8080 };
  const visitor = { id: 1, forward, target, from: '192.0.2.1:5' } as const;
  const closed = { type: 'stream-closed', id: 1, target, bytesSent: 10, bytesReceived: 20 } as const;
  test.each<[ClientEvent, string]>([
    [{ type: 'connected', handshakeRttMs: 12.3456 }, 'info connected to the relay (handshake 12 ms)'],
    [{ type: 'connected', handshakeRttMs: undefined }, 'info connected to the relay'],
    [{ type: 'resumed', silentMs: 65_000 }, 'info the relay answers again after 65 s'],
    [
      { type: 'stream-opened', id: 1, target, from: '127.0.0.1:40000' },
      'debug 127.0.0.1:40000 opened db.internal:5432',
    ],
    [
      { type: 'proxy-refused', from: '127.0.0.1:40000', reason: 'BIND' },
      'warn 127.0.0.1:40000 asked the dynamic forward for something it does not do: BIND',
    ],
    [{ type: 'refused', id: 1, target, status: 'not-allowed', advice: 'what to do' }, 'warn what to do'],
    [
      { type: 'message-too-large', id: 1, target, bytes: 1_500, maxBytes: 1_300 },
      'warn db.internal:5432: a message of 1500 bytes was dropped, and so are others above 1300, the most that the path through the tunnel carries: have the program send smaller ones',
    ],
    [{ ...closed, clean: true }, 'debug closed db.internal:5432: 10 bytes out, 20 in'],
    [{ ...closed, clean: false }, 'debug lost db.internal:5432: 10 bytes out, 20 in'],
    [
      { type: 'reverse-listening', forward, place, target },
      'info the relay listens on localhost:8080 for db.internal:5432',
    ],
    [
      {
        type: 'reverse-refused',
        forward,
        place,
        status: 'not-allowed',
        advice: 'what to do',
        retryMs: 60_000,
      },
      'warn what to do; asking again in 60 s',
    ],
    [{ type: 'visitor-opened', ...visitor }, 'debug 192.0.2.1:5 reached db.internal:5432 through the relay'],
    [{ type: 'visitor-refused', ...visitor, status: 'timed-out', advice: 'what to do' }, 'warn what to do'],
    [
      { type: 'visitor-closed', ...visitor, bytesSent: 1, bytesReceived: 2, clean: true },
      'debug 192.0.2.1:5 closed db.internal:5432: 1 bytes out, 2 in',
    ],
    [
      { type: 'visitor-closed', ...visitor, bytesSent: 1, bytesReceived: 2, clean: false },
      'debug 192.0.2.1:5 lost db.internal:5432: 1 bytes out, 2 in',
    ],
  ])('%j', (event, expected) => {
    expect(words(event)).toBe(expected);
  });
});

it('does not make a line for each connection that nobody would see', () => {
  const log = { ...recordingLog(), isLevelEnabled: (level: string) => level !== 'debug' };
  const target = { host: 'db', port: 5432 };
  logClientEvent(log, { type: 'stream-opened', id: 1, target, from: '127.0.0.1:40000' });
  expect(log.lines).toEqual([]);
  const verbose = { ...recordingLog(), isLevelEnabled: () => true };
  logClientEvent(verbose, { type: 'stream-opened', id: 1, target, from: '127.0.0.1:40000' });
  expect(verbose.lines).toHaveLength(1);
});

it('says where it asks the relay to listen, and on which address and port', () => {
  const log = recordingLog();
  const spec = {
    kind: 'reverse',
    text: '8080:localhost:80',
    place: { bind: { kind: 'loopback' }, port: 8080 },
    target: { host: 'localhost', port: 80 },
  } as const;
  logForward(log, { spec, addresses: [] });
  expect(log.lines).toEqual(['info asking the relay to listen on localhost:8080 for localhost:80']);
  expect(log.fields).toEqual([
    { event: 'asking', forward: '8080:localhost:80', listener: 'localhost:8080', target: 'localhost:80' },
  ]);
});

it('ends with the totals', () => {
  const log = recordingLog();
  const relay = {
    handshakes: 2,
    streamBytesSent: 1536,
    datagramsSent: 3,
    streamBytesReceived: 4,
    datagramsReceived: 5,
  };
  logClientSummary(log, { suite: 'node', relay } as never);
  expect(log.lines).toEqual(['info relay: 1.5 KiB sent in 3 datagrams, 4 bytes received in 5']);
  expect(log.fields).toMatchObject([{ event: 'summary', suite: 'node', handshakes: 2 }]);
});

it.each([
  [0.04, '0.0 ms'],
  [9.94, '9.9 ms'],
  [10, '10 ms'],
  [1234.5, '1235 ms'],
])('writes a round trip of %d ms as %s', (milliseconds, text) => {
  expect(formatMilliseconds(milliseconds)).toBe(text);
});
