/** What the library makes of a client and a relay once they are started, which both play here. */
import type { Client, ClientEvent, ClientOptions } from '@underpass/client';
import type { EnrolOutcome, RelayEvent, RelayOptions, RelayPeerOptions } from '@underpass/relay';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Access } from '../../src/library/access.js';
import { connect } from '../../src/library/connect.js';
import { generateKeyPair } from '../../src/library/keys.js';
import { createRelay } from '../../src/library/relay.js';
import type { RelayOptions as Given, Relay } from '../../src/library/relay-api.js';
import { MAX_INVITE_MS, MIN_INVITE_MS } from '../../src/limits.js';
import { useFakeTimers } from '../fake-timers.js';
import { publicKey } from '../store/invites.js';
import { playedClient } from './played-client.js';

type PeerList = readonly RelayPeerOptions[];
const stage = vi.hoisted(() => ({
  client: {} as { readonly asClient: Client },
  clientOptions: {} as ClientOptions,
  fails: '',
  claim: 'claimed',
  name: undefined as string | undefined,
  calls: [] as string[],
  relayOptions: {} as RelayOptions,
  relay: {} as object,
}));

vi.mock('@underpass/client', async (original) => ({
  ...(await original<object>()),
  startClient: async (options: ClientOptions) => {
    stage.clientOptions = options;
    if (stage.fails === 'start') throw new Error('the port is taken');
    return stage.client.asClient;
  },
}));
vi.mock('@underpass/relay', async (original) => ({
  ...(await original<object>()),
  startRelay: async (options: RelayOptions) => {
    stage.relayOptions = options;
    return stage.relay;
  },
}));
vi.mock('../../src/library/access.js', async (original) => {
  const { accessOf } = await original<typeof import('../../src/library/access.js')>();
  return {
    accessOf: async (given: Parameters<typeof accessOf>[0]): Promise<Access> => ({
      ...(await accessOf(given)),
      name: stage.name,
    }),
  };
});
vi.mock('../../src/control/claim-client.js', () => ({
  claimClient: async ({ name, endpoint }: { readonly name: string; readonly endpoint: string }) => {
    stage.calls.push(`claim ${name} at ${endpoint}`);
    if (stage.claim !== 'claimed') return { kind: stage.claim, socket: '/s' };
    const control = {
      serve: () => void stage.calls.push('control serves'),
      onEvent: ({ type }: ClientEvent) => void stage.calls.push(`control hears ${type}`),
      close: () => void stage.calls.push('control closes'),
    };
    return { kind: 'claimed', control };
  },
}));

let client = playedClient();
beforeEach(() => {
  client = playedClient();
  Object.assign(stage, { client, fails: '', claim: 'claimed', name: undefined, calls: client.calls });
});

describe('connect', () => {
  const keys = generateKeyPair();
  const access = {
    relay: 'relay.example:51820',
    relayPublicKey: generateKeyPair().publicKey,
    privateKey: keys.privateKey,
  };
  const problem = { kind: 'cannot-send', host: '192.0.2.1', port: 1, code: 'ENETUNREACH' } as const;
  const happen = (event: ClientEvent) => stage.clientOptions.onEvent?.(event);

  it('with keys of its own needs no control socket', async () => {
    const tunnel = await connect(access);
    expect(client.calls).toEqual(['connect']);
    await tunnel.close();
    expect(client.calls).toEqual(['connect', 'close']);
  });

  it('with keys of a file claims them, has its control socket serve and hear, and closes that last', async () => {
    stage.name = 'home';
    const tunnel = await connect(access);
    happen({ type: 'resumed', silentMs: 5 });
    await tunnel.close();
    expect(client.calls).toEqual([
      'claim home at relay.example:51820',
      'control serves',
      'connect',
      'control hears resumed',
      'close',
      'control closes',
    ]);
  });

  it('is refused while another process uses those keys', async () => {
    Object.assign(stage, { name: 'home', claim: 'taken' });
    await expect(connect(access)).rejects.toMatchObject({
      code: 'client-running',
      message: 'another process already uses the keys of home',
    });
    expect(client.calls).toEqual(['claim home at relay.example:51820']);
  });

  it('gives its claim up if the client cannot start', async () => {
    Object.assign(stage, { name: 'home', fails: 'start' });
    await expect(connect(access)).rejects.toThrow('the port is taken');
    expect(client.calls).toEqual(['claim home at relay.example:51820', 'control closes']);
  });

  it.each([
    [[], "check that it runs, that UDP reaches it, and that it knows this program's public key"],
    [[problem], 'this machine cannot send to 192.0.2.1 (network is unreachable): check'],
    [
      [problem, { ...problem, kind: 'not-listening' as const }],
      '192.0.2.1 answers, but nothing listens on UDP 1',
    ],
  ])('that does not reach the relay in time says what is known about it (%#)', async (problems, hint) => {
    const pendingTimers = useFakeTimers();
    client.connected.mockReturnValue(new Promise(() => undefined));
    const connecting = connect(access, { connectTimeoutMs: 2_500 });
    const failure = expect(connecting).rejects.toMatchObject({
      code: 'relay-not-reached',
      message: 'the relay relay.example:51820 did not answer within 2.5 s',
      hint: expect.stringContaining(hint),
    });
    while (!client.calls.includes('connect')) await new Promise(setImmediate);
    for (const one of problems) happen({ type: 'contact-problem', problem: one });
    happen({ type: 'resumed', silentMs: 1 });
    await vi.advanceTimersByTimeAsync(2_499);
    expect(client.calls).toEqual(['connect']);
    await vi.advanceTimersByTimeAsync(1);
    await failure;
    expect([client.calls, pendingTimers(2_500)]).toEqual([['connect', 'close'], 0]);
  });

  it('passes what happens to the tunnel', async () => {
    const tunnel = await connect(access);
    const heard = vi.fn();
    tunnel.on('problem', heard);
    happen({ type: 'contact-problem', problem });
    expect(heard).toHaveBeenCalledTimes(1);
  });
});

describe('a relay', () => {
  const options = { listen: '127.0.0.1:0', privateKey: generateKeyPair().privateKey, peers: [] };
  const peer = { name: 'phone', publicKey: publicKey(7), allow: ['db:5432'] };

  async function start(given: Partial<Given> = {}, address = { address: '127.0.0.1', port: 51_820 }) {
    const lists: { peers: readonly string[]; invites: readonly string[] | undefined }[] = [];
    const setPeers = vi.fn((peers: PeerList, invites?: readonly { readonly name: string }[]) => {
      lists.push({ peers: peers.map(({ name }) => name), invites: invites?.map(({ name }) => name) });
    });
    const status = vi.fn(() => ({}));
    const close = vi.fn(async () => undefined);
    stage.relay = { address, setPeers, status, close };
    const relay = await createRelay({ ...options, ...given });
    return { relay, lists, setPeers, status, close };
  }
  const happen = (event: RelayEvent | object) => stage.relayOptions.onEvent?.(event as RelayEvent);
  const enrol = (name: string, key: Uint8Array) =>
    stage.relayOptions.enrol?.(name, key) as EnrolOutcome | undefined;

  it.each<[object, string, object]>([
    [{ type: 'peer-enrolled', publicKey: publicKey(1) }, 'peer-enrolled', {}],
    [{ type: 'invite-reused', publicKey: publicKey(1) }, 'invite-reused', {}],
    [{ type: 'peer-connected', address: undefined }, 'peer-connected', {}],
    [{ type: 'peer-disconnected', reason: 'why', lostStreams: 1 }, 'peer-disconnected', { reason: 'why' }],
    [
      { type: 'stream-opened', id: 4, target: { host: '::1', port: 80 }, address: '::1' },
      'connection-opened',
      { id: 4, target: '[::1]:80' },
    ],
    [
      { type: 'stream-closed', id: 4, target: { path: '/s' }, bytesSent: 1, clean: false },
      'connection-closed',
      { id: 4, target: 'unix:/s', clean: false },
    ],
    [{ type: 'refused', id: 4, status: 'not-allowed', advice: 'why' }, 'refused', { advice: 'why' }],
    [{ type: 'waiting', silentMs: 1 }, '', {}],
  ])('reports the event %j', async (event, name, expected) => {
    const { relay } = await start();
    const heard: unknown[] = [];
    vi.spyOn(relay, 'emit').mockImplementation((...parameters: unknown[]) => heard.push(parameters) > 0);
    happen({ ...event, peer: 'phone' });
    expect(heard).toEqual(name === '' ? [] : [[name, { peer: 'phone', ...expected }]]);
  });

  it('says how it is', async () => {
    const { relay, status } = await start();
    const stats = { connected: true, address: { address: '::1', port: 5 }, smoothedRttMs: 7 };
    const streams = [{ id: 4, target: { host: 'db', port: 5432 } }];
    const listeners = [{ listener: '0.0.0.0:80', more: 1 }];
    status.mockReturnValue({
      peers: [
        { name: 'phone', stats, streams, listeners },
        { name: 'idle', stats: { connected: false }, streams: [], listeners: [] },
      ],
    });
    const idle = { name: 'idle', connected: false, address: undefined, rttMs: undefined };
    expect(relay.status()).toEqual({
      address: '127.0.0.1:51820',
      peers: [
        {
          name: 'phone',
          connected: true,
          address: '[::1]:5',
          rttMs: 7,
          connections: [{ id: 4, target: 'db:5432' }],
          listeners: ['0.0.0.0:80'],
        },
        { ...idle, connections: [], listeners: [] },
      ],
    });
  });

  it('closes once, says so, and then takes neither peers nor invites', async () => {
    const { relay, close, lists } = await start({ onEnrol: () => undefined });
    const invite = relay.invite('laptop', { allow: [] });
    lists.length = 0;
    const closed = vi.fn();
    relay.on('close', closed);
    const closing = Promise.all([relay.close(), relay[Symbol.asyncDispose]()]);
    expect(closed).not.toHaveBeenCalled();
    await closing;
    expect([close.mock.calls.length, closed.mock.calls.length]).toEqual([1, 1]);
    const isClosed = expect.objectContaining({ code: 'closed', message: 'the relay is closed' });
    expect(() => relay.setPeers([])).toThrow(isClosed);
    expect(() => relay.invite('phone', { allow: [] })).toThrow(isClosed);
    invite.revoke();
    expect(lists).toEqual([]);
  });

  it('is given its peers together with its invites, whenever one of them changes', async () => {
    const kept: object[] = [];
    const maxRate = '10 MB/s';
    const { relay, lists, setPeers } = await start({ peers: [peer], onEnrol: (one) => void kept.push(one) });
    const rules = { allow: ['db:5432'], allowListen: ['8080'], maxRate };
    relay.invite('laptop', rules);
    const { revoke } = relay.invite('desk', rules);
    revoke();
    revoke();
    const outcome = enrol('laptop', publicKey(8));
    expect(outcome).toMatchObject({ status: 'opened', peer: { name: 'laptop', publicKey: publicKey(8) } });
    expect(kept).toMatchObject([{ name: 'laptop', ...rules }]);
    if (outcome?.status === 'opened') outcome.peer.presharedKey?.fill(0); // the relay wipes what it gets
    relay.invite('tv', { allow: [] });
    expect(lists).toEqual([
      { peers: ['phone'], invites: ['laptop'] },
      { peers: ['phone'], invites: ['laptop', 'desk'] },
      { peers: ['phone'], invites: ['laptop'] },
      { peers: ['phone', 'laptop'], invites: ['laptop', 'tv'] },
    ]);
    const [, laptop] = setPeers.mock.lastCall?.[0] ?? [];
    expect(laptop?.presharedKey?.some((byte) => byte !== 0)).toBe(true);
    expect(laptop).toMatchObject({ allow: [{ text: 'db:5432' }], maxRate: { text: maxRate } });
    setPeers.mockImplementationOnce(() => {
      throw new Error('two peers have the same key');
    });
    expect(() => relay.setPeers([])).toThrow('the same key');
    relay.setPeers([peer]);
    expect(lists.at(-1)).toEqual({ peers: ['phone'], invites: ['laptop', 'tv'] });
    expect(() => relay.invite('laptop', { allow: [] })).not.toThrow(); // it is no peer any more
  });

  it('wipes the preshared keys of peers that it has replaced or could not take, and all when it closes', async () => {
    const { relay, setPeers } = await start({ onEnrol: () => undefined });
    const isWiped = ([list, invites]: (typeof setPeers.mock.calls)[number]) =>
      [...list, ...((invites ?? []) as PeerList)].map((one) => one.presharedKey?.every((byte) => byte === 0));
    const presharedKey = new Uint8Array(32).fill(5);
    relay.setPeers([{ ...peer, presharedKey }]);
    relay.invite('laptop', { allow: [] });
    enrol('laptop', publicKey(8));
    relay.invite('tv', { allow: [] });
    setPeers.mockImplementationOnce(() => {
      throw new Error('refused');
    });
    expect(() => relay.setPeers([{ ...peer, presharedKey }])).toThrow('refused');
    const wiped = () => setPeers.mock.calls.map(isWiped);
    expect(wiped()).toEqual([[false], [false, false], [false, false, false, false], [true, false, false]]);
    relay.setPeers([{ ...peer, presharedKey }]);
    expect(wiped().slice(2)).toEqual([
      [true, true, false, false],
      [true, false, false],
      [false, false, false],
    ]);
    await relay.close();
    expect(wiped().flat()).not.toContain(false);
    expect(presharedKey).toEqual(new Uint8Array(32).fill(5));
  });

  it('gives no name to two, and a name again whose invite is over', async () => {
    const { relay } = await start({ peers: [peer], onEnrol: () => undefined });
    relay.invite('laptop', { allow: [] });
    for (const name of ['laptop', 'phone'])
      expect(() => relay.invite(name, { allow: [] })).toThrow(`the name ${name} is taken`);
    relay.setPeers([]);
    expect(() => relay.invite('phone', { allow: [] })).not.toThrow();
  });

  it('answers a client that has connected no second time', async () => {
    const { relay } = await start({ onEnrol: () => undefined });
    relay.invite('laptop', { allow: [] });
    const status = () => enrol('laptop', publicKey(8))?.status;
    expect([status(), status()]).toEqual(['opened', 'opened']);
    happen({ type: 'peer-disconnected', peer: 'laptop' });
    happen({ type: 'peer-connected', peer: 'phone' });
    expect(status()).toBe('opened');
    happen({ type: 'peer-connected', peer: 'laptop' });
    expect(status()).toBe('invite-used');
  });

  it.each([
    [MIN_INVITE_MS - 1, false],
    [MIN_INVITE_MS, true],
    [MAX_INVITE_MS, true],
    [MAX_INVITE_MS + 1, false],
    [Number.NaN, false],
  ])('makes an invite for %d ms: %s', async (expiresInMs, isPossible) => {
    const { relay } = await start({ onEnrol: () => undefined });
    const before = Date.now();
    const invite = () => relay.invite('laptop', { allow: [], expiresInMs });
    if (!isPossible) return expect(invite).toThrow(`expiresInMs: ${expiresInMs} is not possible`);
    const lateMs = invite().expires.getTime() - before - expiresInMs;
    expect(Math.abs(lateMs)).toBeLessThan(60_000);
  });

  it.each([
    ['127.0.0.1', undefined, '127.0.0.1:51820'],
    ['::1', undefined, '[::1]:51820'],
    ['0.0.0.0', undefined, 'a relay that listens on every interface'],
    ['::', undefined, 'a relay that listens on every interface'],
    ['::', 'vpn.example:1', 'vpn.example:1'],
    ['127.0.0.1', 'vpn.example:1', 'vpn.example:1'],
    ['127.0.0.1', 'vpn', "endpoint: 'vpn' is not a host and a port"],
  ])('at %s whose endpoint is %s makes links for %s', async (address, endpoint, expected) => {
    const { relay } = await start({ onEnrol: () => undefined }, { address, port: 51_820 });
    const invite = (one: Relay) => one.invite('laptop', { allow: [], ...(endpoint && { endpoint }) }).link;
    if (!expected.endsWith('0') && !expected.endsWith('1')) expect(() => invite(relay)).toThrow(expected);
    else expect(invite(relay)).toMatch(`underpass://${expected}/`);
  });
});
