/** A relay from its start to its end: its first config, what runs beside it, what its events lead to, and how it ends. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import type { RelayEvent, RelayOptions } from '@underpass/relay';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { endWithInternalError } from '../../src/commands/internal-error.js';
import { type RelayFlags, runRelay } from '../../src/commands/relay.js';
import type { ControlExchange } from '../../src/control/control-server.js';
import type { EventFeed } from '../../src/control/event-feed.js';
import { ExitCode } from '../../src/exit-code.js';
import { readPrivateKeyFile } from '../../src/key-file.js';
import { encodeKey } from '../../src/key-text.js';
import { publicKeyOf } from '../../src/public-key.js';
import { addInvite, removeStored } from '../../src/store/store-changes.js';
import { invite, rules } from '../store/invites.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { RELAY_KEY, relayFilesWith, storedBy } from './a-relay.js';
import { recordPrinted } from './printed.js';
import type { recordingLog } from './recording-log.js';

type Seen = {
  options?: RelayOptions;
  workers?: number;
  control?: {
    readonly endpoint: string | undefined;
    readonly config: string;
    readonly publicKey: Uint8Array;
    readonly feed: EventFeed<RelayEvent>;
    readonly reload: () => Promise<unknown>;
  };
  report?: () => Promise<unknown>;
  recorded?: () => readonly unknown[];
  inspected?: unknown;
  log?: ReturnType<typeof recordingLog>;
};
const stage = vi.hoisted(() => ({
  calls: [] as string[],
  seen: {} as object,
  fails: '',
  brokenStore: false,
  isClosed: false,
  bytesSent: 5,
  changed: [] as (() => void)[],
  /** What is watched, with its place and the version that is known. */
  watched: [] as unknown[][],
  stop: (_signal: 'SIGTERM'): void => undefined,
}));
const did = vi.hoisted(() => (what: string) => {
  stage.calls.push(what);
  if (stage.fails === what) throw new Error(`no ${what}`);
});

vi.mock('@underpass/relay', async (original) => {
  const relay = {
    address: { address: '0.0.0.0', port: 4242 },
    setPeers: (peers: readonly object[]) => did(`set ${peers.length} peers`),
    status: () => {
      if (stage.isClosed) throw new Error('the relay is closed');
      return {
        address: { address: '0.0.0.0', port: 4242 },
        suite: 'sodium',
        drops: {},
        peers: [
          {
            name: 'phone',
            publicKey: new Uint8Array(32),
            stats: { handshakes: 1, streamBytesSent: stage.bytesSent, flowDatagrams: {} },
            streams: [],
            listeners: [],
          },
        ],
      };
    },
    close: async () => {
      stage.isClosed = true;
      for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
      did('close relay');
    },
  };
  return {
    ...(await original<object>()),
    startRelay: async (options: RelayOptions) => {
      stage.isClosed = false;
      // The real one has its own copies of the keys.
      Object.assign(stage.seen, { options: { ...options, privateKey: options.privateKey.slice() } });
      did('start');
      return relay;
    },
    startSharedRelay: async (options: RelayOptions & { readonly workers: number }) => {
      stage.isClosed = false;
      Object.assign(stage.seen, { options, workers: options.workers });
      did('start shared');
      return relay;
    },
  };
});
vi.mock('@underpass/runtime', async (original) => ({
  ...(await original<object>()),
  returnFreedMemory: () => did('return freed memory'),
}));
vi.mock('../../src/log.js', async () => {
  const { recordingLog } = await import('./recording-log.js');
  return {
    openLog: async (level: string) => {
      did(`log ${level}`);
      const log = recordingLog();
      Object.assign(stage.seen, { log });
      return log;
    },
  };
});
vi.mock('../../src/stop-signal.js', () => ({
  untilStopSignal: () =>
    new Promise((resolve) => {
      stage.stop = resolve;
    }),
}));
vi.mock('../../src/collect-garbage.js', () => ({ collectGarbageOfStart: () => did('collect garbage') }));
vi.mock('../../src/v8-flags.js', () => ({
  prepareToStart: () => did('prepare to start'),
  prepareForTraffic: () => did('prepare for traffic'),
}));
vi.mock('../../src/service/notify.js', () => ({
  serviceManager: () => ({
    ready: (text: string) => did(`ready ${text}`),
    reloading: (reload: () => Promise<unknown>) => {
      did('reloading');
      return reload();
    },
    stopping: () => did('stopping'),
  }),
}));
const watch = vi.hoisted(
  () => (name: string, change: number) =>
    class {
      constructor(...parameters: (() => void)[]) {
        stage.changed.push(parameters[change] as () => void);
        stage.watched.push([name, ...parameters.slice(0, change)]);
      }
      noteSeen(): void {
        did(`${name} is seen`);
      }
      close(): void {
        did(`close ${name}`);
      }
    },
);
vi.mock('../../src/store/store-watch.js', () => ({ StoreWatch: watch('store watch', 1) }));
vi.mock('../../src/config/config-watch.js', () => ({
  configVersion: () => {
    did('note version');
    return 'version';
  },
  ConfigWatch: watch('config watch', 2),
}));
vi.mock('../../src/store/store-changes.js', async (original) => {
  const actual = await original<typeof import('../../src/store/store-changes.js')>();
  const full = Object.assign(new Error('full'), { code: 'ENOSPC' });
  const unlessFull =
    <P extends unknown[]>(call: (...parameters: P) => void) =>
    (...parameters: P): void => {
      if (stage.brokenStore) throw full;
      call(...parameters);
    };
  return {
    ...actual,
    makeStore: unlessFull(actual.makeStore),
    noteConnected: unlessFull(actual.noteConnected),
    sweepStore: (directory: string, nowMs: number) => {
      did(`sweep ${Math.abs(nowMs - Date.now()) < 60_000 ? 'now' : nowMs}`);
      actual.sweepStore(directory, nowMs);
    },
  };
});
vi.mock('../../src/control/relay-control.js', () => ({
  openRelayControl: async (options: object) => {
    did('control');
    Object.assign(stage.seen, { control: options });
    return { close: () => did('close control') };
  },
}));
vi.mock('../../src/metrics/metrics-server.js', () => ({
  MetricsServer: {
    open: async ({ port }: { readonly port: number }) => {
      did(`metrics ${port}`);
      return {
        counts: { onEvent: ({ type }: { readonly type: string }) => did(`count ${type}`) },
        serve: async (report: unknown) => {
          did('serve metrics');
          Object.assign(stage.seen, { report });
        },
      };
    },
  },
}));
vi.mock('../../src/inspect/open-inspector.js', () => ({
  openInspector: async (port: number | undefined) =>
    port === undefined
      ? undefined
      : {
          sampler: 'sampler',
          serve: (inspected: unknown) => {
            did('serve inspector');
            Object.assign(stage.seen, { inspected });
          },
          close: () => did('close inspector'),
        },
}));
vi.mock('../../src/recording/recordings.js', () => ({
  joinTaps: (...taps: readonly unknown[]) => (taps.some((tap) => tap !== undefined) ? taps : undefined),
  openRecordings: ({ capture }: RelayFlags, role: string) => {
    did(`record ${role}`);
    return {
      tap: capture,
      begin: (recorded: unknown) => {
        did('begin recordings');
        Object.assign(stage.seen, { recorded });
      },
      close: async () => {
        await new Promise(setImmediate);
        did('close recordings');
      },
    };
  },
}));

const seen = () => stage.seen as Seen;
const calls = () => stage.calls.splice(0);
const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

let directory = '';
let printed: () => string[];
beforeEach(() => {
  directory = temporaryDirectory();
  for (const list of [stage.calls, stage.changed, stage.watched]) list.length = 0;
  Object.assign(stage, { seen: {}, fails: '', brokenStore: false, bytesSent: 5 });
  vi.stubEnv('XDG_CONFIG_HOME', directory);
  printed = recordPrinted(false);
  const before = process.listeners('SIGHUP');
  onTestFinished(() => {
    for (const listener of process.listeners('SIGHUP')) {
      if (!before.includes(listener)) process.removeListener('SIGHUP', listener);
    }
    vi.unstubAllEnvs();
  });
});

/** Starts a relay and waits until it has started. @returns stops it */
async function started(flags: RelayFlags): Promise<() => Promise<string[]>> {
  const ended = runRelay(flags);
  await Promise.race([ended, vi.waitUntil(() => stage.calls.includes('prepare for traffic'))]);
  return async () => {
    calls();
    stage.stop('SIGTERM');
    await ended;
    return calls();
  };
}

describe('a relay', () => {
  it('starts with its config, says so, and ends in order', async () => {
    const config = relayFilesWith(0);
    const stop = await started({ config });
    expect(calls()).toEqual([
      'prepare to start',
      'note version',
      'log info',
      'record relay',
      'start',
      'begin recordings',
      'sweep now',
      'control',
      'ready listening on UDP port 4242',
      'collect garbage',
      'prepare for traffic',
      'return freed memory',
    ]);
    const { options, log } = seen();
    expect(options).toMatchObject({ listen: { port: 51820 }, privateKey: RELAY_KEY, tap: undefined });
    expect(options?.peers.map(({ name }) => name)).toEqual(['server', 'phone']);
    expect(stage.watched).toEqual([
      ['store watch', config.replace(/toml$/, 'd')],
      ['config watch', config, 'version'],
    ]);
    expect(log?.lines).toEqual([
      `info listening on UDP 0.0.0.0:4242 as ${encodeKey(publicKeyOf(RELAY_KEY)).slice(0, 8)}… for 2 peers (to reload ${config}: kill -HUP ${process.pid})`,
    ]);
    expect(log?.fields[0]).toMatchObject({ event: 'listening', port: 4242, peers: 2 });
    expect(await stop()).toEqual([
      'stopping',
      'close store watch',
      'close config watch',
      'close control',
      'close relay',
      'close recordings',
    ]);
    expect(log?.lines.slice(1)).toEqual([expect.stringMatching(/^info phone: 5 bytes sent/), 'info stopped']);
    expect(log?.fields.at(-1)).toEqual({ event: 'stopped', signal: 'SIGTERM' });
    expect(printed()).toEqual([]);
  });

  it('leaves no key of its config in memory', async () => {
    const stop = await started({ config: relayFilesWith(Date.now() + 3_600_000) });
    const { peers = [], invites = [] } = seen().options ?? {};
    const secrets = [...peers, ...invites].flatMap(({ presharedKey }) => presharedKey ?? []);
    expect(secrets.length).toBe(3);
    for (const secret of secrets) expect(secret).toEqual(new Uint8Array(32));
    await stop();
  });

  it('has what options ask for, which win over the config', async () => {
    const more = 'endpoint = "vpn.example.org:1"\nmetrics = 1\n[log]\nlevel = "warn"\n';
    const config = relayFilesWith(0, more);
    const stop = await started({ config });
    expect(calls()).toEqual(expect.arrayContaining(['log warn', 'metrics 1', 'serve metrics']));
    expect(seen().control?.endpoint).toBe('vpn.example.org:1');
    await stop();
    const flags = {
      endpoint: { host: '::1', port: 5 },
      logLevel: 'debug',
      metrics: { port: 2 },
      listen: { port: 3 },
      inspect: 4,
      capture: 'a',
    } as const;
    const stopOther = await started({ config, ...flags });
    expect(calls()).toEqual(
      expect.arrayContaining([
        'log debug',
        'metrics 2',
        'serve inspector',
        'begin recordings',
        'serve metrics',
      ]),
    );
    expect(seen().options).toMatchObject({ listen: { port: 3 }, tap: ['a', 'sampler'], watch: 'sampler' });
    expect(seen().control?.endpoint).toBe('[::1]:5');
    expect(await stopOther()).toContain('close inspector');
  });

  it('hands what asks about it, or records it, what it knows', async () => {
    const config = relayFilesWith(Date.now() + 3_600_000, 'name = "home"\nmetrics = 1\n');
    const stop = await started({ config, inspect: 4 });
    const publicKey = publicKeyOf(RELAY_KEY);
    const { options, control, report, recorded, inspected } = seen();
    expect([options?.name?.(), options?.onFatal]).toEqual(['home', endWithInternalError]);
    expect(control).toMatchObject({ config, publicKey });
    const facts = { kind: 'relay', name: 'relay', config, publicKey: encodeKey(publicKey) };
    expect(await report?.()).toMatchObject({ ...facts, suite: 'sodium', peers: [{ name: 'phone' }] });
    for (const bytesSent of [5, 6]) {
      stage.bytesSent = bytesSent;
      expect(recorded?.()).toMatchObject([{ handshakes: 1, streamBytesSent: bytesSent }]);
    }
    expect(inspected).toMatchObject({ process: { kind: 'relay', name: 'relay', suite: 'sodium' } });
    const sent: unknown[] = [];
    const exchange = { send: (value: unknown) => sent.push(value), signal: new AbortController().signal };
    control?.feed.add(exchange as unknown as ControlExchange);
    const event: RelayEvent = { type: 'resumed', peer: 'phone', silentMs: 5000 };
    options?.onEvent?.(event);
    expect(sent[1]).toEqual(event);
    await stop();
  });

  it('lets the holder of an open invite enrol, and keeps that in its store', async () => {
    const config = relayFilesWith(Date.now() + 3_600_000);
    const stop = await started({ config });
    const key = publicKeyOf(new Uint8Array(32).fill(0x60));
    expect(seen().options?.enrol?.('laptop', key)).toMatchObject({
      status: 'opened',
      peer: { name: 'laptop' },
    });
    expect(storedBy(config, 'laptop')?.enrolled?.publicKey).toEqual(key);
    await stop();
    const stopLate = await started({ config: relayFilesWith(Date.now() - 1) });
    expect(seen().options?.enrol?.('laptop', key)).toEqual({ status: 'invite-expired' });
    await stopLate();
  });

  it('protects the control sockets of its user from its peers', async () => {
    vi.stubEnv('XDG_RUNTIME_DIR', directory);
    const control = path.join(directory, 'underpass');
    mkdirSync(control, { recursive: true, mode: 0o700 });
    const server = createServer();
    onTestFinished(() => void server.close());
    const socket = path.join(control, 'relay-0123456789ab.sock');
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    const stop = await started({ config: relayFilesWith(0) });
    expect(seen().options?.ownSockets?.()).toContain(socket);
    await stop();
  });

  it('warns as long as nobody can connect', async () => {
    const config = relayFilesWith(0);
    writeFileSync(config, readFileSync(config, 'utf8').split('[[peer]]')[0] ?? '');
    const warned = async () => {
      const stop = await started({ config });
      await stop();
      return seen().log?.lines.some((line) => line.startsWith('warn nobody can connect yet')) === true;
    };
    expect(await warned()).toBe(false); // a peer of the store
    const store = config.replace(/toml$/, 'd');
    for (const name of ['phone', 'laptop']) removeStored(store, name);
    expect(await warned()).toBe(true);
    const open = invite(Date.now() + 3_600_000);
    addInvite(store, 'tablet', { allow: rules('localhost:80') }, open);
    expect(await warned()).toBe(false);
    removeStored(store, 'tablet');
    expect(await warned()).toBe(true);
    expect(seen().log?.lines[0]).toContain(' for 0 peers (');
  });
});

describe('the events of a relay', () => {
  it('are logged and counted, and a first connection is remembered in the store', async () => {
    const config = relayFilesWith(0, 'metrics = 1\n');
    const stop = await started({ config });
    calls();
    const happen = (event: RelayEvent) => seen().options?.onEvent?.(event);
    happen({ type: 'resumed', peer: 'phone', silentMs: 5000 });
    const publicKey = new Uint8Array(32);
    happen({ type: 'peer-enrolled', peer: 'phone', publicKey, address: undefined });
    expect(storedBy(config, 'phone')?.hasConnected).toBe(false);
    happen({ type: 'peer-connected', peer: 'phone', address: undefined } as never);
    expect(storedBy(config, 'phone')?.hasConnected).toBe(true);
    expect(calls()).toEqual(['count resumed', 'count peer-enrolled', 'count peer-connected']);
    expect(seen().log?.lines.slice(1)).toEqual([
      'info phone answers again after 5.0 s',
      'info phone enrolled with the key AAAAAAAA…',
      'info phone connected',
    ]);
    await stop();
  });

  it('are no trouble if the store cannot be written, which is said', async () => {
    const config = relayFilesWith(0);
    stage.brokenStore = true;
    const stop = await started({ config });
    seen().options?.onEvent?.({ type: 'peer-connected', peer: 'phone', address: undefined } as never);
    const store = config.replace(/toml$/, 'd');
    expect(seen().log?.lines.filter((line) => line.startsWith('warn'))).toEqual([
      `warn nobody can enrol: cannot write ${store}: no space left`,
      `warn cannot write ${store}: no space left`,
    ]);
    expect(seen().log?.fields.at(-1)).toEqual({ event: 'store-failed', peer: 'phone' });
    await stop();
  });
});

describe('a reload', () => {
  it('is asked for by SIGHUP and by changes of the files, whose new versions count as seen', async () => {
    const stop = await started({ config: relayFilesWith(0) });
    calls();
    for (const ask of [...stage.changed, () => process.emit('SIGHUP')]) {
      ask();
      await settle();
      expect(calls()).toEqual([
        'config watch is seen',
        'reloading',
        'prepare to start',
        'set 2 peers',
        'prepare for traffic',
      ]);
    }
    expect(await seen().control?.reload()).toEqual({ peers: 2, restartNeeded: [] });
    expect(calls()).toEqual([
      'store watch is seen',
      'config watch is seen',
      'reloading',
      'prepare to start',
      'set 2 peers',
      'prepare for traffic',
    ]);
    await stop();
  });

  it('over the control socket fails with what is wrong with the config, and SIGHUP only logs that', async () => {
    const config = relayFilesWith(0);
    const stop = await started({ config });
    writeFileSync(config, 'lisen = 1\n');
    calls();
    await expect(seen().control?.reload()).rejects.toMatchObject({ exitCode: ExitCode.config });
    expect(calls().slice(-2)).toEqual(['prepare to start', 'prepare for traffic']);
    const isFailure = (line: string) => line.startsWith('error not reloaded: ');
    const logged = seen().log?.lines.filter(isFailure).length ?? 0;
    expect(logged).toBeGreaterThan(0);
    process.emit('SIGHUP');
    await settle();
    expect(seen().log?.lines.filter(isFailure)).toHaveLength(2 * logged);
    await stop();
  });

  it('that is asked for before the relay runs is not forgotten', async () => {
    const ended = runRelay({ config: relayFilesWith(0) });
    process.emit('SIGHUP');
    await vi.waitUntil(() => stage.calls.includes('prepare for traffic'));
    expect(stage.calls).toContain('reloading');
    stage.stop('SIGTERM');
    await ended;
  });
});

describe('the first start', () => {
  const file = () => path.join(directory, 'underpass', 'relay.toml');

  it('writes a config, and says what to do next', async () => {
    const stop = await started({ listen: { port: 4000 }, endpoint: { host: 'vpn.example.org', port: 4001 } });
    expect(readFileSync(file(), 'utf8')).toMatch(
      /\nlisten = "4000"\n(.*\n)*endpoint = "vpn\.example\.org:4001"\n/,
    );
    const key = publicKeyOf(readPrivateKeyFile(file().replace('toml', 'key')));
    const text = printed().join('\n');
    expect(text).toContain(`out Wrote ${file()} and a private key beside it, relay.key.`);
    expect(text).toContain(`This relay's public key:\n  ${encodeKey(key)}\n`);
    expect(text).toContain('\n  1. Let UDP port 4242 through ');
    expect(seen().control?.endpoint).toBe('vpn.example.org:4001');
    expect(seen().log?.lines[1]).toMatch(/^warn nobody can connect yet/);
    await stop();
    const stopSecond = await started({});
    expect([printed(), seen().control?.endpoint]).toEqual([[], 'vpn.example.org:4001']);
    await stopSecond();
  });

  it('writes the address of --listen too', async () => {
    const stop = await started({ listen: { host: '::1', port: 4000 } });
    expect(readFileSync(file(), 'utf8')).toContain('\nlisten = "[::1]:4000"\n');
    expect(seen().control?.endpoint).toBeUndefined();
    printed();
    await stop();
  });

  it('that fails leaves the key, but no config', async () => {
    stage.fails = 'start';
    await expect(runRelay({})).rejects.toThrow('no start');
    expect([existsSync(file()), existsSync(file().replace('toml', 'key'))]).toEqual([false, true]);
    expect(printed()).toEqual([]);
  });

  it('is none if --config says where, or a config is there', async () => {
    await expect(runRelay({ config: file() })).rejects.toMatchObject({ exitCode: ExitCode.config });
    expect(existsSync(file())).toBe(false);
    const config = relayFilesWith(0);
    stage.fails = 'start';
    await expect(runRelay({ config })).rejects.toThrow('no start');
    expect(existsSync(config)).toBe(true);
  });
});

describe('a relay of several workers', () => {
  it('is started by their number, of the option or the config', async () => {
    const config = relayFilesWith(0, 'workers = 2\n');
    const stop = await started({ config });
    expect([stage.calls.includes('start shared'), seen().workers]).toEqual([true, 2]);
    expect(seen().options).not.toHaveProperty('onFatal');
    await stop();
    const stopOther = await started({ config, workers: 3 });
    expect(seen().workers).toBe(3);
    await stopOther();
    const stopOne = await started({ config, workers: 1 });
    expect(stage.calls).toContain('start');
    await stopOne();
  });

  it.each<[RelayFlags, string, string]>([
    [{ inspect: 0 }, 'the inspector shows one process', 'leave out --workers, or --inspect'],
    [{ capture: 'a' }, 'the traffic of several workers cannot be recorded', 'or --capture and --qlog'],
    [{ socket: 'plain' }, 'several workers need the native socket', 'or --socket'],
  ])('cannot have %j', async (flags, message, hint) => {
    await expect(runRelay({ config: relayFilesWith(0), workers: 2, ...flags })).rejects.toMatchObject({
      exitCode: ExitCode.usage,
      message: expect.stringContaining(message),
      hint: expect.stringContaining(hint),
    });
    expect(stage.calls.filter((call) => /record|inspector|metrics/.test(call))).toEqual([]);
  });
});
