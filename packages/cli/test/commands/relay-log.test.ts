/** The messages of a relay's log, as its operator reads them. */
import type { RelayEvent } from '@underpass/relay';
import { describe, expect, it, test } from 'vitest';
import { logRelayEvent, logRelaySummary } from '../../src/commands/relay-log.js';
import { recordingLog } from './recording-log.js';

const ADDRESS = { address: '10.77.0.1', port: 40_000 };

function words(event: RelayEvent): string {
  const log = recordingLog();
  logRelayEvent(log, event);
  expect(log.lines).toHaveLength(1);
  return log.lines[0] as string;
}

describe("a relay's log", () => {
  test('reports a client with an unknown key, and what to add to the config', () => {
    const publicKey = Uint8Array.from({ length: 32 }, (_, i) => i);
    expect(words({ type: 'unknown-key', publicKey, address: ADDRESS })).toBe(
      'warn a client with the unknown key AAECAwQF… tries to connect from 10.77.0.1:40000: if it is yours, add a [[peer]] with public_key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" and reload',
    );
  });

  test('reports that the system refuses to send to a client (spec outage 9)', () => {
    expect(words({ type: 'cannot-send', address: ADDRESS, code: 'EPERM' })).toBe(
      'warn this machine cannot send to 10.77.0.1 (operation not permitted): check its network and its own firewall',
    );
  });

  test('has a line with the name of the peer for each connection that is opened', () => {
    const target = { host: 'localhost', port: 80 };
    expect(words({ type: 'stream-opened', peer: 'laptop', id: 0, target, address: '127.0.0.1' })).toBe(
      'info laptop opened localhost:80 (127.0.0.1)',
    );
  });

  test('reports connections that ended because nothing moved in them, also below level debug', () => {
    const summary = { bytesSent: 1, bytesReceived: 2, clean: false, idleMs: 7_499_000 };
    const target = { host: 'db', port: 5432 };
    expect(words({ type: 'stream-closed', peer: 'laptop', id: 0, target, ...summary })).toBe(
      'info laptop lost db:5432: reset, because nothing had moved for 124 min',
    );
    const visitor = { id: 1, listener: 'localhost:8080', from: ADDRESS } as const;
    expect(words({ type: 'visitor-closed', peer: 'laptop', ...visitor, ...summary })).toBe(
      'info 10.77.0.1:40000 lost localhost:8080 of laptop: reset, because nothing had moved for 124 min',
    );
  });

  test('reports the new address of a peer', () => {
    expect(words({ type: 'moved', peer: 'laptop', from: ADDRESS, to: { ...ADDRESS, port: 5 } })).toBe(
      'info laptop moved from 10.77.0.1:40000 to 10.77.0.1:5',
    );
  });

  test('reports clients that share a key, with their addresses', () => {
    const addresses = [ADDRESS, { address: '2001:db8::1', port: 5 }];
    expect(words({ type: 'key-shared', peer: 'laptop', addresses })).toBe(
      "warn laptop connects from 10.77.0.1:40000 and [2001:db8::1]:5 in turn: two clients with the same key end each other's connections; give each client its own key",
    );
  });

  test('reports a client that enrolled', () => {
    const publicKey = new Uint8Array(32);
    expect(words({ type: 'peer-enrolled', peer: 'laptop', publicKey, address: ADDRESS })).toBe(
      'info laptop enrolled with the key AAAAAAAA… from 10.77.0.1:40000',
    );
  });

  test('reports a second use of a link as an error (spec enrolment 4.4: "report it in its log as an error")', () => {
    const publicKey = new Uint8Array(32);
    expect(words({ type: 'invite-reused', peer: 'laptop', publicKey, address: ADDRESS })).toBe(
      'error the link for laptop was used a second time, with another key (AAAAAAAA…) from 10.77.0.1:40000: somebody else has the link, and one of the two enrolled with it; if you do not know both, run underpass revoke laptop and invite it again',
    );
  });

  test('reports other clients that cannot enrol, and why', () => {
    const event = {
      type: 'enrol-refused',
      peer: 'laptop',
      publicKey: new Uint8Array(32),
      address: undefined,
      status: 'invite-expired',
      advice: 'the link has expired',
    } as const;
    expect(words(event)).toBe('warn a client cannot enrol as laptop: the link has expired');
    expect(words({ ...event, address: ADDRESS })).toBe(
      'warn a client cannot enrol as laptop from 10.77.0.1:40000: the link has expired',
    );
  });

  test('explains why a peer disconnected, with the number of lost connections', () => {
    const reason = 'the client was restarted';
    expect(words({ type: 'peer-disconnected', peer: 'laptop', reason, lostStreams: 3 })).toBe(
      'info laptop disconnected (the client was restarted): 3 connections are lost',
    );
  });

  test('reports a clock that went back, with both times', () => {
    const clockMs = Date.UTC(2026, 10, 26, 10, 15);
    const earlierClockMs = Date.UTC(2027, 10, 26, 9, 0, 0, 500);
    expect(words({ type: 'clock-behind', peer: 'laptop', clockMs, earlierClockMs })).toBe(
      "warn laptop's clock went back from 2027-11-26T09:00:00Z to 2026-11-26T10:15:00Z: laptop is refused until its clock passes the earlier time; set its clock, or restart this relay",
    );
  });
});

describe("a relay's log of reverse forwards", () => {
  const about = { peer: 'laptop', listener: 'localhost:8080' };
  const from = { address: '2001:db8::1', port: 5 };

  test('says where the relay listens, for whom, and why no longer', () => {
    const addresses = [{ address: '127.0.0.1', port: 8080 }];
    expect(words({ type: 'listener-opened', ...about, addresses })).toBe(
      'info listening on localhost:8080 for laptop',
    );
    expect(words({ type: 'listener-closed', ...about, reason: 'its client is gone' })).toBe(
      'info no longer listening on localhost:8080 for laptop: its client is gone',
    );
    const advice = 'laptop asked to listen on localhost:8080: no listen rule allows localhost:8080';
    expect(words({ type: 'listen-refused', ...about, status: 'not-allowed', advice })).toBe(
      `warn ${advice} (underpass allow laptop --listen RULE)`,
    );
    expect(words({ type: 'listen-refused', ...about, status: 'address-in-use', advice })).toBe(
      `warn ${advice}`,
    );
  });

  test('has a line with the name of the peer for each visitor', () => {
    expect(words({ type: 'visitor-opened', ...about, id: 1, from })).toBe(
      'info [2001:db8::1]:5 opened localhost:8080 of laptop',
    );
    const ended = { bytesSent: 3, bytesReceived: 4, clean: false };
    expect(words({ type: 'visitor-closed', ...about, id: 1, from, ...ended })).toBe(
      'debug [2001:db8::1]:5 lost localhost:8080 of laptop: 3 bytes in, 4 out',
    );
    const advice = 'a visitor of localhost:8080 was reset: the client does not answer';
    expect(words({ type: 'visitor-refused', ...about, id: 1, from, status: 'timed-out', advice })).toBe(
      `warn laptop: ${advice}`,
    );
  });
});

describe("a relay's log, for each other event", () => {
  const peer = 'laptop';
  const target = { host: 'db.internal', port: 5432 };
  test.each<[RelayEvent, string]>([
    [{ type: 'peer-connected', peer, address: ADDRESS }, 'info laptop connected from 10.77.0.1:40000'],
    [{ type: 'peer-connected', peer, address: undefined }, 'info laptop connected'],
    [
      { type: 'waiting', peer, silentMs: 2_500 },
      'info laptop has not answered for 2.5 s: its connections wait until it does',
    ],
    [{ type: 'resumed', peer, silentMs: 65_000 }, 'info laptop answers again after 65 s'],
    [
      { type: 'path-fragments', peer, datagramBytes: 1_152 },
      'warn the path to laptop fragments packets of 1200 bytes, which is slower, and some firewalls drop fragments: raise the MTU of the link or tunnel below to at least 1200',
    ],
    [
      { type: 'refused', peer, id: 1, target, status: 'not-allowed', advice: 'what to do' },
      'warn what to do (underpass allow laptop RULE)',
    ],
    [
      { type: 'message-too-large', peer, id: 1, target, bytes: 1_500, maxBytes: 1_300 },
      'warn db.internal:5432 for laptop: a message of 1500 bytes was dropped, and so are others above 1300, the most that the path through the tunnel carries: have the program send smaller ones',
    ],
    [{ type: 'stream-forbidden', peer, id: 1, target, advice: 'what to do' }, 'info what to do'],
    [
      { type: 'refused', peer, id: 1, target: undefined, status: 'malformed-request', advice: 'what to do' },
      'warn what to do',
    ],
    [
      { type: 'stream-closed', peer, id: 1, target, bytesSent: 10, bytesReceived: 20, clean: true },
      'debug laptop closed db.internal:5432: 10 bytes out, 20 in',
    ],
    [
      { type: 'stream-closed', peer, id: 1, target, bytesSent: 10, bytesReceived: 20, clean: false },
      'debug laptop lost db.internal:5432: 10 bytes out, 20 in',
    ],
    [
      { type: 'visitor-opened', peer, id: 1, listener: '/run/web.sock', from: { address: '', port: 0 } },
      'info a program here opened /run/web.sock of laptop',
    ],
  ])('%j', (event, expected) => {
    expect(words(event)).toBe(expected);
  });
});

it('ends with the totals of each peer that has connected, and of no other', () => {
  const log = recordingLog();
  const stats = {
    handshakes: 2,
    streamBytesSent: 1536,
    datagramsSent: 3,
    streamBytesReceived: 4,
    datagramsReceived: 5,
  };
  const peers = [
    { name: 'laptop', stats },
    { name: 'phone', stats: { ...stats, handshakes: 0 } },
  ];
  logRelaySummary(log, { suite: 'node', peers } as never);
  expect(log.lines).toEqual(['info laptop: 1.5 KiB sent in 3 datagrams, 4 bytes received in 5']);
  expect(log.fields).toMatchObject([{ event: 'summary', peer: 'laptop', suite: 'node', handshakes: 2 }]);
});
