import { deserialize, serialize } from 'node:v8';
import { parseAllowRule, parseListenRule, parseMaxRate } from '@underpass/forward';
import { MAX_SHARDS } from '@underpass/protocol';
import { describe, expect, it } from 'vitest';
import { MAX_WORKERS } from '../../src/index.js';
import type { RelayPeerOptions } from '../../src/relay-options.js';
import { mergedStatus } from '../../src/workers/merged-status.js';
import {
  type PeerMessage,
  peerFromMessage,
  peerMessage,
  statusFromMessage,
} from '../../src/workers/messages.js';

const status = (name: string, over: object = {}) =>
  ({
    address: { address: '::', port: 1 },
    suite: 'openssl',
    socket: 'native',
    segments: true,
    coalesces: true,
    drops: { malformed: 1 },
    sendErrors: { EPERM: 2 },
    peers: [
      { name, stats: { heardAt: 80, waitingSince: 90 }, streams: [{ id: 1, openedAt: 50 }], listeners: [] },
    ],
    ...over,
  }) as never;

describe('messages to workers', () => {
  it('carry everything that a peer has', () => {
    const options = {
      name: 'laptop',
      publicKey: new Uint8Array(32).fill(1),
      presharedKey: new Uint8Array(32).fill(2),
      allow: ['*.example.com:443', '10.0.0.0/8:1-65535', 'unix:/run/app.sock'].map(parseAllowRule),
      allowListen: ['localhost:8080'].map(parseListenRule),
      maxRate: parseMaxRate('10 Mbit/s'),
    } as RelayPeerOptions;
    const message = deserialize(serialize(peerMessage(options))) as PeerMessage;
    const received = peerFromMessage(message);
    expect(received).toEqual(options);
    // The memory of the message is used again.
    for (const key of [message.publicKey, message.presharedKey]) key?.fill(0);
    expect(received).toEqual(options);
  });

  it('name as many workers as there can be shards', () => {
    expect(MAX_WORKERS).toBe(MAX_SHARDS);
  });
});

describe('the status of workers', () => {
  it('is on the clock of the main process', () => {
    const [peer] = statusFromMessage({ status: status('a'), nowMs: 100 }, 1_100).peers;
    expect(peer?.stats).toEqual({ heardAt: 1_080, waitingSince: 1_090 });
    expect(peer?.streams[0]?.openedAt).toBe(1_050);
  });

  it('leaves out what has not happened', () => {
    const stats = { heardAt: undefined, waitingSince: undefined };
    const peers = [{ name: 'a', stats, streams: [], listeners: [] }];
    const [peer] = statusFromMessage({ status: status('a', { peers }), nowMs: 100 }, 1_100).peers;
    expect(peer?.stats).toEqual(stats);
  });

  it('is joined: peers in the order of the config, and counts added up', () => {
    const facts = { address: { address: '::', port: 51_820 }, suite: 'openssl' };
    const joined = mergedStatus(facts, [status('b'), status('a', { segments: false })], ['a', 'gone', 'b']);
    expect(joined).toMatchObject({ ...facts, segments: false, coalesces: true });
    // It can only do what all of them can.
    const halves = [status('b'), status('a', { coalesces: false })];
    expect(mergedStatus(facts, halves, ['a', 'b'])).toMatchObject({ segments: true, coalesces: false });
    expect(joined.peers.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(joined.drops.malformed).toBe(2);
    expect(joined.sendErrors).toEqual({ EPERM: 4 });
  });

  it('has no peers while no worker answers', () => {
    const facts = { address: { address: '::', port: 51_820 }, suite: 'openssl' };
    expect(mergedStatus(facts, [], ['a'])).toMatchObject({ ...facts, socket: 'native', peers: [] });
  });
});
