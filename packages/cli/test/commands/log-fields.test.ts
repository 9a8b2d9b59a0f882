/** The level and the fields of each event in the log, which programs read (docs/cli.md, 'Log events'). */
import type { BoundForward, ClientEvent } from '@underpass/client';
import { parseDynamicForward, parseLocalForwards } from '@underpass/forward';
import type { RelayEvent } from '@underpass/relay';
import { expect, test } from 'vitest';
import { logClientEvent, logForward } from '../../src/commands/client-log.js';
import { logRelayEvent } from '../../src/commands/relay-log.js';
import { recordingLog } from './recording-log.js';

/** Events without their type, with the level and the fields besides `event` that they have in the log. */
type Cases<Event extends { readonly type: string }> = {
  readonly [Type in Event['type']]: readonly (readonly [
    event: Omit<Extract<Event, { readonly type: Type }>, 'type'>,
    level: 'debug' | 'info' | 'warn' | 'error',
    fields: object,
  ])[];
};

const from = { address: '192.0.2.1', port: 40_000 };
const to = { address: '192.0.2.2', port: 5 };
const target = { host: 'db', port: 5432 };
const publicKey = new Uint8Array(32);
const KEY_TEXT = `${'A'.repeat(43)}=`;
const peer = 'laptop';
const listener = 'localhost:8080';
const advice = 'what to do';
const moved = { bytesSent: 1, bytesReceived: 2 };
const idle = { ...moved, clean: false, idleMs: 120_000 };

const RELAY: Cases<RelayEvent> = {
  'peer-connected': [[{ peer, address: from }, 'info', { peer, from }]],
  'peer-disconnected': [[{ peer, reason: 'why', lostStreams: 3 }, 'info', { peer, reason: 'why', lost: 3 }]],
  waiting: [[{ peer, silentMs: 2500.12345 }, 'info', { peer, silentMs: 2500.123 }]],
  resumed: [[{ peer, silentMs: 2500.12345 }, 'info', { peer, silentMs: 2500.123 }]],
  'cannot-send': [[{ address: to, code: 'EPERM' }, 'warn', { host: '192.0.2.2', port: 5, code: 'EPERM' }]],
  'path-fragments': [[{ peer, datagramBytes: 1152 }, 'warn', { peer, datagramBytes: 1152 }]],
  moved: [[{ peer, from, to }, 'info', { peer, from, to }]],
  'key-shared': [[{ peer, addresses: [from, to] }, 'warn', { peer, addresses: [from, to] }]],
  'unknown-key': [[{ publicKey, address: from }, 'warn', { publicKey: KEY_TEXT, from }]],
  'peer-enrolled': [[{ peer, publicKey, address: from }, 'info', { peer, publicKey: KEY_TEXT, from }]],
  'invite-reused': [[{ peer, publicKey, address: from }, 'error', { peer, publicKey: KEY_TEXT, from }]],
  'enrol-refused': [
    [
      { peer, publicKey, address: from, status: 'invite-expired', advice },
      'warn',
      { peer, publicKey: KEY_TEXT, from, status: 'invite-expired' },
    ],
  ],
  'clock-behind': [
    [
      { peer, clockMs: Date.UTC(2026, 0, 1), earlierClockMs: Date.UTC(2027, 0, 1) },
      'warn',
      { peer, clock: '2026-01-01T00:00:00Z', earlierClock: '2027-01-01T00:00:00Z' },
    ],
  ],
  'stream-opened': [
    [
      { peer, id: 4, target, address: '10.0.0.1' },
      'info',
      { peer, id: 4, target: 'db:5432', address: '10.0.0.1' },
    ],
  ],
  refused: [
    [
      { peer, id: 4, target, status: 'timed-out', advice },
      'warn',
      { peer, id: 4, target: 'db:5432', status: 'timed-out' },
    ],
    [
      { peer, id: 4, target: undefined, status: 'malformed-request', advice },
      'warn',
      { peer, id: 4, target: undefined, status: 'malformed-request' },
    ],
  ],
  'message-too-large': [
    [
      { peer, id: 4, target, bytes: 1500, maxBytes: 1300 },
      'warn',
      { peer, id: 4, target: 'db:5432', bytes: 1500, maxBytes: 1300 },
    ],
  ],
  'stream-forbidden': [[{ peer, id: 4, target, advice }, 'info', { peer, id: 4, target: 'db:5432' }]],
  'stream-closed': [
    [
      { peer, id: 4, target, ...moved, clean: true },
      'debug',
      { peer, id: 4, target: 'db:5432', ...moved, clean: true },
    ],
    [{ peer, id: 4, target, ...idle }, 'info', { peer, id: 4, target: 'db:5432', ...idle }],
  ],
  'listener-opened': [[{ peer, listener, addresses: [to] }, 'info', { peer, listener, addresses: [to] }]],
  'listener-closed': [[{ peer, listener, reason: 'why' }, 'info', { peer, listener, reason: 'why' }]],
  'listen-refused': [
    [{ peer, listener, status: 'not-allowed', advice }, 'warn', { peer, listener, status: 'not-allowed' }],
  ],
  'visitor-opened': [[{ peer, listener, id: 5, from }, 'info', { peer, listener, id: 5, from }]],
  'visitor-refused': [
    [
      { peer, listener, id: 5, from, status: 'timed-out', advice },
      'warn',
      { peer, listener, id: 5, from, status: 'timed-out' },
    ],
  ],
  'visitor-closed': [
    [
      { peer, listener, id: 5, from, ...moved, clean: true },
      'debug',
      { peer, listener, id: 5, from, ...moved, clean: true },
    ],
    [{ peer, listener, id: 5, from, ...idle }, 'info', { peer, listener, id: 5, from, ...idle }],
  ],
};

const problem = { kind: 'unreachable', host: '192.0.2.9', port: 51_820, code: 'EHOSTUNREACH' } as const;
const relay = { host: 'relay.example', port: 51_820 };
const forward = '8080:db:5432';
const place = { bind: 'localhost', port: 8080 };
const visitor = { id: 5, forward, target, from: '192.0.2.1 port 5' };
const loggedVisitor = { ...visitor, target: 'db:5432' };

const CLIENT: Cases<ClientEvent> = {
  'contact-problem': [
    [{ problem }, 'warn', { problem: 'unreachable', host: '192.0.2.9', port: 51_820, code: 'EHOSTUNREACH' }],
  ],
  'no-answer': [
    [
      { relay, silentMs: 10_000.12345, waitingConnections: 2, problem },
      'warn',
      {
        relay: 'relay.example:51820',
        silentMs: 10_000.123,
        waitingConnections: 2,
        problem: 'unreachable',
        code: 'EHOSTUNREACH',
      },
    ],
    [
      { relay, silentMs: 10_000, waitingConnections: 0, problem: undefined },
      'warn',
      {
        relay: 'relay.example:51820',
        silentMs: 10_000,
        waitingConnections: 0,
        problem: undefined,
        code: undefined,
      },
    ],
  ],
  'given-up': [[{ id: 4, target, waitedMs: 30_000 }, 'warn', { id: 4, target: 'db:5432', waitedMs: 30_000 }]],
  connected: [
    [{ handshakeRttMs: 12.34567 }, 'info', { handshakeRttMs: 12.346 }],
    [{ handshakeRttMs: undefined }, 'info', { handshakeRttMs: undefined }],
  ],
  disconnected: [
    [{ cause: 'error', reason: 'why', lostStreams: 3 }, 'warn', { cause: 'error', reason: 'why', lost: 3 }],
  ],
  waiting: [[{ silentMs: 2500.12345 }, 'warn', { silentMs: 2500.123 }]],
  resumed: [[{ silentMs: 2500.12345 }, 'info', { silentMs: 2500.123 }]],
  'path-fragments': [[{ datagramBytes: 1152 }, 'warn', { datagramBytes: 1152 }]],
  'stream-opened': [
    [{ id: 4, target, from: 'somewhere' }, 'debug', { id: 4, target: 'db:5432', from: 'somewhere' }],
  ],
  'proxy-refused': [[{ from: 'somewhere', reason: 'BIND' }, 'warn', { from: 'somewhere' }]],
  refused: [
    [
      { id: 4, target, status: 'timed-out', advice },
      'warn',
      { id: 4, target: 'db:5432', status: 'timed-out' },
    ],
  ],
  'message-too-large': [
    [
      { id: 4, target, bytes: 1500, maxBytes: 1300 },
      'warn',
      { id: 4, target: 'db:5432', bytes: 1500, maxBytes: 1300 },
    ],
  ],
  'stream-closed': [
    [{ id: 4, target, ...moved, clean: true }, 'debug', { id: 4, target: 'db:5432', ...moved, clean: true }],
  ],
  'reverse-listening': [[{ forward, place, target }, 'info', { forward, listener, target: 'db:5432' }]],
  'reverse-refused': [
    [
      { forward, place, status: 'not-allowed', advice, retryMs: 5000 },
      'warn',
      { forward, listener, status: 'not-allowed', retryMs: 5000 },
    ],
  ],
  'visitor-opened': [[visitor, 'debug', loggedVisitor]],
  'visitor-refused': [
    [{ ...visitor, status: 'timed-out', advice }, 'warn', { ...loggedVisitor, status: 'timed-out' }],
  ],
  'visitor-closed': [
    [{ ...visitor, ...moved, clean: true }, 'debug', { ...loggedVisitor, ...moved, clean: true }],
  ],
};

type Row = readonly [type: string, event: object, level: string, fields: object];
const rowsOf = (cases: Readonly<Record<string, readonly (readonly [object, string, object])[]>>): Row[] =>
  Object.entries(cases).flatMap(([type, all]) => all.map((each) => [type, ...each] as const));

test.each(rowsOf(RELAY))(
  "a relay's event %s, %j, is logged at %s with the fields %j",
  (type, event, level, fields) => {
    const log = recordingLog();
    logRelayEvent(log, { type, ...event } as RelayEvent);
    expect(log.fields).toStrictEqual([{ event: type, ...fields }]);
    expect(log.lines[0]).toMatch(new RegExp(`^${level} `));
  },
);

test.each(rowsOf(CLIENT))(
  "a client's event %s, %j, is logged at %s with the fields %j",
  (type, event, level, fields) => {
    const log = recordingLog();
    logClientEvent(log, { type, ...event } as ClientEvent);
    expect(log.fields).toStrictEqual([{ event: type, ...fields }]);
    expect(log.lines[0]).toMatch(new RegExp(`^${level} `));
  },
);

test('a forward is logged with its kind, its text, where it listens and its target', () => {
  const addresses = [{ address: '192.0.2.7', port: 8080 }];
  const logged = (spec: unknown, path?: string) => {
    const log = recordingLog();
    logForward(log, { spec, addresses, ...(path !== undefined && { path }) } as BoundForward);
    return log.fields.map((fields, index) => [log.lines[index]?.split(' ')[0], fields]);
  };
  const [local] = parseLocalForwards('8080:db:5432') as readonly unknown[];
  const listening = { event: 'listening', addresses, path: undefined };
  expect(logged(local)).toEqual([
    ['info', { ...listening, kind: 'local', forward: '8080:db:5432', target: 'db:5432' }],
  ]);
  const [unix] = parseLocalForwards('/a.sock:db:5432') as readonly unknown[];
  expect(logged(unix, '/a.sock')).toEqual([
    ['info', { ...listening, kind: 'local', forward: '/a.sock:db:5432', path: '/a.sock', target: 'db:5432' }],
  ]);
  expect(logged(parseDynamicForward('*:8080'))).toEqual([
    ['info', { ...listening, kind: 'dynamic', forward: '*:8080' }],
    ['warn', { event: 'open-proxy', forward: '*:8080' }],
  ]);
});
