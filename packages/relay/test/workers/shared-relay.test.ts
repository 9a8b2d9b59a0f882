/** Tests the main process of a relay with workers. The workers are played by the test, over the channel that real ones
 *  use. */
import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { type Address, createPortableSuite, type PeerStats, shardOfKey } from '@underpass/protocol';
import { type Log, silentLog, systemTimers } from '@underpass/runtime';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type {
  EnrolOutcome,
  RelayEvent,
  RelayInviteOptions,
  RelayPeerOptions,
  RelayStatus,
} from '../../src/index.js';
import type {
  DatagramMessage,
  PeerMessage,
  PeersMessage,
  StartMessage,
  StatusMessage,
} from '../../src/workers/messages.js';
import {
  MAX_RESTART_MS,
  MIN_RESTART_MS,
  type SharedRelay,
  type SharedRelayOptions,
  startSharedRelay,
} from '../../src/workers/shared-relay.js';
import { ORDER_TIMEOUT_MS } from '../../src/workers/worker-process.js';
import { newKeys, rules } from '../bare-client.js';
import { FakeWorker, settle } from './fake-worker.js';
import { pipes } from './pipes.js';

const stage = vi.hoisted(() => ({
  now: 0,
  groups: [] as { readonly options: object; isClosed: boolean }[],
  own: ['192.0.2.7'] as readonly string[],
  /** The copies of keys that the relay keeps. */
  copies: [] as Uint8Array[],
}));

vi.mock('@underpass/runtime', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  monotonicMs: () => stage.now,
  openSocketGroup: async (options: { readonly count: number }) => {
    const group = { options, isClosed: false };
    stage.groups.push(group);
    return {
      address: { address: '192.0.2.7', port: 51820 },
      sockets: Array.from({ length: options.count }, (_, index) => ({ fd: 100 + index, family: 'udp4' })),
      close: () => {
        group.isClosed = true;
      },
    };
  },
}));
/** How many peers and invites a relay of these tests can have. */
const MOST = vi.hoisted(() => 8);
vi.mock('@underpass/protocol', async (importOriginal) => {
  const protocol = await importOriginal<typeof import('@underpass/protocol')>();
  const copySecret: typeof protocol.copySecret = (bytes) => {
    const copy = protocol.copySecret(bytes);
    stage.copies.push(copy);
    return copy;
  };
  return { ...protocol, MAX_PEERS: MOST, copySecret };
});
vi.mock('../../src/this-machine.js', () => ({ ownAddresses: () => stage.own }));

const WORKERS = 2;
const ADDRESS: Address = { address: '192.0.2.1', port: 5 };
const suite = createPortableSuite();
const secret = (byte: number) => new Uint8Array(32).fill(byte);
const isWiped = (bytes: Uint8Array | undefined) => bytes?.every((byte) => byte === 0);
/** A key that the worker `index` serves. */
function keyOfShard(index: number): Uint8Array {
  for (;;) {
    const { publicKey } = newKeys();
    if (shardOfKey(suite, publicKey, WORKERS) === index) return publicKey;
  }
}

interface Timer {
  readonly callback: () => void;
  readonly delayMs: number;
}

interface TestRelay {
  readonly relay: SharedRelay;
  readonly workers: readonly FakeWorker[];
  /** The process that serves a shard now. */
  worker(index: number): FakeWorker;
  readonly events: RelayEvent[];
  readonly logged: { readonly level: string; readonly fields: object; readonly text: string }[];
  readonly behaviour: {
    startsWell: boolean | 'never';
    closesWell: boolean;
    spawn?: (() => unknown) | undefined;
  };
}

const timers = new Set<Timer>();
beforeEach(() => {
  Object.assign(stage, { now: 1000, own: ['192.0.2.7'] });
  stage.groups.length = 0;
  stage.copies.length = 0;
  timers.clear();
  vi.spyOn(systemTimers, 'set').mockImplementation((callback, delayMs) => {
    const timer = { callback, delayMs };
    timers.add(timer);
    return timer;
  });
  vi.spyOn(systemTimers, 'clear').mockImplementation((timer) => void timers.delete(timer as Timer));
  return () => void vi.restoreAllMocks();
});
const delays = () => [...timers].map(({ delayMs }) => delayMs);
async function fire(): Promise<void> {
  for (const timer of [...timers]) {
    timers.delete(timer);
    timer.callback();
  }
  await settle();
}

async function start(
  more: Partial<SharedRelayOptions> = {},
  behaviour: TestRelay['behaviour'] = { startsWell: true, closesWell: true },
) {
  const workers: FakeWorker[] = [];
  const events: RelayEvent[] = [];
  const logged: TestRelay['logged'] = [];
  const note = (level: string) => (fields: object, text: string) => {
    const isOfSuite = 'event' in fields && fields.event === 'suite';
    if (!isOfSuite) logged.push({ level, fields, text });
  };
  const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') } as Log;
  const started = startSharedRelay({
    listen: { host: '192.0.2.7', port: 51820 },
    privateKey: secret(1),
    peers: [],
    workers: WORKERS,
    suite: 'portable',
    log,
    onEvent: (event) => events.push(event),
    spawn: (fd) => {
      if (behaviour.spawn !== undefined) return behaviour.spawn() as ChildProcess;
      const worker = new FakeWorker(fd, {
        startsWell: () => behaviour.startsWell,
        closesWell: () => behaviour.closesWell,
      });
      workers.push(worker);
      return worker as unknown as ChildProcess;
    },
    ...more,
  });
  const worker = (index: number) => workers.findLast(({ fd }) => fd === 100 + index) as FakeWorker;
  return { started, workers, worker, events, logged, behaviour };
}

async function run(more: Partial<SharedRelayOptions> = {}): Promise<TestRelay> {
  const { started, ...rest } = await start(more);
  const relay = await started;
  onTestFinished(() => relay.close());
  return { relay, ...rest };
}

const peer = (name: string, shard: number, more: Partial<RelayPeerOptions> = {}): RelayPeerOptions => ({
  name,
  publicKey: keyOfShard(shard),
  allow: [],
  ...more,
});
const invite = (name: string, shard: number): RelayInviteOptions => ({
  name,
  publicKey: keyOfShard(shard),
  presharedKey: secret(4),
});
const namesIn = ({ peers, invites }: PeersMessage) =>
  [peers, invites].map((list) => list.map(({ name }) => name));

/** Each part of the first message, with the option that it comes from. */
const STARTS: {
  readonly [Part in keyof StartMessage]-?: readonly [
    Partial<SharedRelayOptions>,
    readonly [StartMessage[Part] | undefined, StartMessage[Part] | undefined],
  ];
} = {
  relayName: [{ name: () => 'home' }, ['home', 'home']],
  peers: [{ peers: [] }, [[], []]], // see below
  invites: [{ invites: [] }, [[], []]],
  shard: [
    {},
    [
      { index: 0, count: WORKERS },
      { index: 1, count: WORKERS },
    ],
  ],
  socket: [
    {},
    [
      { fd: 4, family: 'udp4' },
      { fd: 4, family: 'udp4' },
    ],
  ],
  privateKey: [{}, [secret(1), secret(1)]],
  suite: [{ suite: 'node' }, ['node', 'node']],
  hasKeyLog: [{ keyLog: () => undefined }, [true, true]],
  maxOutageMs: [{ maxOutageMs: 7 }, [7, 7]],
  idleTimeoutMs: [{ idleTimeoutMs: 8 }, [8, 8]],
  congestion: [{ congestion: 'bbr' }, ['bbr', 'bbr']],
  memoryPerPeerBytes: [{ memoryPerPeerBytes: 9e6 }, [9e6, 9e6]],
};
const DEFAULTS: Partial<StartMessage> = {
  relayName: undefined,
  suite: 'portable',
  hasKeyLog: false,
  maxOutageMs: undefined,
  idleTimeoutMs: undefined,
};

describe('the first message to a worker', () => {
  it.each(Object.entries(STARTS))('has the %s of the options', async (part, [options, expected]) => {
    const { worker } = await run(options);
    const [first, second] = [0, 1].map((index) => worker(index).all<StartMessage>('start')[0]);
    expect([first, second].map((message) => message?.[part as keyof StartMessage])).toEqual(expected);
  });

  it('says what was not chosen, too', async () => {
    const { worker } = await run();
    const [message] = worker(1).all<StartMessage>('start');
    expect(message).toMatchObject(DEFAULTS);
    expect(Object.keys(message ?? {})).not.toContain('congestion');
    expect(Object.keys(message ?? {})).not.toContain('memoryPerPeerBytes');
  });

  it('goes to a process that has the socket of its shard', async () => {
    const { workers, relay } = await run();
    expect(workers.map(({ fd }) => fd)).toEqual([100, 101]);
    expect(stage.groups).toMatchObject([{ options: { host: '192.0.2.7', port: 51820, count: WORKERS } }]);
    expect(relay.address).toEqual({ address: '192.0.2.7', port: 51820 });
  });
});

describe('the lists of a relay with workers', () => {
  const everybody = () => ({
    peers: [
      peer('a', 0, { presharedKey: secret(3), allow: rules('127.0.0.1:80') }),
      peer('b', 1),
      peer('c', 0),
    ],
    invites: [invite('x', 1), invite('y', 0)],
  });

  it('are divided by the keys, at the start and later', async () => {
    const { worker, relay } = await run({ ...everybody(), name: () => 'home' });
    const [first, second] = [0, 1].map((index) => worker(index).all<StartMessage>('start')[0]);
    expect([first, second].map((message) => message && namesIn(message))).toEqual([
      [['a', 'c'], ['y']],
      [['b'], ['x']],
    ]);
    expect(first?.peers[0]).toMatchObject({ presharedKey: secret(3), allow: ['127.0.0.1:80'] });
    expect(first?.invites[0]?.presharedKey).toEqual(secret(4));
    const { peers, invites } = everybody();
    await relay.setPeers(peers.slice(1), invites.slice(1));
    const later = [0, 1].map((index) => worker(index).all<PeersMessage>('set-peers'));
    expect(later.map(([message]) => message && namesIn(message))).toEqual([
      [['c'], ['y']],
      [['b'], []],
    ]);
    expect(later.map(([message]) => message?.relayName)).toEqual(['home', 'home']);
    await relay.setPeers([]);
    expect(worker(1).all<PeersMessage>('set-peers').at(-1)).toMatchObject({ peers: [], invites: [] });
  });

  it('are refused as a whole, at the start before anything is opened', async () => {
    const twins = [peer('a', 0), peer('a', 1)];
    await expect((await start({ peers: twins })).started).rejects.toThrow('two peers are named a');
    const [taken] = twins;
    const open = { ...invite('x', 0), publicKey: taken?.publicKey as Uint8Array };
    await expect((await start({ peers: twins.slice(0, 1), invites: [open] })).started).rejects.toThrow(
      'the invite x has the same public key',
    );
    expect(stage.groups).toEqual([]);
    const { relay, worker } = await run();
    await expect(relay.setPeers(twins)).rejects.toThrow('two peers are named a');
    expect(worker(0).all('set-peers')).toEqual([]);
    const one = peer('a', 0);
    await expect(relay.setPeers([one], [{ ...invite('x', 0), publicKey: one.publicKey }])).rejects.toThrow(
      'the invite x has the same public key',
    );
  });

  it('are set when every worker has them, or has ended', async () => {
    const { relay, worker } = await run();
    let apply = (): void => undefined;
    worker(1).applied = new Promise((resolve) => {
      apply = resolve;
    });
    let isSet = false;
    const first = relay.setPeers([peer('a', 0)]).then(() => {
      isSet = true;
    });
    await settle();
    expect([0, 1].map((index) => worker(index).all('set-peers').length)).toEqual([1, 1]);
    expect(isSet).toBe(false);
    apply();
    await first;
    const setting = relay.setPeers([peer('b', 0)]);
    worker(0).exit(1);
    await setting;
    expect(worker(1).all('set-peers')).toHaveLength(2);
  });

  it('are set although a worker hangs: it is killed, and started again with them', async () => {
    const { relay, worker, workers, logged } = await run();
    const hung = worker(1);
    hung.applied = new Promise(() => undefined);
    const setting = relay.setPeers([peer('a', 0), peer('b', 1)]);
    await settle();
    expect(delays()).toEqual([ORDER_TIMEOUT_MS]);
    await fire();
    await setting;
    expect(hung.kills).toEqual(['SIGKILL']);
    expect(logged.map(({ text }) => text)).toEqual([
      'worker 1 ended (it did not do for 30 s what it was told) with the connections of 0 peers; it is started again',
    ]);
    await fire();
    expect(workers).toHaveLength(3);
    expect(worker(1).all<StartMessage>('start').map(namesIn)).toEqual([[['b'], []]]);
    await relay.setPeers([]);
    expect(delays()).toEqual([]);
  });

  it('belong to the relay: those of the caller may be wiped', async () => {
    const { peers, invites } = everybody();
    const privateKey = secret(1);
    const { worker, workers } = await run({ peers, invites, privateKey });
    for (const key of [privateKey, peers[0]?.presharedKey, invites[0]?.presharedKey]) key?.fill(0);
    worker(0).exit(1);
    worker(1).exit(1);
    await settle();
    await fire();
    expect(workers).toHaveLength(4);
    const [first, second] = [0, 1].map((index) => worker(index).all<StartMessage>('start')[0]);
    expect(first).toMatchObject({ privateKey: secret(1), peers: [{ presharedKey: secret(3) }, {}] });
    expect(second?.invites).toMatchObject([{ presharedKey: secret(4) }]);
  });
});

describe('the keys of a relay with workers', () => {
  it('are wiped with the lists that they belong to, and all of them when it closes', async () => {
    const presharedKey = secret(7);
    const { relay } = await run({
      peers: [peer('laptop', 0, { presharedKey }), peer('desk', 1)],
      invites: [invite('phone', 1)],
    });
    const held = () => stage.copies.map((key) => key[0]);
    expect(held()).toEqual([1, 7, 4]);
    await relay.setPeers([peer('laptop', 0, { presharedKey })]);
    expect(held()).toEqual([1, 0, 0, 7]);
    await relay.close();
    expect(stage.copies.every(isWiped)).toBe(true);
  });
});

describe('a worker that ends', () => {
  const connect = (worker: FakeWorker, ...names: readonly string[]) => {
    for (const name of names)
      worker.channel.tell('event', { type: 'peer-connected', peer: name, address: ADDRESS });
  };
  type Change = 'stream-opened' | 'stream-closed' | 'visitor-opened' | 'visitor-closed';
  const stream = (worker: FakeWorker, type: Change, name: string) =>
    worker.channel.tell('event', { type, peer: name });

  it('takes the connections of its peers with it, and no others, once', async () => {
    const { worker, events, logged } = await run();
    connect(worker(0), 'a', 'b', 'gone');
    connect(worker(1), 'c');
    for (const type of ['stream-opened', 'stream-opened', 'stream-opened', 'stream-closed'] as const) {
      stream(worker(0), type, 'a');
    }
    worker(0).channel.tell('event', { type: 'peer-disconnected', peer: 'gone', reason: '', lostStreams: 0 });
    await settle();
    events.length = 0;
    worker(0).exit(null, 'SIGSEGV');
    await settle();
    const lost = (name: string, lostStreams: number) => ({
      type: 'peer-disconnected',
      peer: name,
      reason: 'its worker process ended',
      lostStreams,
    });
    expect(events).toEqual([lost('a', 2), lost('b', 0)]);
    const fields = { event: 'worker-ended', worker: 0, code: null, signal: 'SIGSEGV', peers: 2 };
    expect(logged).toMatchObject([{ level: 'error', fields: { ...fields, restartMs: 2 * MIN_RESTART_MS } }]);
    expect(logged[0]?.text).toBe(
      'worker 0 ended (SIGSEGV) with the connections of 2 peers; it is started again',
    );
    await fire();
    worker(0).exit(3);
    await settle();
    expect(events).toHaveLength(2);
    expect(logged[1]?.text).toContain('worker 0 ended (code 3) with the connections of 0 peers');
  });

  it('takes the visitors of its peers with it, and nothing of a connection that ended before', async () => {
    const { worker, events, logged } = await run();
    connect(worker(0), 'left', 'back');
    for (const name of ['left', 'back']) {
      stream(worker(0), 'stream-opened', name);
      worker(0).channel.tell('event', { type: 'peer-disconnected', peer: name, reason: '', lostStreams: 1 });
    }
    connect(worker(0), 'back');
    // The sockets of lost streams close a little later.
    for (const name of ['left', 'back']) stream(worker(0), 'stream-closed', name);
    for (const type of ['visitor-opened', 'visitor-opened', 'visitor-closed'] as const) {
      stream(worker(0), type, 'back');
    }
    await settle();
    events.length = 0;
    worker(0).exit(1);
    await settle();
    expect(events).toMatchObject([{ type: 'peer-disconnected', peer: 'back', lostStreams: 1 }]);
    expect(logged).toMatchObject([{ fields: { event: 'worker-ended', peers: 1 } }]);
  });

  it('is started again with the lists of the moment, and is told of later ones', async () => {
    const { relay, worker, workers } = await run({ peers: [peer('a', 0)] });
    worker(0).exit(1);
    await settle();
    await relay.setPeers([peer('b', 0)]);
    await fire();
    expect(workers).toHaveLength(3);
    expect(worker(0).all<StartMessage>('start').map(namesIn)).toEqual([[['b'], []]]);
    await relay.setPeers([peer('c', 0)]);
    expect(worker(0).all<PeersMessage>('set-peers').map(namesIn)).toEqual([[['c'], []]]);
  });

  it('waits twice as long each time while it keeps ending young, up to a limit, and not after a long life', async () => {
    const { worker, behaviour } = await run();
    const waited: number[] = [];
    const end = async (livedMs: number): Promise<void> => {
      stage.now += livedMs;
      worker(0).exit(1);
      await settle();
      waited.push(...delays());
      await fire();
    };
    for (let n = 0; n < 7; n++) await end(59_999);
    await end(60_000);
    await end(0);
    expect(waited).toEqual([
      ...[1000, 2000, 4000, 8000, 16_000, MAX_RESTART_MS, MAX_RESTART_MS],
      MIN_RESTART_MS,
      2 * MIN_RESTART_MS,
    ]);
    // One that cannot even start is tried again as well.
    behaviour.startsWell = false;
    await end(0);
    expect(delays()).toEqual([8 * MIN_RESTART_MS]);
  });

  it.each<[code: string, spawn: (fail: (child: object) => object, error: Error) => object]>([
    ['EAGAIN', (fail) => fail({ stdio: [null, null, null, pipes()[0]] })],
    ['EMFILE', (fail) => fail({})], // Node makes no pipes then
    [
      'ENOMEM',
      (_, error) => {
        throw error;
      },
    ],
  ])('that the system does not start for %s is tried again, which is logged', async (code, spawn) => {
    const { worker, workers, behaviour, logged } = await run();
    const error = Object.assign(new Error('spawn'), { code });
    const fail = (parts: object): object => {
      const child = Object.assign(new EventEmitter(), { kill: () => false }, parts);
      process.nextTick(() => child.emit('error', error));
      return child;
    };
    behaviour.spawn = () => spawn(fail, error);
    worker(0).exit(1);
    await settle();
    await fire();
    expect(logged.at(-1)).toEqual({
      level: 'error',
      fields: {
        event: 'worker-ended',
        worker: 0,
        code: null,
        signal: null,
        error: code,
        peers: 0,
        restartMs: 4 * MIN_RESTART_MS,
      },
      text: `worker 0 ended (${code}) with the connections of 0 peers; it is started again`,
    });
    expect([delays(), workers.length]).toEqual([[4 * MIN_RESTART_MS], WORKERS]);
    behaviour.spawn = undefined;
    await fire();
    expect(worker(0).all('start')).toHaveLength(1);
    expect(workers).toHaveLength(WORKERS + 1);
  });

  it('is not started again once the relay closes', async () => {
    const { relay, worker, workers, logged } = await run();
    worker(0).exit(1);
    await settle();
    expect(delays()).toEqual([2 * MIN_RESTART_MS]);
    await relay.close();
    expect([delays(), workers.length, logged.length]).toEqual([[], WORKERS, 1]);
    await relay.setPeers([peer('a', 0)]);
    expect(await relay.status()).toMatchObject({ peers: [] });
  });

  it('at the start ends the relay, with advice', async () => {
    const { started, workers } = await start({}, { startsWell: false, closesWell: true });
    await expect(started).rejects.toMatchObject({
      message: 'a worker of the relay could not be started',
      hint: 'see the log, or leave out --workers',
      cause: { message: 'the other process has ended' },
    });
    expect([stage.groups[0]?.isClosed, delays(), workers.length]).toEqual([true, [], WORKERS]);
  });

  it('at the start ends the relay if it hangs', async () => {
    const { started, workers } = await start({}, { startsWell: 'never', closesWell: true });
    const failed = expect(started).rejects.toMatchObject({ code: 'cannot-bind' });
    await settle();
    expect(delays()).toEqual([ORDER_TIMEOUT_MS, ORDER_TIMEOUT_MS]);
    await fire();
    await failed;
    expect(workers.map(({ kills }) => kills)).toEqual([['SIGKILL'], ['SIGKILL']]);
    expect(delays()).toEqual([]);
  });

  it('at the start ends the relay when the other workers have ended', async () => {
    let starts = 0;
    const behaviour = {
      get startsWell() {
        return starts++ > 0;
      },
      closesWell: true,
    };
    const { started, worker } = await start({}, behaviour);
    await expect(started).rejects.toThrow('a worker of the relay could not be started');
    expect(worker(1).all('close')).toHaveLength(1);
    expect([stage.groups[0]?.isClosed, delays()]).toEqual([true, []]);
  });
});

describe('closing a relay with workers', () => {
  it('asks each worker to close, waits until it has ended, and closes the sockets', async () => {
    const { relay, workers, logged, behaviour } = await run();
    behaviour.closesWell = false;
    const closing = relay.close();
    expect(relay.close()).toBe(closing);
    await settle();
    expect(workers.map((worker) => worker.all('close').length)).toEqual([1, 1]);
    expect([stage.groups[0]?.isClosed, delays()]).toEqual([false, [5000, 5000]]);
    for (const worker of workers) worker.exit(0);
    await closing;
    expect([stage.groups[0]?.isClosed, delays(), logged]).toEqual([true, [], []]);
    expect(workers.flatMap(({ kills }) => kills)).toEqual([]);
  });

  it('kills a worker that does not end in time', async () => {
    const { relay, workers, behaviour } = await run();
    behaviour.closesWell = false;
    const closing = relay.close();
    await settle();
    await fire();
    await closing;
    expect(workers.map(({ kills }) => kills)).toEqual([['SIGKILL'], ['SIGKILL']]);
  });
});

describe('what workers say', () => {
  it('is passed on: events, log lines and the lines of the key log', async () => {
    const lines: string[] = [];
    const { worker, events, logged } = await run({ keyLog: (line) => lines.push(line) });
    const event = { type: 'cannot-send', address: ADDRESS, code: 'ENETUNREACH' } as const;
    worker(1).channel.tell('event', event);
    worker(0).channel.tell('key-log', 'SECRET = x');
    for (const level of ['debug', 'info', 'warn', 'error']) {
      worker(1).channel.tell('log', { level, fields: { event: level }, text: `a ${level}` });
    }
    await settle();
    expect([events, lines]).toEqual([[event], ['SECRET = x']]);
    expect(logged).toEqual(
      ['debug', 'info', 'warn', 'error'].map((level) => ({
        level,
        fields: { event: level },
        text: `a ${level}`,
      })),
    );
  });

  it('may be a datagram for another worker, which is dropped if that one is gone or too far behind', async () => {
    const { worker } = await run();
    const pass = async (shard: number): Promise<void> => {
      worker(0).channel.tell('datagram', { shard, datagram: Buffer.from('hello'), from: ADDRESS });
      await settle();
    };
    await pass(1);
    await pass(WORKERS); // there is none
    const [message, ...more] = worker(1).all<DatagramMessage>('datagram');
    expect([Buffer.from(message?.datagram ?? []).toString(), message?.from, more]).toEqual([
      'hello',
      ADDRESS,
      [],
    ]);
    expect(worker(0).all('datagram')).toEqual([]);
    const behind = vi.spyOn(worker(1).main, 'writableLength', 'get').mockReturnValue(2 ** 20 + 1);
    await pass(1);
    expect(worker(1).all('datagram')).toHaveLength(1);
    behind.mockReturnValue(2 ** 20);
    await pass(1);
    expect(worker(1).all('datagram')).toHaveLength(2);
    worker(1).exit(1);
    await settle();
    await pass(1);
    expect(worker(1).all('datagram')).toHaveLength(2);
  });
});

describe('enrolling at a relay with workers', () => {
  const ask = (worker: FakeWorker, publicKey: Uint8Array) =>
    worker.channel.ask<{ readonly status: string; readonly peer?: PeerMessage }>('enrol', {
      invite: 'phone',
      publicKey,
      address: ADDRESS,
    });

  it('adds the peer to the worker of its key before the client is answered, and wipes the key', async () => {
    const publicKey = keyOfShard(1);
    const presharedKey = secret(9);
    const enrol = vi.fn((name: string, key: Uint8Array): EnrolOutcome => {
      return { status: 'opened', peer: { name, publicKey: key, presharedKey, allow: rules('127.0.0.1:80') } };
    });
    const { worker, events, relay } = await run({ enrol, invites: [invite('phone', 0)] });
    const answer = await ask(worker(0), publicKey);
    expect(answer).toMatchObject({
      status: 'opened',
      peer: { name: 'phone', publicKey, presharedKey: secret(9), allow: ['127.0.0.1:80'] },
    });
    expect(worker(1).all('add-peer')).toMatchObject([{ name: 'phone', presharedKey: secret(9) }]);
    expect(worker(0).all('add-peer')).toEqual([]);
    expect(events).toEqual([{ type: 'peer-enrolled', peer: 'phone', publicKey, address: ADDRESS }]);
    await settle();
    expect(isWiped(presharedKey)).toBe(true);
    // The key has an owner now, whichever worker asks; and the owner survives its worker.
    enrol.mockReturnValue({ status: 'invite-used' });
    expect(await ask(worker(1), keyOfShard(0))).toEqual({ status: 'invite-used' });
    worker(1).exit(1);
    await settle();
    await fire();
    expect(worker(1).all<StartMessage>('start')[0]?.peers).toMatchObject([{ presharedKey: secret(9) }]);
    await relay.close();
  });

  it.each([
    [MOST - 2, 'opened'],
    [MOST - 1, 'internal-error'],
  ])(
    `at one that can have ${MOST} peers and invites, with an invite and %i peers, is answered with %s`,
    async (count, status) => {
      const peers = Array.from({ length: count }, (_, i) => peer(`peer${i}`, i % WORKERS));
      const { worker } = await run({
        peers,
        invites: [invite('phone', 0)],
        enrol: (name, publicKey) => ({
          status: 'opened',
          peer: { name, publicKey, presharedKey: secret(9), allow: [] },
        }),
      });
      expect(await ask(worker(0), keyOfShard(1))).toMatchObject({ status });
    },
  );

  it('is refused for a key that has an owner, and for the key of an invite', async () => {
    const owned = peer('laptop', 1);
    const open = invite('x', 0);
    const enrol = vi.fn(() => ({ status: 'invite-expired' }) as const);
    const { worker, events } = await run({ enrol, peers: [owned], invites: [open] });
    for (const key of [owned.publicKey, open.publicKey, suite.x25519PublicKey(secret(1))]) {
      expect(await ask(worker(0), key)).toEqual({ status: 'not-allowed' });
    }
    expect(enrol).not.toHaveBeenCalled();
    expect(await ask(worker(0), keyOfShard(0))).toEqual({ status: 'invite-expired' });
    expect(events.map(({ type }) => type)).toEqual(Array(4).fill('enrol-refused'));
  });
});

describe('the status of a relay with workers', () => {
  const report = (names: readonly string[], more: Partial<RelayStatus> = {}): StatusMessage => ({
    nowMs: 400,
    status: {
      address: ADDRESS,
      suite: 'other',
      socket: 'native',
      segments: true,
      coalesces: true,
      drops: {} as RelayStatus['drops'],
      sendErrors: {},
      peers: names.map((name) => ({
        name,
        publicKey: secret(0),
        allow: [],
        allowListen: [],
        stats: { waitingSince: 300 } as PeerStats,
        streams: [{ openedAt: 100 }] as never,
        listeners: [],
      })),
      ...more,
    },
  });

  it('joins the reports: peers in the order of the config, sums of counts, times on our clock', async () => {
    const peers = [peer('a', 0), peer('b', 1), peer('c', 0)];
    const { relay, worker } = await run({ peers });
    const drops = (count: number, other: number) => ({ 'unknown-peer': count, replay: other }) as never;
    worker(0).status = report(['c', 'a'], { drops: drops(1, 2), sendErrors: { EPERM: 1 } });
    worker(1).status = report(['b'], { drops: drops(10, 20), sendErrors: { EIO: 2 }, segments: false });
    const status = await relay.status();
    expect(status).toMatchObject({
      address: { address: '192.0.2.7', port: 51820 },
      suite: 'portable',
      socket: 'native',
      segments: false,
      coalesces: true,
      drops: drops(11, 22),
      sendErrors: { EPERM: 1, EIO: 2 },
    });
    expect(status.peers.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(status.peers[0]).toMatchObject({ stats: { waitingSince: 900 }, streams: [{ openedAt: 700 }] });
    worker(0).status = report(['c', 'a'], { coalesces: false });
    worker(1).exit(1);
    await settle();
    const second = await relay.status();
    expect(second.peers.map(({ name }) => name)).toEqual(['a', 'c']);
    expect(second).toMatchObject({ segments: true, coalesces: false });
  });

  it('leaves out a worker that hangs, so that the relay can still be asked and stopped', async () => {
    const { relay, worker } = await run({ peers: [peer('a', 0), peer('b', 1)] });
    const names = async () => (await relay.status()).peers.map(({ name }) => name);
    worker(0).status = report(['a']);
    worker(1).status = new Promise(() => undefined) as never;
    const asked = names();
    await settle();
    await fire();
    expect(await asked).toEqual(['a']);
    worker(1).status = report(['b']);
    expect(await names()).toEqual(['a', 'b']);
    expect(delays()).toEqual([]);
  });

  it('leaves out a worker that ends before it answers', async () => {
    const { relay, worker } = await run({ peers: [peer('a', 0), peer('b', 1)] });
    worker(0).status = report(['a']);
    worker(1).status = new Promise(() => undefined) as never;
    const asked = relay.status();
    await settle();
    worker(1).exit(1);
    expect((await asked).peers.map(({ name }) => name)).toEqual(['a']);
  });
});

it('a relay with workers logs which suite they use', async () => {
  const debug = vi.fn();
  await run({ log: { ...silentLog, debug } });
  expect(debug.mock.calls).toContainEqual([expect.objectContaining({ event: 'suite' }), expect.any(String)]);
});

describe('a relay with workers on every address', () => {
  it.each<[string, readonly string[], boolean]>([
    ['several addresses', ['192.0.2.7', '192.0.2.8'], true],
    ['one address', ['192.0.2.7', '127.0.0.1'], false],
  ])('of a machine with %s', async (_what, own, warns) => {
    stage.own = own;
    const { logged } = await run({ listen: { port: 0 } });
    const warnings = logged.filter(({ fields }) => 'event' in fields && fields.event === 'several-addresses');
    const warning = {
      level: 'warn',
      fields: { event: 'several-addresses' },
      text: expect.stringMatching(
        /several addresses.*: set 'listen' to one address, or leave out --workers$/,
      ),
    };
    expect(warnings).toEqual(warns ? [warning] : []);
    const chosen = await run({ listen: { host: '192.0.2.7', port: 0 } });
    expect(chosen.logged).toEqual([]);
  });
});
