/** Each option and each config key of a client and a relay, from the text that a user writes to the place where it acts:
 *  the options with which the client or relay is started, and what is opened beside it. A new option or key needs a
 *  row. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ClientOptions } from '@underpass/client';
import type { RelayOptions } from '@underpass/relay';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConfigError } from '../../src/cli-error.js';
import { buildProgram } from '../../src/commands/every-command.js';
import { clientConfigOf } from '../../src/config/client-config.js';
import { relayConfigOf } from '../../src/config/relay-config.js';
import { parseTomlDocument } from '../../src/config/toml-document.js';
import { writeKeyFile } from '../../src/key-file.js';
import { encodeKey } from '../../src/key-text.js';
import { publicKeyOf } from '../../src/public-key.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { declaredOptions, environmentOf } from './command-tree.js';

/** The values that arrived where they act. Keys are shortened to four characters. */
type Seen = Record<string, unknown>;

const stage = vi.hoisted(() => ({
  seen: {} as Record<string, unknown>,
  /** Ends a run where the traffic would begin. */
  End: class extends Error {},
}));

vi.mock('@underpass/client', async (importOriginal) => ({
  ...(await importOriginal<typeof import('@underpass/client')>()),
  startClient: (options: ClientOptions) => {
    noteClient(options);
    throw new stage.End();
  },
}));
vi.mock('@underpass/relay', async (importOriginal) => {
  const start = (options: RelayOptions & { readonly workers?: number }) => {
    noteRelay(options);
    return { address: { address: '0.0.0.0', port: 1 }, status: () => ({ peers: [] }) };
  };
  const original = await importOriginal<typeof import('@underpass/relay')>();
  return { ...original, startRelay: start, startSharedRelay: start };
});
vi.mock('../../src/control/claim-client.js', () => ({
  claimClient: ({ name }: { readonly name: string }) => {
    stage.seen.name = name;
    return { kind: 'claimed', control: { close: () => undefined, idle: () => Promise.resolve() } };
  },
}));
vi.mock('../../src/control/relay-control.js', () => ({
  openRelayControl: ({ endpoint, config }: { readonly endpoint?: string; readonly config: string }) => {
    Object.assign(stage.seen, { endpoint, config: path.basename(config) });
    throw new stage.End();
  },
}));
vi.mock('../../src/commands/stdio.js', () => ({
  runStdio: (target: unknown, _log: unknown, start: (onEvent: () => void) => unknown) => {
    stage.seen.stdio = target;
    return start(() => undefined);
  },
}));
vi.mock('../../src/commands/enrol.js', async (importOriginal) => ({
  ...(await importOriginal<typeof import('../../src/commands/enrol.js')>()),
  relayOf: (_relay: string, as: string | undefined) => {
    stage.seen.as = as;
    return { name: as ?? 'given', file: path.join(directory, 'client.toml') };
  },
}));
vi.mock('../../src/metrics/metrics-server.js', () => ({
  MetricsServer: {
    open: (at: unknown) => {
      stage.seen.metrics = at;
      return { counts: { onEvent: () => undefined }, serve: () => undefined, close: () => undefined };
    },
  },
}));
vi.mock('../../src/inspect/open-inspector.js', () => ({
  openInspector: (port: unknown) => {
    stage.seen.inspect = port;
    return undefined;
  },
}));
vi.mock('../../src/log.js', async () => {
  const { recordingLog } = await import('../commands/recording-log.js');
  return {
    openLog: (level: string) => {
      stage.seen.level ??= level;
      return recordingLog();
    },
  };
});
vi.mock('../../src/stop-signal.js', () => ({
  untilStopSignal: () => new Promise(() => undefined),
  isStopping: () => false,
}));
vi.mock('../../src/commands/internal-error.js', () => ({ endWithInternalError: () => undefined }));

function noteClient({ relayPublicKey, privateKey, presharedKey, forwards, ...options }: ClientOptions): void {
  noteOptions(options);
  Object.assign(stage.seen, {
    relayKey: shown(relayPublicKey),
    key: shown(privateKey),
    presharedKey: presharedKey && shown(presharedKey),
    forwards: forwards.map((forward) => `${forward.kind} ${forward.text}`),
    proxied: forwards.map((forward) => 'proxyProtocol' in forward && forward.proxyProtocol === true),
  });
}

function noteRelay({ privateKey, peers, name, ...options }: RelayOptions): void {
  noteOptions(options);
  stage.seen.key = shown(privateKey);
  stage.seen.ownName = name?.();
  stage.seen.peers = peers.map((peer) => ({
    name: peer.name,
    publicKey: shown(peer.publicKey),
    presharedKey: peer.presharedKey && shown(peer.presharedKey),
    allow: peer.allow.map(({ text }) => text),
    allowListen: peer.allowListen?.map(({ text }) => text),
    maxRate: peer.maxRate?.text,
  }));
}

/** Notes what needs no translation, and which files are written to. */
function noteOptions(options: Seen & { readonly keyLog?: (line: string) => void; readonly tap?: unknown }) {
  const { congestion, memoryPerPeerBytes, persistentKeepaliveMs, contactLimitMs, suite, socket } = options;
  const { listen, relay, maxOutageMs, idleTimeoutMs, workers } = options;
  Object.assign(stage.seen, { congestion, memoryPerPeerBytes, persistentKeepaliveMs, contactLimitMs });
  Object.assign(stage.seen, { suite, socket, listen, relay, maxOutageMs, idleTimeoutMs, workers });
  stage.seen.files = ['keys.log', 'traffic.pcapng', 'events.sqlog'].filter((file) =>
    existsSync(path.join(directory, file)),
  );
  stage.seen.isTapped = options.tap !== undefined;
}

const shown = (key: Uint8Array): string => encodeKey(key).slice(0, 4);
const secret = (seed: number): Uint8Array => new Uint8Array(32).fill(seed);
const shownSecret = (seed: number): string => shown(secret(seed));
const publicText = (seed: number): string => encodeKey(publicKeyOf(secret(seed)));
const shownPublic = (seed: number): string => publicText(seed).slice(0, 4);

let directory = '';
beforeEach(() => {
  directory = temporaryDirectory();
  for (const seed of [0x48, 0x58, 0x68]) writeKeyFile(path.join(directory, `${seed}.key`), secret(seed));
});
afterEach(() => {
  process.removeAllListeners('SIGHUP');
  vi.unstubAllEnvs();
});

/** Runs `underpass` with these arguments up to where the traffic would begin. */
async function run(command: string, argv: readonly string[]): Promise<Seen> {
  stage.seen = {};
  const program = buildProgram();
  const found = program.commands.find((one) => one.name() === command);
  // Commander keeps what it parsed, so each run needs commands of its own.
  await found?.parseAsync(argv.map(placed), { from: 'user' }).catch((error: unknown) => {
    if (!(error instanceof stage.End)) throw error;
  });
  return stage.seen;
}

/** A name in angle brackets stands for a file of the test. */
function placed(text: string): string {
  return text.replace(/<(.*)>/, (_, name: string) => path.join(directory, name));
}

type Row = readonly [what: string, given: string, at: string, is: unknown];

/** Checks that what is given reaches its place, and that the place holds something else without it. */
async function expectReached(
  [what, , at, is]: Row,
  withIt: () => Promise<Seen>,
  without: () => Promise<Seen>,
): Promise<void> {
  expect((await without())[at], `${at} without ${what}`).not.toEqual(is);
  expect((await withIt())[at], `${at} with ${what}`).toEqual(is);
}

// ---- the command line -----------------------------------------------------------------------------------------

const CLIENT = ['--relay', 'vpn.example.org:51820', '--relay-key', publicText(0x42), '--key', '<72.key>'];
const RECORDED: readonly Row[] = [
  ['--key-log', '<keys.log>', 'files', ['keys.log']],
  ['--capture', '<traffic.pcapng>', 'files', ['traffic.pcapng']],
  ['--qlog', '<events.sqlog>', 'files', ['events.sqlog']],
];
const CLIENT_OPTIONS: readonly Row[] = [
  ['--as', 'home', 'as', 'home'],
  ['--config', '<client.toml>', 'relay', { host: 'file.example.org', port: 1 }],
  ['--relay', '192.0.2.1:5', 'relay', { host: '192.0.2.1', port: 5 }],
  ['--relay-key', publicText(0x43), 'relayKey', shownPublic(0x43)],
  ['--key', '<88.key>', 'key', shownSecret(0x58)],
  ['--preshared-key', '<104.key>', 'presharedKey', shownSecret(0x68)],
  ['--local-forward', '8080:db:80', 'forwards', ['local 1:base:1', 'local 8080:db:80']],
  ['--dynamic-forward', '1080', 'forwards', ['local 1:base:1', 'dynamic 1080']],
  ['--udp-forward', '53:dns:53', 'forwards', ['local 1:base:1', 'udp 53:dns:53']],
  ['--reverse-forward', '80:localhost:3000', 'forwards', ['local 1:base:1', 'reverse 80:localhost:3000']],
  ['--proxy-protocol', '', 'proxied', [true]],
  ['--stdio', 'host:22', 'stdio', { host: 'host', port: 22 }],
  ['--persistent-keepalive', '21', 'persistentKeepaliveMs', 21_000],
  ['--connect-timeout', '7', 'contactLimitMs', 7_000],
  ['--metrics', '9100', 'metrics', { port: 9100 }],
  ['--suite', 'portable', 'suite', 'portable'],
  ['--socket', 'plain', 'socket', 'plain'],
  ...RECORDED,
  ['--inspect', '7000', 'inspect', 7000],
  ['--log-level', 'debug', 'level', 'debug'],
];
/** These stand in place of the options that say which relay it is. */
const WITHOUT_RELAY: Readonly<Record<string, readonly string[]>> = {
  '--as': ['underpass://x'],
  '--config': [],
};

const RELAY_OPTIONS: readonly Row[] = [
  ['--config', '<other.toml>', 'listen', { port: 2 }],
  ['--listen', '5', 'listen', { port: 5 }],
  ['--listen', '127.0.0.1:5', 'listen', { host: '127.0.0.1', port: 5 }],
  ['--endpoint', 'vpn.example.org:6', 'endpoint', 'vpn.example.org:6'],
  ['--metrics', '9100', 'metrics', { port: 9100 }],
  ['--metrics', '127.0.0.1:9100', 'metrics', { host: '127.0.0.1', port: 9100 }],
  ['--workers', '3', 'workers', 3],
  ['--suite', 'portable', 'suite', 'portable'],
  ['--socket', 'plain', 'socket', 'plain'],
  ...RECORDED,
  ['--inspect', '7000', 'inspect', 7000],
  ['--log-level', 'debug', 'level', 'debug'],
];

const CLIENT_FILE = `relay = "file.example.org:1"\nrelay_public_key = "${publicText(0x42)}"\nprivate_key_file = "72.key"\n`;
const RELAY_FILE = 'listen = 1\nprivate_key_file = "72.key"\n';
const PEER_FILE = `\n[[peer]]\nname = "laptop"\npublic_key = "${publicText(0x42)}"\nallow = []\n`;

function write(name: string, text: string): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(path.join(directory, name), text, { mode: 0o600 });
}

/** An argument that commander takes as one: the value belongs to its option. */
const argument = ([option, value]: Row): readonly string[] => (value === '' ? [option] : [option, value]);

describe('the options of underpass client', () => {
  beforeEach(() => write('client.toml', CLIENT_FILE));

  it('have a row each', () => {
    const rows = CLIENT_OPTIONS.map(([option]) => `client ${option}`);
    expect(new Set(declaredOptions((name) => name === 'client'))).toEqual(new Set(rows));
  });

  it.each(CLIENT_OPTIONS)('%s %s reaches %s', async (...row) => {
    const [option] = row;
    const relay = WITHOUT_RELAY[option];
    // -W carries one connection and no forwards.
    const forwards = option === '--stdio' ? [] : ['-L', '1:base:1'];
    await expectReached(
      row,
      () => run('client', [...(relay ?? CLIENT), ...forwards, ...argument(row)]),
      () => run('client', [...CLIENT, '-L', '1:base:1']),
    );
  });

  it.each(CLIENT_OPTIONS.filter(([option]) => environmentOf(`client ${option}`) !== undefined))(
    '%s may stand in the environment',
    async (...row) => {
      const [option, value, at, is] = row;
      vi.stubEnv(environmentOf(`client ${option}`) as string, placed(value));
      expect((await run('client', [...CLIENT, '-L', '1:base:1']))[at]).toEqual(is);
    },
  );

  it('are used beside a config file, and win over it', async () => {
    write('client.toml', `${CLIENT_FILE}persistent_keepalive_seconds = 1\nconnect_timeout_seconds = 1\n`);
    const given = [
      '--persistent-keepalive',
      '21',
      '--connect-timeout',
      '7',
      '--metrics',
      '9100',
      '-D',
      '1080',
    ];
    const seen = await run('client', ['--config', '<client.toml>', ...given, '--log-level', 'error']);
    expect(seen).toMatchObject({ persistentKeepaliveMs: 21_000, contactLimitMs: 7_000, level: 'error' });
    expect(seen).toMatchObject({ metrics: { port: 9100 }, forwards: ['dynamic 1080'] });
  });
});

describe('the options of underpass relay', () => {
  beforeEach(() => {
    write('relay.toml', RELAY_FILE);
    write('other.toml', RELAY_FILE.replace('listen = 1', 'listen = 2'));
  });

  it('have a row each', () => {
    const rows = RELAY_OPTIONS.map(([option]) => `relay ${option}`);
    expect(new Set(declaredOptions((name) => name === 'relay'))).toEqual(new Set(rows));
  });

  const base = ['--config', '<relay.toml>'];
  it.each(RELAY_OPTIONS)('%s %s reaches %s', async (...row) => {
    await expectReached(
      row,
      () => run('relay', [...base, ...argument(row)]),
      () => run('relay', base),
    );
  });

  it.each(RELAY_OPTIONS.filter(([option]) => environmentOf(`relay ${option}`) !== undefined))(
    '%s may stand in the environment',
    async (...row) => {
      const [option, value, at, is] = row;
      vi.stubEnv(environmentOf(`relay ${option}`) as string, placed(value));
      expect((await run('relay', option === '--config' ? [] : base))[at]).toEqual(is);
    },
  );
});

// ---- config files ---------------------------------------------------------------------------------------------

const CLIENT_KEYS: readonly Row[] = [
  ['relay', '"192.0.2.1:5"', 'relay', { host: '192.0.2.1', port: 5 }],
  ['relay_public_key', `"${publicText(0x43)}"`, 'relayKey', shownPublic(0x43)],
  ['private_key_file', '"88.key"', 'key', shownSecret(0x58)],
  ['preshared_key_file', '"104.key"', 'presharedKey', shownSecret(0x68)],
  ['persistent_keepalive_seconds', '21', 'persistentKeepaliveMs', 21_000],
  ['connect_timeout_seconds', '7', 'contactLimitMs', 7_000],
  ['local_forwards', '["8080:db:80"]', 'forwards', ['local 8080:db:80', 'local 1:base:1']],
  ['udp_forwards', '["53:dns:53"]', 'forwards', ['udp 53:dns:53', 'local 1:base:1']],
  ['dynamic_forwards', '["1080"]', 'forwards', ['dynamic 1080', 'local 1:base:1']],
  ['reverse_forwards', '["80:db:3000"]', 'forwards', ['reverse 80:db:3000', 'local 1:base:1']],
  ['congestion', '"cubic"', 'congestion', 'cubic'],
  ['memory_per_peer_mib', '48', 'memoryPerPeerBytes', 48 * 1024 * 1024],
  ['metrics', '9100', 'metrics', { port: 9100 }],
  ['log.level', '"debug"', 'level', 'debug'],
];
const RELAY_KEYS: readonly Row[] = [
  ['listen', '"127.0.0.1:5"', 'listen', { host: '127.0.0.1', port: 5 }],
  ['private_key_file', '"88.key"', 'key', shownSecret(0x58)],
  ['endpoint', '"vpn.example.org:6"', 'endpoint', 'vpn.example.org:6'],
  ['name', '"vps"', 'ownName', 'vps'],
  ['congestion', '"cubic"', 'congestion', 'cubic'],
  ['memory_per_peer_mib', '48', 'memoryPerPeerBytes', 48 * 1024 * 1024],
  ['max_outage_hours', '3', 'maxOutageMs', 3 * 3_600_000],
  ['idle_timeout_minutes', '9', 'idleTimeoutMs', 9 * 60_000],
  ['workers', '3', 'workers', 3],
  ['metrics', '9100', 'metrics', { port: 9100 }],
  ['log.level', '"debug"', 'level', 'debug'],
];
/** Each key of `[[peer]]`, and the field of the only peer that it sets. */
const PEER_KEYS: readonly (readonly [key: string, given: string, field: string, is: unknown])[] = [
  ['name', '"desk"', 'name', 'desk'],
  ['public_key', `"${publicText(0x43)}"`, 'publicKey', shownPublic(0x43)],
  ['preshared_key_file', '"104.key"', 'presharedKey', shownSecret(0x68)],
  ['allow', '["db:1"]', 'allow', ['db:1']],
  ['allow_listen', '["80"]', 'allowListen', ['80']],
  ['max_rate', '"10 MB/s"', 'maxRate', '10 MB/s'],
];

/** The text with that key set, in place of what stands there. */
function withKey(text: string, key: string, value: string): string {
  const [name, inner] = key.split('.') as [string, string?];
  if (inner !== undefined) return `${text}\n[${name}]\n${inner} = ${value}\n`;
  const line = new RegExp(`^${key} = .*$`, 'm');
  return line.test(text) ? text.replace(line, `${key} = ${value}`) : `${key} = ${value}\n${text}`;
}

/** The keys that a table has, which the program lists when it meets another one. */
function knownKeys(check: () => unknown, table: string): string[] {
  try {
    check();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const line = error.problems.find((problem) => problem.includes(`${table}zzz: unknown key`));
    return line?.replace(/^.*known keys: /, '').split(', ') ?? [];
  }
  return [];
}

/** The keys of the rows, with the names of tables in place of what is in them. */
const tabled = (rows: readonly Row[], ...tables: readonly string[]): Set<string | undefined> =>
  new Set([...rows.map(([key]) => key.split('.')[0]), ...tables]);

const check = (of: typeof clientConfigOf | typeof relayConfigOf, text: string) => () =>
  of(parseTomlDocument(path.join(directory, 'any.toml'), text));

describe('the keys of client.toml', () => {
  it('have a row each', () => {
    const keys = knownKeys(check(clientConfigOf, `zzz = 1\n${CLIENT_FILE}`), '');
    expect(new Set(keys)).toEqual(tabled(CLIENT_KEYS));
    expect(knownKeys(check(clientConfigOf, `${CLIENT_FILE}[log]\nzzz = 1\n`), 'log.')).toEqual(['level']);
  });

  const withFile = (text: string) => {
    write('client.toml', text);
    return run('client', ['--config', '<client.toml>', '-L', '1:base:1']);
  };
  it.each(CLIENT_KEYS)('%s = %s reaches %s', async (...row) => {
    const [key, value] = row;
    await expectReached(
      row,
      () => withFile(withKey(CLIENT_FILE, key, value)),
      () => withFile(CLIENT_FILE),
    );
  });
});

describe('the keys of relay.toml', () => {
  it('have a row each', () => {
    const keys = knownKeys(check(relayConfigOf, `zzz = 1\n${RELAY_FILE}`), '');
    expect(new Set(keys)).toEqual(tabled(RELAY_KEYS, 'peer'));
    expect(knownKeys(check(relayConfigOf, `${RELAY_FILE}[log]\nzzz = 1\n`), 'log.')).toEqual(['level']);
    const ofPeer = knownKeys(check(relayConfigOf, `${RELAY_FILE}${PEER_FILE}zzz = 1\n`), 'peer.');
    expect(new Set(ofPeer)).toEqual(new Set(PEER_KEYS.map(([key]) => key)));
  });

  const withFile = (text: string) => {
    write('relay.toml', text);
    return run('relay', ['--config', '<relay.toml>']);
  };
  it.each(RELAY_KEYS)('%s = %s reaches %s', async (...row) => {
    const [key, value] = row;
    await expectReached(
      row,
      () => withFile(withKey(RELAY_FILE, key, value)),
      () => withFile(RELAY_FILE),
    );
  });

  it.each(PEER_KEYS)('peer.%s = %s reaches %s', async (key, value, field, is) => {
    const base = { name: 'laptop', publicKey: shownPublic(0x42), allow: [] };
    expect((await withFile(RELAY_FILE + PEER_FILE)).peers).toEqual([base]);
    const peer = PEER_FILE.includes(`\n${key} =`)
      ? withKey(PEER_FILE, key, value)
      : `${PEER_FILE}${key} = ${value}\n`;
    expect((await withFile(RELAY_FILE + peer)).peers).toEqual([{ ...base, [field]: is }]);
  });
});
