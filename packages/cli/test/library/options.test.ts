/** Follows what a program gives to the library to where it must arrive: the client or the relay that is started. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ClientOptions } from '@underpass/client';
import type { RelayOptions } from '@underpass/relay';
import { silentLog } from '@underpass/runtime';
import { expect, it, vi } from 'vitest';
import type { KeyOptions, TunnelOptions } from '../../src/library/api.js';
import { connect } from '../../src/library/connect.js';
import { generateKeyPair } from '../../src/library/keys.js';
import { createRelay } from '../../src/library/relay.js';
import type { RelayOptions as Given, RelayPeer } from '../../src/library/relay-api.js';
import { temporaryDirectory } from '../temporary-directory.js';

const stage = vi.hoisted(() => ({ client: {} as ClientOptions, relay: {} as RelayOptions }));
/** Copies keys, because the library wipes its own. */
function copied<T extends object>(options: T): T {
  const entries = Object.entries(options) as [string, unknown][];
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value instanceof Uint8Array ? value.slice() : value]),
  ) as T;
}
vi.mock('@underpass/client', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  startClient: (options: ClientOptions) => {
    stage.client = copied(options);
    return Promise.reject(new Error('not started'));
  },
}));
vi.mock('@underpass/relay', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  startRelay: (options: RelayOptions) => {
    stage.relay = { ...copied(options), peers: options.peers.map(copied) };
    return Promise.reject(new Error('not started'));
  },
}));

const [relayKeys, keys, other] = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const access = {
  relay: 'vps.example:51820',
  relayPublicKey: relayKeys.publicKey,
  privateKey: keys.privateKey,
};

async function clientOf(
  given: Parameters<typeof connect>[0],
  options?: TunnelOptions,
): Promise<ClientOptions> {
  await expect(connect(given, options)).rejects.toThrow('not started');
  return stage.client;
}

const OF_KEYS: {
  readonly [Option in keyof KeyOptions]-?: readonly [Partial<KeyOptions>, Partial<ClientOptions>];
} = {
  relay: [{ relay: '[2001:db8::1]:5' }, { relay: { host: '2001:db8::1', port: 5 } }],
  relayPublicKey: [{ relayPublicKey: other.publicKey }, { relayPublicKey: bytes(other.publicKey) }],
  privateKey: [{ privateKey: bytes(other.privateKey) }, { privateKey: bytes(other.privateKey) }],
  presharedKey: [{ presharedKey: other.privateKey }, { presharedKey: bytes(other.privateKey) }],
  persistentKeepaliveMs: [{ persistentKeepaliveMs: 25_000 }, { persistentKeepaliveMs: 25_000 }],
};

it.each(Object.entries(OF_KEYS))('connect passes on its option %s', async (_option, [given, expected]) => {
  expect(await clientOf({ ...access, ...given })).toMatchObject(expected);
});

it('connect passes on its log and its limit, and has defaults for both', async () => {
  const log = { ...silentLog };
  expect(await clientOf(access, { log, connectTimeoutMs: 7 })).toMatchObject({ log, contactLimitMs: 7 });
  expect((await clientOf(access, { log })).log).toBe(log);
  expect(await clientOf(access)).toMatchObject({
    log: silentLog,
    contactLimitMs: 30_000,
    persistentKeepaliveMs: 0,
    refuseUnknownName: true,
    forwards: [],
  });
});

it('connect passes on what a config file says, and its own limit goes first', async () => {
  const directory = temporaryDirectory();
  const file = path.join(directory, 'home.toml');
  for (const [name, key] of [
    ['home.key', keys.privateKey],
    ['home.psk', other.privateKey],
  ] as const) {
    writeFileSync(path.join(directory, name), `${key}\n`, { mode: 0o600 });
  }
  const lines = [
    'relay = "vps.example:51820"',
    `relay_public_key = "${relayKeys.publicKey}"`,
    'private_key_file = "home.key"',
    'preshared_key_file = "home.psk"',
    'persistent_keepalive_seconds = 25',
    'connect_timeout_seconds = 9',
    'congestion = "cubic"',
    'memory_per_peer_mib = 64',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  vi.stubEnv('XDG_RUNTIME_DIR', directory);
  try {
    expect(await clientOf({ config: file })).toMatchObject({
      relay: { host: 'vps.example', port: 51_820 },
      relayPublicKey: bytes(relayKeys.publicKey),
      privateKey: bytes(keys.privateKey),
      presharedKey: bytes(other.privateKey),
      persistentKeepaliveMs: 25_000,
      contactLimitMs: 9_000,
      congestion: 'cubic',
      memoryPerPeerBytes: 64 * 1024 * 1024,
    });
    expect((await clientOf({ config: file }, { connectTimeoutMs: 7 })).contactLimitMs).toBe(7);
  } finally {
    vi.unstubAllEnvs();
  }
});

const resolve = async () => ['192.0.2.1'];
const log = { ...silentLog };
const OF_RELAY: {
  readonly [Option in Exclude<keyof Given, 'signal' | 'onEnrol'>]-?: readonly [
    Partial<Given>,
    { readonly [Name in keyof RelayOptions]?: unknown },
  ];
} = {
  listen: [{ listen: '[::1]:5' }, { listen: { host: '::1', port: 5 } }],
  privateKey: [{ privateKey: bytes(other.privateKey) }, { privateKey: bytes(other.privateKey) }],
  peers: [{ peers: [{ name: 'a', publicKey: keys.publicKey, allow: [] }] }, { peers: [{ name: 'a' }] }],
  maxOutageMs: [{ maxOutageMs: 0 }, { maxOutageMs: 0 }],
  idleTimeoutMs: [{ idleTimeoutMs: 60_000 }, { idleTimeoutMs: 60_000 }],
  resolve: [{ resolve }, { resolve }],
  log: [{ log }, { log }],
};
const OF_PEER: {
  readonly [Option in keyof RelayPeer]-?: readonly [Partial<RelayPeer>, { readonly [name: string]: unknown }];
} = {
  name: [{ name: 'desk' }, { name: 'desk' }],
  publicKey: [{ publicKey: bytes(other.publicKey) }, { publicKey: bytes(other.publicKey) }],
  presharedKey: [{ presharedKey: other.privateKey }, { presharedKey: bytes(other.privateKey) }],
  allow: [{ allow: ['db:5432'] }, { allow: [{ text: 'db:5432' }] }],
  allowListen: [{ allowListen: ['*:8080'] }, { allowListen: [{ text: '*:8080' }] }],
  maxRate: [{ maxRate: '10 MB/s' }, { maxRate: { text: '10 MB/s', bytesPerSecond: 10e6 } }],
};
const relay = { listen: '127.0.0.1:0', privateKey: relayKeys.privateKey, peers: [] };

async function relayOf(given: Given): Promise<RelayOptions> {
  await expect(createRelay(given)).rejects.toThrow('not started');
  return stage.relay;
}

it.each(Object.entries(OF_RELAY))(
  'createRelay passes on its option %s',
  async (_option, [given, expected]) => {
    expect(await relayOf({ ...relay, ...given })).toMatchObject(expected);
  },
);

it.each(Object.entries(OF_PEER))(
  'createRelay passes on the option %s of a peer',
  async (_option, [given, expected]) => {
    const peer = { name: 'laptop', publicKey: keys.publicKey, allow: [], ...given };
    expect(await relayOf({ ...relay, peers: [peer] })).toMatchObject({ peers: [expected] });
  },
);

it('createRelay leaves defaults to the relay, and enrols nobody without onEnrol', async () => {
  const started = await relayOf(relay);
  expect(new Set(Object.keys(started))).toEqual(new Set(['listen', 'log', 'onEvent', 'peers', 'privateKey']));
  expect((await relayOf({ ...relay, onEnrol: () => undefined })).enrol).toBeTypeOf('function');
});
