import { shortKey } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { peerRows, tableOf } from '../../src/commands/peers.js';
import { parseDuration } from '../../src/commands/time-text.js';
import type { RelayConfig } from '../../src/config/relay-config.js';
import { aPeer } from '../control/reports.js';
import { invite, NOW, publicKey, rules } from '../store/invites.js';

const peer = (name: string, seed: number) => ({
  name,
  publicKey: publicKey(seed),
  allow: rules('localhost:80', '10.0.0.0/8:22'),
});
const open = (name: string, expiresAtMs: number) => ({
  name,
  allow: [],
  invite: invite(expiresAtMs),
  enrolled: undefined,
  hasConnected: false,
});

describe('the list of peers', () => {
  const files = {
    config: {
      peers: [
        peer('server', 0x50),
        { ...peer('laptop', 0x42), maxRate: { text: '10 MB/s', bytesPerSecond: 10e6 } },
        peer('desk', 0x43),
      ],
    } as unknown as RelayConfig,
    stored: [open('phone', NOW + 3_600_000), open('tablet', NOW)],
  };
  const reports = [
    aPeer({ name: 'laptop', address: '203.0.113.7:4242' }),
    aPeer({ name: 'desk', connected: false, heardMs: 7_200_000 }),
  ];

  it('has peers and invites by name, with what the running relay knows', () => {
    expect(tableOf(peerRows(files, reports, NOW), NOW)).toEqual([
      'NAME    STATE                               LAST CONTACT  KEY        MAY REACH',
      expect.stringMatching(/^desk {4}away {32}2 h ago {7}\S{8}… {2}localhost:80, 10\.0\.0\.0\/8:22$/),
      expect.stringMatching(
        /^laptop {2}connected from 203\.0\.113\.7:4242 {5}1\.5 s ago {5}\S{8}… {2}localhost:80, 10\.0\.0\.0\/8:22; at most 10 MB\/s$/,
      ),
      'phone   invited until 2026-01-31 13:00 UTC  -             -          nothing',
      expect.stringMatching(/^server {2}enrolled {28}- {13}\S{8}… {2}localhost:80/),
      'tablet  invite expired                      -             -          nothing',
    ]);
  });

  it('has an invite once, although it has become a peer, and says where a peer may listen', () => {
    const enrolled = { publicKey: publicKey(0x42), presharedKey: new Uint8Array(32) };
    const config = {
      peers: [{ ...peer('laptop', 0x42), allowListen: [{ text: 'localhost:8080' }, { text: '*:9090' }] }],
    };
    const rows = peerRows(
      { config: config as never, stored: [{ ...open('laptop', NOW + 1), enrolled }] },
      [aPeer({ name: 'laptop', address: undefined })],
      NOW,
    );
    expect(tableOf(rows, NOW)).toEqual([
      'NAME    STATE      LAST CONTACT  KEY        MAY REACH',
      `laptop  connected  1.5 s ago     ${shortKey(publicKey(0x42))}  localhost:80, 10.0.0.0/8:22; may listen on localhost:8080, *:9090`,
    ]);
  });

  it('shows what an invite will permit, before anybody has enrolled', () => {
    const invited = {
      ...open('watch', NOW + 1),
      allow: rules('localhost:80', 'db:1'),
      allowListen: [{ text: '8080' }] as never,
      maxRate: { text: '5 MB/s', bytesPerSecond: 5e6 },
    };
    const rows = peerRows({ config: { peers: [] } as never, stored: [invited] }, [], NOW);
    expect(tableOf(rows, NOW)[1]).toMatch(/ localhost:80, db:1; may listen on 8080; at most 5 MB\/s$/);
    expect(rows).toMatchObject([
      { allow: ['localhost:80', 'db:1'], allowListen: ['8080'], maxRate: '5 MB/s' },
    ]);
  });

  it('is complete as JSON', () => {
    const [desk, laptop, phone, server, tablet] = JSON.parse(
      JSON.stringify(peerRows(files, [...reports, aPeer({ name: 'server', heardMs: undefined })], NOW)),
    );
    const withRules = {
      publicKey: expect.stringMatching(/=$/),
      allow: ['localhost:80', '10.0.0.0/8:22'],
      allowListen: [],
    };
    const hours = (number: number) => new Date(NOW - number * 3_600_000).toISOString();
    expect(desk).toEqual({ ...withRules, name: 'desk', state: 'away', lastContact: hours(2) });
    expect(laptop).toEqual({
      ...withRules,
      name: 'laptop',
      state: 'connected',
      maxRate: '10 MB/s',
      address: '203.0.113.7:4242',
      lastContact: new Date(NOW - 1500).toISOString(),
    });
    expect(phone).toEqual({
      name: 'phone',
      state: 'invited',
      allow: [],
      allowListen: [],
      expires: '2026-01-31T13:00:00.000Z',
    });
    expect(server).not.toHaveProperty('lastContact');
    expect(tablet).toMatchObject({ state: 'invite-expired', expires: '2026-01-31T12:00:00.000Z' });
    expect(JSON.parse(JSON.stringify(peerRows(files, [], NOW)))[0]).toEqual({
      ...withRules,
      name: 'desk',
      state: 'enrolled',
    });
  });
});

describe('a duration', () => {
  it.each([
    ['90m', 5_400_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['', undefined],
    ['24', undefined],
    ['0h', undefined],
    ['1.5h', undefined],
    ['1w', undefined],
    ['-1h', undefined],
  ])('%s is %s ms', (text, milliseconds) => expect(parseDuration(text)).toBe(milliseconds));
});
