/** `underpass client` up to the moment at which it runs: which relay, which keys and which forwards. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  formatInviteLink,
  parseDynamicForward,
  parseLocalForwards,
  parseReverseForwards,
  parseUdpForwards,
} from '@underpass/forward';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type ClientFlags, clientConfigFrom, runClient } from '../../src/commands/client.js';
import type { ClientRun } from '../../src/commands/run-client.js';
import { configVersion } from '../../src/config/config-watch.js';
import { ExitCode } from '../../src/exit-code.js';
import { writeKeyFile } from '../../src/key-file.js';
import { encodeKey } from '../../src/key-text.js';
import { DEFAULT_CONNECT_TIMEOUT_SECONDS } from '../../src/limits.js';
import { publicKeyOf } from '../../src/public-key.js';
import { temporaryDirectory } from '../temporary-directory.js';

const stage = vi.hoisted(() => ({
  runs: [] as unknown[][],
  levels: [] as string[],
  lines: [] as string[],
  recorded: [] as unknown[][],
  enrolled: undefined as unknown,
}));
vi.mock('../../src/commands/run-client.js', () => ({
  runForwards: async (run: unknown) => {
    await new Promise(setImmediate);
    stage.runs.push(['forwards', run]);
  },
  runOneConnection: async (target: unknown, run: unknown) => {
    await new Promise(setImmediate);
    stage.runs.push(['one', run, target]);
  },
}));
vi.mock('../../src/log.js', async () => {
  const { recordingLog } = await import('./recording-log.js');
  return {
    openLog: async (level: string) => {
      stage.levels.push(level);
      return Object.assign(recordingLog(), {
        lines: stage.lines,
        info: ({ event }: { readonly event: string }, m: string) => stage.lines.push(`${event}: ${m}`),
      });
    },
  };
});
vi.mock('../../src/recording/recordings.js', () => ({
  openRecordings: (...parameters: unknown[]) => stage.recorded.push(parameters),
}));
vi.mock('../../src/commands/enrol.js', async (original) => {
  const actual = await original<typeof import('../../src/commands/enrol.js')>();
  return {
    ...actual,
    relayOf: async (argument: string, as: string | undefined, log: () => Promise<unknown>) => {
      if (stage.enrolled === undefined) return actual.relayOf(argument, as, log as never);
      await log();
      return stage.enrolled;
    },
  };
});

const key = (seed: number) => new Uint8Array(32).fill(seed);
const RELAY_KEY = publicKeyOf(key(0x48));
const RELAY = { host: 'vpn.example.org', port: 51820 };
/** The parsed value of a text that must be valid. */
function valid<T extends object>(parsed: T | { readonly reason: string }): T {
  if ('reason' in parsed) throw new Error(parsed.reason);
  return parsed;
}
const LOCAL = valid(parseLocalForwards('8080:db:5432'));
const TARGET = { host: 'db', port: 22 };

let directory = '';
let keyFile = '';
beforeEach(() => {
  directory = temporaryDirectory();
  keyFile = path.join(directory, 'client.key');
  writeKeyFile(keyFile, key(0x40));
  Object.assign(stage, { enrolled: undefined });
  for (const list of [stage.runs, stage.levels, stage.lines, stage.recorded]) list.length = 0;
  vi.stubEnv('XDG_CONFIG_HOME', directory);
  vi.stubEnv('CREDENTIALS_DIRECTORY', undefined);
  onTestFinished(() => void vi.unstubAllEnvs());
});

/** The advice for options that exclude each other. */
const ADVICE =
  /leave .*out|give one or the other|enrol first, without -W|^put it into the config file|proxy-protocol behind the forward/;

const byOptions = (): ClientFlags => ({ relay: RELAY, relayKey: RELAY_KEY, key: keyFile });

/** Writes a client config. @returns its path */
function configFile(name = 'vps.toml', more = '', folder = directory): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, name);
  writeFileSync(
    file,
    `relay = "vps:51820"\nrelay_public_key = "${encodeKey(RELAY_KEY)}"\nprivate_key_file = "${keyFile}"\n${more}`,
  );
  return file;
}

/** Runs it, and returns the only run that came of it. */
async function runOf(relay: string | undefined, flags: ClientFlags) {
  await runClient(relay, flags);
  const [[kind, run, target] = [], ...others] = stage.runs.splice(0);
  expect(others).toEqual([]);
  return { kind, run: run as ClientRun, target };
}

describe('the client that runs', () => {
  it('is named after the host of the relay, the saved relay, or the file that a service was given', async () => {
    expect((await runOf(undefined, { ...byOptions(), localForward: LOCAL })).run.name).toBe(
      'vpn.example.org',
    );
    const config = configFile('home.toml', 'local_forwards = ["8080:db:1"]\n');
    expect((await runOf(undefined, { config })).run.name).toBe('vps');
    vi.stubEnv('CREDENTIALS_DIRECTORY', directory);
    expect((await runOf(undefined, { config })).run.name).toBe('home');
    vi.stubEnv('CREDENTIALS_DIRECTORY', path.join(directory, 'other'));
    expect((await runOf(undefined, { config })).run.name).toBe('vps');
    configFile('work.toml', 'local_forwards = ["8081:db:1"]\n', path.join(directory, 'underpass', 'relays'));
    const { run } = await runOf('work', { localForward: LOCAL, inspect: 0 });
    expect(run).toMatchObject({ name: 'work', config: { relay: { host: 'vps' } }, inspect: 0 });
    expect(run.config.forwards.map(({ text }) => text)).toEqual(['8081:db:1', '8080:db:5432']);
  });

  it('follows its file, adds the forwards of the command line, and lets options win', async () => {
    const config = configFile(
      'home.toml',
      'local_forwards = ["8081:db:1"]\npersistent_keepalive_seconds = 5\nconnect_timeout_seconds = 6\nmetrics = 7\n',
    );
    const { run, kind } = await runOf(undefined, { config, localForward: LOCAL });
    expect(kind).toBe('forwards');
    expect(run.loaded).toMatchObject({ file: config, version: configVersion(config) });
    expect(run.loaded?.config.forwards.map(({ text }) => text)).toEqual(['8081:db:1']);
    expect(run.config).toMatchObject({
      persistentKeepaliveSeconds: 5,
      connectTimeoutSeconds: 6,
      metrics: { port: 7 },
    });
    expect(run.config.forwards.map(({ text }) => text)).toEqual(['8081:db:1', '8080:db:5432']);
    const flags = { persistentKeepalive: 0, connectTimeout: 0, metrics: { port: 8 } };
    expect(clientConfigFrom({ config, ...flags })).toMatchObject({
      persistentKeepaliveSeconds: 0,
      connectTimeoutSeconds: 0,
      metrics: { port: 8 },
    });
    expect((await runOf(undefined, { ...byOptions(), localForward: LOCAL })).run.loaded).toBeUndefined();
  });

  it('records what its options say, when it is asked to', async () => {
    const flags = { ...byOptions(), localForward: LOCAL, capture: 'a.pcapng' };
    const { run } = await runOf(undefined, flags);
    expect(stage.recorded).toEqual([]);
    run.record();
    expect(stage.recorded).toEqual([[flags, 'client', run.log]]);
    const one = await runOf(undefined, { ...byOptions(), stdio: TARGET });
    one.run.record();
    expect(stage.recorded[1]?.slice(1)).toEqual(['client', one.run.log]);
  });

  it('logs at the level of the option, the file, or else info; one connection logs only errors', async () => {
    const config = configFile('home.toml', 'local_forwards = ["8080:db:1"]\n[log]\nlevel = "warn"\n');
    await runOf(undefined, { config });
    await runOf(undefined, { config, logLevel: 'debug' });
    await runOf(undefined, { ...byOptions(), localForward: LOCAL });
    await runOf(undefined, { config, stdio: TARGET });
    await runOf(undefined, { config, stdio: TARGET, logLevel: 'info' });
    expect(stage.levels).toEqual(['warn', 'debug', 'info', 'error', 'info']);
  });

  it('logs an enrolment and the run in one log', async () => {
    stage.enrolled = {
      name: 'vps',
      file: configFile('vps.toml', 'local_forwards = ["8080:db:1"]\n[log]\nlevel = "warn"\n'),
    };
    await runOf('underpass://link', {});
    await runOf('underpass://link', { stdio: TARGET });
    await runOf('-', {});
    expect(stage.levels).toEqual(['info', 'error', 'info']);
  });

  it('carries one connection with -W, without a need for forwards', async () => {
    const { kind, run, target } = await runOf(undefined, {
      ...byOptions(),
      stdio: TARGET,
      suite: 'portable',
      socket: 'plain',
    });
    expect([kind, target, run.suite, run.socket]).toEqual(['one', TARGET, 'portable', 'plain']);
  });
});

describe('without a forward', () => {
  const hint = 'give a forward, for example -L [BIND:]PORT:HOST:HOSTPORT or -D [BIND:]PORT';

  it('the client has nothing to do, which is a mistake, but not after it has enrolled', async () => {
    await expect(runClient(undefined, byOptions())).rejects.toMatchObject({
      exitCode: ExitCode.usage,
      message: 'nothing to forward',
      hint,
    });
    configFile('work.toml', '', path.join(directory, 'underpass', 'relays'));
    await expect(runClient('work', {})).rejects.toThrow('nothing to forward');
    stage.enrolled = { name: 'vps', file: configFile() };
    await runClient('underpass://link', {});
    expect([stage.runs, stage.lines]).toEqual([[], [`stopped: nothing to forward yet: ${hint}`]]);
  });
});

describe('the forwards of the command line', () => {
  const all = {
    localForward: LOCAL,
    dynamicForward: [valid(parseDynamicForward('1080'))],
    udpForward: valid(parseUdpForwards('53:dns:53')),
    reverseForward: valid(parseReverseForwards('9090:localhost:90')),
  };
  const isProxied = ({ forwards }: { readonly forwards: readonly object[] }) =>
    forwards.map((forward) => 'proxyProtocol' in forward && forward.proxyProtocol === true);

  it('are taken all, and -L and -R say who connects if that is asked for', () => {
    const plain = clientConfigFrom({ ...byOptions(), ...all });
    expect(plain.forwards.map(({ kind }) => kind)).toEqual(['local', 'dynamic', 'udp', 'reverse']);
    expect(isProxied(plain)).toEqual([false, false, false, false]);
    const proxied = clientConfigFrom({ ...byOptions(), ...all, proxyProtocol: true });
    expect(proxied.forwards.map(({ kind }) => kind)).toEqual(['local', 'dynamic', 'udp', 'reverse']);
    expect(isProxied(proxied)).toEqual([true, false, false, true]);
    for (const only of [{ localForward: LOCAL }, { reverseForward: all.reverseForward }]) {
      expect(isProxied(clientConfigFrom({ ...byOptions(), ...only, proxyProtocol: true }))).toEqual([true]);
    }
  });

  const link = formatInviteLink({ endpoint: RELAY, relayPublicKey: RELAY_KEY, secret: key(2) });
  it.each<[string, string | undefined, () => ClientFlags, string]>([
    [
      'a second use of a place',
      undefined,
      () => ({ ...byOptions(), localForward: [...LOCAL, ...LOCAL] }),
      '8080',
    ],
    ['a second use of a place beside a link', link, () => ({ localForward: [...LOCAL, ...LOCAL] }), '8080'],
    [
      '--proxy-protocol without a target',
      undefined,
      () => ({ ...byOptions(), udpForward: all.udpForward, proxyProtocol: true }),
      '--proxy-protocol needs a -L or -R',
    ],
    [
      '-W beside a forward',
      undefined,
      () => ({ ...byOptions(), stdio: TARGET, localForward: LOCAL }),
      '-W carries one connection',
    ],
    [
      '-W beside the inspector',
      undefined,
      () => ({ ...byOptions(), stdio: TARGET, inspect: 0 }),
      '-W logs no link',
    ],
    ['-W beside a link on stdin', '-', () => ({ stdio: TARGET }), '-W reads stdin itself'],
    [
      'a link beside --relay',
      link,
      () => ({ ...byOptions() }),
      "--relay cannot be combined with a relay's name or link",
    ],
    [
      'a name beside --config',
      'vps',
      () => ({ config: 'x.toml' }),
      "--config cannot be combined with a relay's name",
    ],
    [
      'a name beside --preshared-key',
      'vps',
      () => ({ presharedKey: 'x' }),
      '--preshared-key cannot be combined with a',
    ],
    [
      '--config beside --relay-key',
      undefined,
      () => ({ config: configFile(), relayKey: RELAY_KEY }),
      '--relay-key cannot be combined with --config',
    ],
    [
      '--config beside --key',
      undefined,
      () => ({ config: configFile(), key: 'k' }),
      '--key cannot be combined with --config',
    ],
    ['--as without a link', 'vps', () => ({ as: 'home' }), '--as only makes sense with a link'],
    [
      'a place of the file once more',
      undefined,
      () => ({ config: configFile('a.toml', 'local_forwards = ["8080:db:1"]\n'), localForward: LOCAL }),
      '8080',
    ],
  ])('are refused with %s, before anything happens', async (_what, relay, flags, message) => {
    if (relay === link) stage.enrolled = { name: 'vps', file: configFile() };
    await expect(runClient(relay, flags())).rejects.toMatchObject({
      exitCode: ExitCode.usage,
      message: expect.stringContaining(message),
      hint: expect.stringMatching(ADVICE),
    });
    expect([stage.runs, stage.levels]).toEqual([[], []]);
  });
});

describe('a client without a config file', () => {
  it('has the defaults of the command line', () => {
    expect(clientConfigFrom(byOptions())).toEqual({
      relay: RELAY,
      relayPublicKey: RELAY_KEY,
      privateKey: key(0x40),
      publicKey: publicKeyOf(key(0x40)),
      presharedKey: undefined,
      persistentKeepaliveSeconds: 0,
      connectTimeoutSeconds: DEFAULT_CONNECT_TIMEOUT_SECONDS,
      forwards: [],
      congestion: undefined,
      memoryPerPeerBytes: undefined,
      metrics: undefined,
      logLevel: undefined,
    });
    const psk = path.join(directory, 'psk');
    writeKeyFile(psk, key(7));
    const flags = { presharedKey: psk, persistentKeepalive: 25, connectTimeout: 0 };
    expect(clientConfigFrom({ ...byOptions(), ...flags })).toMatchObject({
      presharedKey: key(7),
      persistentKeepaliveSeconds: 25,
      connectTimeoutSeconds: 0,
    });
  });

  it.each<[string, () => ClientFlags, string, string]>([
    ['nothing', () => ({}), 'no relay is given', 'the link of an invite'],
    [
      'no --key',
      () => ({ ...byOptions(), key: undefined as never }),
      '--key is missing',
      'give --config FILE, or',
    ],
    [
      'no --relay',
      () => ({ relayKey: RELAY_KEY, key: keyFile }),
      '--relay is missing',
      'give --config FILE, or',
    ],
    ['only --key', () => ({ key: keyFile }), '--relay and --relay-key are missing', 'give --config FILE, or'],
    [
      'its own public key for the relay',
      () => ({ ...byOptions(), relayKey: publicKeyOf(key(0x40)) }),
      "--relay-key is this client's own public key",
      "give the relay's",
    ],
    [
      'its private key for the relay',
      () => ({ ...byOptions(), relayKey: key(0x40) }),
      '--relay-key is the same key as in /',
      'make a new one',
    ],
  ])('is refused with %s', (_what, flags, message, hint) => {
    expect(() => clientConfigFrom(flags())).toThrow(
      expect.objectContaining({
        exitCode: ExitCode.usage,
        message: expect.stringContaining(message),
        hint: expect.stringContaining(hint),
      }),
    );
  });
});
