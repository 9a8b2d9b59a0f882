import { describe, expect, it } from 'vitest';
import { jsonOf } from '../../src/commands/status-output.js';
import {
  formatRate,
  MAX_SHOWN_LISTENERS,
  MAX_SHOWN_STREAMS,
  statusLines,
} from '../../src/control/status-text.js';
import { aClient, aPeer, aRelay } from './reports.js';

const stream = (id: number, openMs = 5000) => ({
  peer: 'laptop',
  id,
  target: 'localhost:80',
  address: '127.0.0.1:80',
  openMs,
});

describe('the status of a relay', () => {
  it('shows its peers in columns, with rates since the report before', () => {
    const before = aRelay({ atMs: 500 });
    const peers = [
      aPeer({ streamBytesSent: 800_000 + 1_048_576, streamBytesReceived: 700_100 }),
      aPeer({
        name: 'phone',
        publicKey: 'cGhvbmU=',
        smoothedRttMs: undefined,
        waitingMs: 180_000,
        openStreams: 0,
      }),
    ];
    expect(statusLines(aRelay({ peers, streams: [stream(1)] }), before)).toEqual([
      'relay: listening on UDP 0.0.0.0:51820, 2 of 2 peers connected',
      '  config /etc/underpass/relay.toml, pid 4242, up 60 min, native socket, suite sodium, version 0.1.0',
      '  laptop  connected            203.0.113.7:4242  12 ms  0.5 % lost  out 2.0 MiB/s  in 200 B/s  1 stream',
      '  phone   no answer for 3 min  203.0.113.7:4242  20 ms  0.5 % lost                             0 streams',
      '  laptop → localhost:80 (127.0.0.1:80)  open 5.0 s',
    ]);
  });

  it('says the kind before a name, unless the name says it', () => {
    expect(statusLines(aRelay({ name: 'vps' }))[0]).toMatch(/^relay vps: listening/);
  });

  it.each([
    ['native', true, true, 'native socket'],
    ['native', true, false, 'native socket without coalescing'],
    ['native', false, true, 'native socket without segmentation'],
    ['native', false, false, 'native socket without segmentation and coalescing'],
    ['plain', false, false, 'plain socket'],
  ] as const)('names what its %s socket lacks (%s, %s)', (socket, segments, coalesces, text) => {
    const [, line = ''] = statusLines(aRelay({ socket, segments, coalesces }), undefined);
    expect(line.split(', ')[3]).toBe(text);
  });

  it.each([
    [{ smoothedRttMs: 9.96 }, '  10.0 ms  '],
    [{ smoothedRttMs: 10 }, '  10 ms  '],
    [{ smoothedRttMs: undefined, handshakeRttMs: undefined }, ':4242  0.5 % lost'],
    [{ packetsSent: 99, packetsLost: 50 }, '  12 ms  1 stream'],
    [{ packetsSent: 100, packetsLost: 5 }, '  5.0 % lost  '],
    [{ packetsSent: 100, packetsLost: 10 }, '  10 % lost  '],
    [{ connected: false, address: undefined }, '  not connected  12 ms'],
    [{ waitingMs: 0 }, '  no answer for 0.0 s  '],
  ])('writes a peer with %j', (changes, text) => {
    const [, , line] = statusLines(aRelay({ peers: [aPeer(changes)] }));
    expect(line).toContain(text);
  });

  it('has no rates when no time has passed between two reports', () => {
    const lines = statusLines(aRelay({ peers: [aPeer({ streamBytesSent: 900_000 })] }), aRelay());
    expect(lines.join('\n')).not.toMatch(/ out | in |Infinity|NaN/);
  });

  it('says whether the relay listens for a reverse forward', () => {
    const reverse = { kind: 'reverse', text: '8080:localhost:80' } as const;
    const forwards = [
      { ...reverse, listen: [] },
      { ...reverse, listen: ['localhost:8080'] },
      { kind: 'local', text: '1080:db:5432', listen: ['127.0.0.1:1080'] } as const,
    ];
    expect(statusLines(aClient({ forwards })).filter((line) => /80:/.test(line))).toEqual([
      '  8080:localhost:80 (reverse): the relay does not listen',
      "  8080:localhost:80 (reverse) on the relay's localhost:8080",
      '  1080:db:5432 on 127.0.0.1:1080',
    ]);
  });

  it.each([
    ['local', ''],
    ['udp', ' (UDP)'],
    ['dynamic', ' (SOCKS and HTTP CONNECT)'],
  ] as const)('says where this machine listens for a %s forward', (kind, what) => {
    const forwards = [{ kind, text: '1080', listen: ['127.0.0.1:1080', '[::1]:1080'] }];
    expect(statusLines(aClient({ forwards }))).toContain(`  1080${what} on 127.0.0.1:1080 and [::1]:1080`);
  });

  it('counts those that are connected among those of the config', () => {
    const peers = [aPeer(), aPeer({ name: 'phone', publicKey: 'cGhvbmU=', connected: false })];
    const [line] = statusLines(aRelay({ peers, peersConfigured: 3 }));
    expect(line).toContain('1 of 3 peers connected');
  });

  it('shows the address behind a name, and no address twice', () => {
    const streams = [stream(1), { ...stream(2), target: '127.0.0.1:80' }];
    expect(statusLines(aRelay({ streams })).slice(-2)).toEqual([
      '  laptop → localhost:80 (127.0.0.1:80)  open 5.0 s',
      '  laptop → 127.0.0.1:80                 open 5.0 s',
    ]);
  });

  it('counts what it does not show', () => {
    const streams = Array.from({ length: MAX_SHOWN_STREAMS + 3 }, (_, i) => stream(i));
    const lines = statusLines(aRelay({ streams, streamsNotListed: 4, peersNotListed: 2 }));
    expect(lines.at(-1)).toBe('  and 7 older streams');
    expect(lines.filter((line) => line.includes('→'))).toHaveLength(MAX_SHOWN_STREAMS);
    expect(lines.join('\n')).toContain('and 2 more peers');
  });

  it('shows the ports that lead to peers', () => {
    const listener = {
      peer: 'laptop',
      listener: 'localhost:80',
      addresses: ['127.0.0.1:80', '[::1]:80'],
      visitors: 1,
    };
    const many = Array.from({ length: MAX_SHOWN_LISTENERS + 2 }, () => listener);
    const lines = statusLines(aRelay({ listeners: many, listenersNotListed: 1 }));
    expect(lines).toContain('  127.0.0.1:80 and [::1]:80 leads to laptop  1 visitor');
    expect(lines.filter((line) => line.includes('leads to'))).toHaveLength(MAX_SHOWN_LISTENERS);
    expect(lines.at(-1)).toBe('  and 3 more listeners');
  });

  it('says nothing about loss before enough was sent', () => {
    expect(statusLines(aRelay({ peers: [aPeer({ packetsSent: 99 })] })).join()).not.toContain('lost');
  });

  it('cannot put control characters on the terminal', () => {
    const lines = statusLines(aRelay({ streams: [{ ...stream(1), target: 'a\u001b[2Jb:1' }] }));
    expect(lines.join('')).not.toContain('\u001b');
  });
});

describe('the status of a client', () => {
  it('shows the relay, the forwards and the programs', () => {
    const streams = [{ ...stream(1), peer: undefined, address: '127.0.0.1 port 5000' }];
    expect(statusLines(aClient({ streams }))).toEqual([
      'client vps: relay vpn.example.org:51820',
      '  pid 4242, up 60 min, native socket, suite sodium, version 0.1.0',
      '  relay  connected  198.51.100.1:51820  12 ms  0.5 % lost  1 stream',
      '  8080:localhost:80 on 127.0.0.1:8080 and [::1]:8080',
      '  127.0.0.1 port 5000 → localhost:80  open 5.0 s',
    ]);
  });
});

describe('the status as JSON', () => {
  it('has relays and clients, each peer with its rates', () => {
    const before = [aRelay({ atMs: 500 }), aClient({ atMs: 500 })];
    const value = JSON.parse(jsonOf([aRelay(), aClient()], before)) as unknown;
    const rates = { sentBytesPerSecond: 0, receivedBytesPerSecond: 0 };
    expect(value).toMatchObject({
      relays: [{ kind: 'relay', peers: [{ name: 'laptop', rates }] }],
      clients: [{ kind: 'client', relay: { rates } }],
    });
  });

  it('has no rates for a process that has just started', () => {
    const value = JSON.parse(jsonOf([aRelay()], [])) as { relays: { peers: { rates?: unknown }[] }[] };
    expect(value.relays[0]?.peers[0]?.rates).toBeUndefined();
  });
});

it.each([
  [0, '0 B/s'],
  [999.6, '1000 B/s'],
  [1536, '1.5 KiB/s'],
])('%d bytes a second are written as %s', (rate, text) => expect(formatRate(rate)).toBe(text));
