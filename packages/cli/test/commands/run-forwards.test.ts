/** A client from its start to its end: what runs beside it, what its events lead to, and in which order all of it ends. */
import type { ClientEvent, ClientOptions } from '@underpass/client';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CliError } from '../../src/cli-error.js';
import { endWithInternalError } from '../../src/commands/internal-error.js';
import type { JoinOutcome } from '../../src/commands/join.js';
import { type ClientRun, runForwards, runOneConnection } from '../../src/commands/run-client.js';
import type { ClientConfig } from '../../src/config/client-config.js';
import { ExitCode } from '../../src/exit-code.js';
import { recordingLog } from './recording-log.js';

const stage = vi.hoisted(() => ({
  calls: [] as string[],
  claims: [] as string[],
  joins: [] as unknown[],
  options: undefined as unknown,
  served: undefined as unknown,
  recorded: undefined as (() => unknown) | undefined,
  followed: undefined as unknown,
  inspected: undefined as unknown,
  fails: '',
  stop: (_signal: 'SIGTERM'): void => undefined,
}));
const did = vi.hoisted(() => (what: string) => {
  stage.calls.push(what);
  if (stage.fails === what) throw new Error(`no ${what}`);
});

vi.mock('@underpass/client', async (original) => ({
  ...(await original<object>()),
  startClient: async (options: { onEvent: (event: unknown) => void }) => {
    stage.options = options;
    did('start');
    return {
      forwards: [
        { spec: { kind: 'local', text: '8080:db:1', target: { host: 'db', port: 1 } }, path: '/run/a.sock' },
      ],
      connect: () => did('connect'),
      close: async () => {
        for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
        did('close client');
      },
      status: () => ({
        suite: 'sodium',
        relay: { streamBytesSent: 1 },
        drops: {},
        streams: [],
        forwards: [],
      }),
    };
  },
}));
vi.mock('node:timers/promises', () => ({
  setTimeout: async (ms: number) => {
    await settle();
    did(`sleep ${ms}`);
  },
}));
vi.mock('node:tty', async (original) => ({
  ...(await original<object>()),
  isatty: (descriptor: number) => descriptor === 2,
}));
vi.mock('../../src/control/claim-client.js', () => ({
  claimClient: async (facts: object) => {
    did('claim');
    stage.served = facts;
    const socket = stage.claims.shift();
    if (socket !== undefined) return { kind: 'taken', socket };
    const control = {
      serve: () => did('serve control'),
      onEvent: ({ type }: { readonly type: string }) => did(`control ${type}`),
      idle: async () => did('idle'),
      close: () => did('close control'),
    };
    return { kind: 'claimed', control };
  },
}));
vi.mock('../../src/commands/join.js', () => ({
  joinClient: async (socket: string) => {
    did(`join ${socket}`);
    return stage.joins.shift();
  },
}));
vi.mock('../../src/commands/stdio-through.js', () => ({
  runStdioThrough: async (socket: string, { host }: { readonly host: string }) => {
    await settle();
    did(`through ${socket} ${host}`);
  },
}));
vi.mock('../../src/commands/stdio.js', () => ({
  runStdio: async (
    _target: unknown,
    _log: unknown,
    start: (onEvent: () => void) => Promise<unknown>,
    untilUnused: () => Promise<void>,
  ) => {
    await start(() => did('stdio event'));
    await untilUnused();
    did('stdio');
  },
}));
vi.mock('../../src/commands/follow-client-config.js', () => ({
  ClientConfigFollower: class {
    constructor(...parameters: unknown[]) {
      did('follow');
      stage.followed = parameters;
    }
    close(): void {
      did('close follower');
    }
  },
}));
vi.mock('../../src/metrics/metrics-server.js', () => ({
  MetricsServer: {
    open: async ({ port }: { readonly port: number }) => {
      did(`metrics ${port}`);
      return {
        counts: { onEvent: ({ type }: { readonly type: string }) => did(`count ${type}`) },
        serve: async (report: () => { readonly name: string }) => {
          await settle();
          did(`serve metrics of ${report().name}`);
        },
        close: () => did('close metrics'),
      };
    },
  },
}));
vi.mock('../../src/inspect/open-inspector.js', () => ({
  openInspector: async (port: number | undefined) => {
    if (port === undefined) return undefined;
    did(`inspector ${port}`);
    return {
      sampler: 'sampler',
      serve: (inspected: unknown) => {
        did('serve inspector');
        stage.inspected = inspected;
      },
      close: () => did('close inspector'),
    };
  },
}));
vi.mock('../../src/recording/recordings.js', () => ({
  joinTaps: (...taps: unknown[]) => taps,
}));
vi.mock('../../src/service/notify.js', () => ({
  serviceManager: () => ({ ready: (text: string) => did(`ready ${text}`), stopping: () => did('stopping') }),
}));
vi.mock('../../src/stop-signal.js', () => ({
  untilStopSignal: (signals: readonly string[]) => {
    did(`until ${signals.join(' ')}`);
    return new Promise((resolve) => {
      stage.stop = resolve;
    });
  },
}));
vi.mock('../../src/v8-flags.js', () => ({ prepareForTraffic: () => did('prepare') }));
vi.mock('../../src/wait-progress.js', () => ({
  terminalProgress: () => ({
    begin: (text: string, ms?: number) => did(`wait ${text}${ms === undefined ? '' : ` ${ms}`}`),
    end: () => did('waited'),
  }),
}));

const key = (seed: number) => new Uint8Array(32).fill(seed);

function aRun(changes: Partial<ClientRun> = {}, config: Partial<ClientConfig> = {}): ClientRun {
  return {
    config: {
      relay: { host: '192.0.2.1', port: 51820 },
      relayPublicKey: key(1),
      privateKey: key(2),
      publicKey: key(3),
      presharedKey: key(4),
      persistentKeepaliveSeconds: 25,
      connectTimeoutSeconds: 30,
      forwards: [],
      congestion: undefined,
      memoryPerPeerBytes: undefined,
      metrics: undefined,
      logLevel: undefined,
      ...config,
    },
    name: 'vps',
    log: recordingLog(),
    suite: 'portable',
    socket: 'plain',
    record: () => {
      did('record');
      return {
        tap: 'tap',
        keyLog: undefined,
        begin: (peers: () => unknown) => {
          did('begin recordings');
          stage.recorded = peers;
        },
        close: async () => {
          await settle();
          did('close recordings');
        },
      } as never;
    },
    ...changes,
  };
}
const linesOf = ({ log }: ClientRun) => (log as ReturnType<typeof recordingLog>).lines;
const calls = () => stage.calls.splice(0);
/** Lets what has been started run on until it waits for something from outside. */
const settle = () => new Promise(setImmediate);

beforeEach(() => {
  for (const list of [stage.calls, stage.claims, stage.joins]) list.length = 0;
  Object.assign(stage, { options: undefined, fails: '' });
});

const SIGNALS = 'until SIGINT SIGTERM SIGHUP';

describe('a client that runs forwards', () => {
  it('starts alone if that is all, and ends in the order in which others can follow it', async () => {
    const run = aRun();
    const ended = runForwards(run);
    await settle();
    expect(calls()).toEqual([
      SIGNALS,
      'claim',
      'record',
      'start',
      'prepare',
      'begin recordings',
      'serve control',
      'connect',
      'wait waiting for the relay',
      'ready forwarding through 192.0.2.1:51820',
    ]);
    expect(stage.served).toEqual({
      name: 'vps',
      endpoint: '192.0.2.1:51820',
      publicKey: key(3),
      relayPublicKey: key(1),
    });
    const logged = (run.log as ReturnType<typeof recordingLog>).fields;
    expect(logged).toContainEqual({
      event: 'connecting',
      relay: '192.0.2.1:51820',
      publicKey: 'AwMDAwMD…',
      relayKey: 'AQEBAQEB…',
    });
    stage.stop('SIGTERM');
    await ended;
    expect(calls()).toEqual(['waited', 'stopping', 'close client', 'close recordings', 'close control']);
    expect(logged.at(-1)).toEqual({ event: 'stopped', signal: 'SIGTERM' });
    expect(linesOf(run)).toEqual([
      'info listening on unix:/run/a.sock for db:1',
      'info connecting to 192.0.2.1:51820 as AwMDAwMD…',
      expect.stringMatching(/^info relay: 1 bytes sent/),
      'info stopped',
    ]);
  });

  it('opens metrics, the inspector and recordings first, and closes all of them', async () => {
    const loaded = {} as never;
    const run = aRun({ inspect: 7, loaded }, { metrics: { port: 9 } });
    const ended = runForwards(run);
    await settle();
    await settle();
    const started = calls();
    expect(stage.followed).toEqual([
      loaded,
      expect.objectContaining({ forwards: expect.anything() }),
      run.log,
    ]);
    expect(stage.recorded?.()).toEqual([{ streamBytesSent: 1 }]);
    expect(stage.inspected).toMatchObject({ process: { kind: 'client', name: 'vps', suite: 'sodium' } });
    expect(started.slice(2, 6)).toEqual(['metrics 9', 'inspector 7', 'record', 'start']);
    // Whoever is told that the client is ready can ask for its metrics.
    const later = ['serve inspector', 'serve metrics of vps', 'connect', 'follow'];
    expect(started.filter((what) => later.includes(what))).toEqual(later);
    stage.stop('SIGTERM');
    await ended;
    expect(calls()).toEqual([
      'waited',
      'stopping',
      'close follower',
      'close metrics',
      'close inspector',
      'close client',
      'close recordings',
      'close control',
    ]);
  });

  it('is given what was asked for, and its keys are wiped once it has its own copies', async () => {
    const run = aRun({ inspect: 7 });
    void runForwards(run);
    await settle();
    expect(stage.options).toMatchObject({
      refuseUnknownName: true,
      onFatal: endWithInternalError,
      suite: 'portable',
      socket: 'plain',
      tap: ['tap', 'sampler'],
      watch: 'sampler',
      persistentKeepaliveMs: 25_000,
    });
    expect(stage.options).not.toHaveProperty('keyLog');
    expect([run.config.privateKey, run.config.presharedKey]).toEqual([key(0), key(0)]);
    stage.stop('SIGTERM');
  });

  it('gives the key log what it asked for', async () => {
    const keyLog = () => undefined;
    const close = async () => undefined;
    void runForwards(aRun({ record: () => ({ keyLog, begin: () => undefined, close }) as never }));
    await settle();
    expect(stage.options).toMatchObject({ keyLog });
    stage.stop('SIGTERM');
  });

  it('logs, counts and passes on each event, and shows how long it waits', async () => {
    const run = aRun({}, { metrics: { port: 9 } });
    void runForwards(run);
    await settle();
    await settle();
    calls();
    const happen = (event: ClientEvent) => {
      (stage.options as ClientOptions).onEvent?.(event);
      return calls().filter((call) => call.startsWith('wait'));
    };
    (stage.options as ClientOptions).onEvent?.({ type: 'waiting', silentMs: 5000 });
    expect(calls()).toEqual(['count waiting', 'wait no answer from the relay 5000', 'control waiting']);
    expect(linesOf(run).at(-1)).toMatch(/^warn the relay has not answered for 5\.0 s/);
    const disconnected = { cause: 'relay-stopped', reason: 'bye', lostStreams: 0 } as const;
    expect(happen({ type: 'resumed', silentMs: 1 })).toEqual(['waited']);
    expect(happen({ type: 'connected', handshakeRttMs: 1 })).toEqual(['waited']);
    expect(happen({ type: 'disconnected', ...disconnected })).toEqual(['waited']);
    expect(happen({ type: 'path-fragments', datagramBytes: 1452 })).toEqual([]);
    stage.stop('SIGTERM');
  });

  it.each(['metrics 9', 'inspector 7', 'record', 'start'])(
    'gives its claim back if %s fails',
    async (what) => {
      stage.fails = what;
      const run = aRun({ inspect: 7 }, { metrics: { port: 9 } });
      await expect(runForwards(run)).rejects.toThrow(`no ${what}`);
      expect(calls().slice(-2)).toEqual([what, 'close control']);
    },
  );
});

describe('a client while another process runs one with the same keys', () => {
  const unreachable: JoinOutcome = {
    kind: 'unreachable',
    error: new CliError(ExitCode.failure, 'it does not answer'),
  };

  it('joins that one, until it is stopped', async () => {
    stage.claims.push('a.sock');
    stage.joins.push({ kind: 'stopped', signal: 'SIGINT' });
    const run = aRun();
    await runForwards(run);
    expect(calls()).toEqual([SIGNALS, 'claim', 'join a.sock']);
    expect(linesOf(run)).toEqual(['info stopped']);
    expect((run.log as ReturnType<typeof recordingLog>).fields).toEqual([
      { event: 'stopped', signal: 'SIGINT' },
    ]);
  });

  it('takes its place when it has ended, at once', async () => {
    stage.claims.push('a.sock');
    stage.joins.push({ kind: 'left' });
    const ended = runForwards(aRun());
    await settle();
    expect(calls().slice(1, 5)).toEqual(['claim', 'join a.sock', 'claim', 'record']);
    stage.stop('SIGTERM');
    await ended;
  });

  it('asks ten times in two seconds, and from the start again after it had joined', async () => {
    stage.claims.push(...Array.from({ length: 20 }, () => 'a.sock'));
    const nine = Array.from({ length: 9 }, () => unreachable);
    stage.joins.push(...nine, { kind: 'left' }, ...nine, unreachable);
    await expect(runForwards(aRun())).rejects.toThrow('it does not answer');
    const made = calls();
    expect(made.filter((call) => call.startsWith('join'))).toHaveLength(20);
    expect(made.filter((call) => call === 'sleep 200')).toHaveLength(18);
    const betweenTwo = made.slice(made.indexOf('join a.sock') + 1, made.indexOf('claim', 2));
    expect(betweenTwo).toEqual(['sleep 200']);
  });
});

describe('one connection', () => {
  const TARGET = { host: 'db', port: 22 };

  it('goes through the client that runs, without a recording', async () => {
    stage.claims.push('a.sock');
    await runOneConnection(TARGET, aRun());
    expect(calls()).toEqual(['claim', 'through a.sock db']);
  });

  it('has a client of its own otherwise, without forwards, that others can use', async () => {
    await runOneConnection(TARGET, aRun({ inspect: 7 }, { forwards: [{} as never], metrics: { port: 9 } }));
    expect(stage.options).toMatchObject({ forwards: [], tap: ['tap', undefined] });
    expect(calls()).toEqual([
      'claim',
      'record',
      'start',
      'prepare',
      'begin recordings',
      'serve control',
      'idle',
      'stdio',
      'close control',
      'close recordings',
    ]);
  });

  it('ends when its recordings are complete', async () => {
    let complete = (): void => undefined;
    const closing = new Promise<void>((resolve) => {
      complete = resolve;
    });
    let hasEnded = false;
    const record = () => ({ tap: 'tap', begin: () => undefined, close: () => closing }) as never;
    const ended = runOneConnection(TARGET, aRun({ record })).then(() => {
      hasEnded = true;
    });
    await settle();
    expect([hasEnded, calls().at(-1)]).toEqual([false, 'close control']);
    complete();
    await ended;
  });

  it.each(['record', 'start', 'stdio'])('closes what it has opened if %s fails', async (what) => {
    stage.fails = what;
    await expect(runOneConnection(TARGET, aRun())).rejects.toThrow(`no ${what}`);
    const made = calls();
    expect(made).toContain('close control');
    expect(made.includes('close recordings')).toBe(what !== 'record');
  });
});
