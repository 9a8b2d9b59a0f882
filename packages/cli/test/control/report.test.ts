import { parseAllowRule } from '@underpass/forward';
import type { RelayStatus } from '@underpass/relay';
import { monotonicMs } from '@underpass/runtime';
import { describe, expect, it } from 'vitest';
import { relayReport } from '../../src/control/relay-report.js';
import { MAX_LISTED_LISTENERS, MAX_LISTED_PEERS, MAX_LISTED_STREAMS } from '../../src/control/report.js';
import { VERSION } from '../../src/version.js';

const FACTS = { name: 'relay', config: '/relay.toml', publicKey: new Uint8Array(32) };
const heard = { handshakes: 1, datagramsReceived: 3, connected: true, waitingSince: undefined };
const silent = { handshakes: 0, datagramsReceived: 0, connected: false, waitingSince: undefined };

function statusOf(peers: number, streams: number, stats: object): RelayStatus {
  const openedAt = monotonicMs();
  const target = { host: 'localhost', port: 80 };
  return {
    address: { address: '::', port: 51820 },
    suite: 'portable',
    socket: 'plain',
    segments: false,
    coalesces: false,
    drops: { 'unknown-key': 3, replayed: 0 },
    sendErrors: {},
    peers: Array.from({ length: peers }, (_, i) => ({
      name: `peer${i}`,
      publicKey: new Uint8Array(32).fill(i),
      allow: [parseAllowRule('*:*')].map(String),
      stats,
      listeners: [],
      streams: Array.from({ length: streams }, (__, id) => ({ id, target, address: '127.0.0.1', openedAt })),
    })),
  } as unknown as RelayStatus;
}

describe("a relay's report", () => {
  it('gives ages, not moments: of the process, of its streams, and of what was heard', () => {
    const status = statusOf(1, 1, {
      ...heard,
      address: { address: '::1', port: 5 },
      heardAt: monotonicMs() - 5_000,
    });
    const [peer] = status.peers;
    const openedAt = monotonicMs() - 7_000;
    Object.assign(peer?.streams[0] as object, { openedAt });
    const report = relayReport(FACTS, status);
    expect(report).toMatchObject({ version: VERSION, node: process.version, pid: process.pid });
    expect(report.uptimeMs).toBeGreaterThan(10);
    expect(report.uptimeMs).toBeLessThanOrEqual(process.uptime() * 1000 + 1);
    expect(report.atMs).toBeLessThanOrEqual(monotonicMs() + 1);
    expect(report.streams[0]?.openMs).toBeGreaterThanOrEqual(6_999);
    expect(report.streams[0]?.openMs).toBeLessThanOrEqual(monotonicMs() - openedAt + 1);
    expect(report.peers[0]?.heardMs).toBeGreaterThanOrEqual(4_999);
    expect(report.peers[0]).toMatchObject({ address: '[::1]:5', waitingMs: undefined });
  });

  it('has no address of a peer that has none', () => {
    expect(relayReport(FACTS, statusOf(1, 0, heard)).peers[0]?.address).toBeUndefined();
  });

  it('lists only peers that were heard', () => {
    const report = relayReport(FACTS, statusOf(3, 0, silent));
    expect(report).toMatchObject({ peersConfigured: 3, peers: [], peersNotListed: 0, socket: 'plain' });
  });

  it.each([
    ['a handshake', { handshakes: 1 }],
    ['a datagram', { datagramsReceived: 1 }],
  ])('lists a peer of which it has %s alone', (_, stats) => {
    const report = relayReport(FACTS, statusOf(2, 0, { ...silent, ...stats }));
    expect(report.peers.map(({ name }) => name)).toEqual(['peer0', 'peer1']);
  });

  it('says who it is and where, and passes on what is known of a peer', () => {
    const flowDatagrams = { sent: 1, received: 2 };
    const stats = { ...heard, flowDatagrams, packetsSent: 7, bytesSent: 8, openStreams: 9, software: 'x' };
    expect(relayReport({ ...FACTS, endpoint: 'a:1' }, statusOf(1, 0, stats))).toMatchObject({
      ...{ kind: 'relay', name: 'relay', config: '/relay.toml', endpoint: 'a:1', listen: '[::]:51820' },
      publicKey: `${'A'.repeat(43)}=`,
      peers: [{ messages: flowDatagrams, packetsSent: 7, bytesSent: 8, openStreams: 9, software: 'x' }],
    });
  });

  it('gives the path of a unix socket as its address', () => {
    const status = statusOf(1, 1, heard);
    const target = { path: '/run/app.sock' };
    Object.assign(status.peers[0]?.streams[0] as object, { target, address: '/run/app.sock' });
    expect(relayReport(FACTS, status).streams[0]).toMatchObject({
      target: 'unix:/run/app.sock',
      address: '/run/app.sock',
    });
  });

  it('lists a limited number of peers, and counts the others', () => {
    const report = relayReport(FACTS, statusOf(MAX_LISTED_PEERS + 2, 0, heard));
    expect(report.peers).toHaveLength(MAX_LISTED_PEERS);
    expect(report.peersNotListed).toBe(2);
  });

  it('lists a limited number of streams, and counts the others', () => {
    const report = relayReport(FACTS, statusOf(5, MAX_LISTED_STREAMS / 4, heard));
    expect(report.streams).toHaveLength(MAX_LISTED_STREAMS);
    expect(report.streamsNotListed).toBe(MAX_LISTED_STREAMS / 4);
    expect(report.streams[0]).toMatchObject({
      peer: 'peer1', // the oldest are those of the first peer
      target: 'localhost:80',
      address: '127.0.0.1:80',
    });
  });

  it('lists the streams of all peers together, the newest last', () => {
    const status = statusOf(2, 2, heard);
    const openedAt = [
      [-1, -3],
      [-4, -2],
    ] as const;
    for (const [i, { streams }] of status.peers.entries()) {
      for (const [id, stream] of streams.entries()) {
        Object.assign(stream, { openedAt: monotonicMs() + 1000 * (openedAt[i]?.[id] ?? 0) });
      }
    }
    const { streams } = relayReport(FACTS, status);
    expect(streams.map(({ peer, id }) => `${peer} ${id}`)).toEqual([
      'peer1 0',
      'peer0 1',
      'peer1 1',
      'peer0 0',
    ]);
  });

  it('lists a limited number of listeners, and counts the others', () => {
    const status = statusOf(1, 0, heard);
    const [peer] = status.peers;
    const addresses = [{ address: '::1', port: 80 }];
    const listeners = Array.from({ length: MAX_LISTED_LISTENERS + 1 }, () => ({
      listener: 'localhost:80',
      addresses,
      visitors: 2,
    }));
    const report = relayReport(FACTS, {
      ...status,
      peers: peer === undefined ? [] : [{ ...peer, listeners }],
    });
    expect(report.listeners).toHaveLength(MAX_LISTED_LISTENERS);
    expect(report.listenersNotListed).toBe(1);
    expect(report.listeners[0]).toEqual({
      peer: 'peer0',
      listener: 'localhost:80',
      addresses: ['[::1]:80'],
      visitors: 2,
    });
  });

  it('says how long an answer has been due', () => {
    const report = relayReport(FACTS, statusOf(1, 0, { ...heard, waitingSince: monotonicMs() - 60_000 }));
    expect(report.peers[0]?.waitingMs).toBeGreaterThanOrEqual(60_000);
  });

  it('leaves out reasons for drops that never occurred', () => {
    expect(relayReport(FACTS, statusOf(0, 0, heard)).drops).toEqual({ 'unknown-key': 3 });
  });
});
