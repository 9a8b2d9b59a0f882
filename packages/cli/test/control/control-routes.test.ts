/** The answers of relays and clients at their control sockets, and how callers read them. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import path from 'node:path';
import { Duplex, PassThrough } from 'node:stream';
import type { Client, ClientEvent } from '@underpass/client';
import type { Relay, RelayEvent } from '@underpass/relay';
import { monotonicMs } from '@underpass/runtime';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { reloadRunningRelay, runningRelay } from '../../src/control/ask-relay.js';
import { claimClient } from '../../src/control/claim-client.js';
import type { ClientReport } from '../../src/control/client-report.js';
import { collectReports } from '../../src/control/collect-reports.js';
import { openControl as ask, askControl } from '../../src/control/control-client.js';
import { type ControlServer, startControlServer } from '../../src/control/control-server.js';
import { EventFeed } from '../../src/control/event-feed.js';
import { openControl } from '../../src/control/open-control.js';
import { openRelayControl } from '../../src/control/relay-control.js';
import { encodeKey } from '../../src/key-text.js';
import { recordingLog } from '../commands/recording-log.js';
import { temporaryDirectory } from '../temporary-directory.js';

const PUBLIC_KEY = new Uint8Array(32).fill(1);
const RELAY_KEY = new Uint8Array(32).fill(2);
const FACTS = {
  name: 'vps',
  endpoint: 'relay.example:51820',
  publicKey: PUBLIC_KEY,
  relayPublicKey: RELAY_KEY,
};

let directory = '';
beforeEach(() => {
  directory = temporaryDirectory();
  vi.stubEnv('RUNTIME_DIRECTORY', undefined);
  vi.stubEnv('XDG_RUNTIME_DIR', directory);
  vi.stubEnv('XDG_STATE_HOME', directory); // a relay of this user may be running
  onTestFinished(() => void vi.unstubAllEnvs());
});

const PROCESS = {
  suite: 'portable',
  socket: 'plain',
  segments: false,
  coalesces: true,
  drops: { replayed: 2 },
  sendErrors: { EPERM: 1 },
};
const STATS = { connected: true, handshakes: 3, datagramsReceived: 4, flowDatagrams: { sent: 1 } };

function aStatus() {
  return {
    ...PROCESS,
    relay: STATS,
    forwards: [
      {
        spec: { kind: 'local', text: '8080:localhost:80', place: { bind: { kind: 'loopback' }, port: 8080 } },
        addresses: [{ address: '127.0.0.1', port: 8080 }],
      },
    ],
    openStreams: 1,
    streams: [
      { id: 5, target: { host: 'localhost', port: 80 }, from: 'a program', openedAt: monotonicMs() - 50 },
    ],
  };
}

async function claimed(client: object) {
  const claim = await claimClient(FACTS, recordingLog());
  if (claim.kind !== 'claimed') throw new Error('the keys were taken');
  onTestFinished(() => claim.control.close());
  const second = await claimClient(FACTS, recordingLog());
  if (second.kind !== 'taken') throw new Error('the keys were free');
  claim.control.serve({ forwards: [], ...client } as unknown as Client);
  return { control: claim.control, socket: second.socket };
}

/** The part of each answer that has arrived and was not read yet. */
const rest = new WeakMap<IncomingMessage, string>();

/** The next line of an answer. Several may arrive together. */
async function nextLine(answer: IncomingMessage): Promise<unknown> {
  let text = rest.get(answer) ?? '';
  while (!text.includes('\n')) text += String((await once(answer, 'data'))[0]);
  const end = text.indexOf('\n');
  rest.set(answer, text.slice(end + 1));
  return JSON.parse(text.slice(0, end));
}

describe('a client answers', () => {
  it('with its status', async () => {
    const { socket } = await claimed({ status: aStatus });
    const report = await askControl<ClientReport>({ socket, method: 'GET', path: '/status' });
    expect(report).toMatchObject({
      kind: 'client',
      name: 'vps',
      endpoint: 'relay.example:51820',
      publicKey: encodeKey(PUBLIC_KEY),
      pid: process.pid,
      suite: 'portable',
      coalesces: true,
      drops: { replayed: 2 },
      sendErrors: { EPERM: 1 },
      relay: {
        name: 'vps',
        publicKey: encodeKey(RELAY_KEY),
        connected: true,
        handshakes: 3,
        messages: { sent: 1 },
      },
      forwards: [{ text: '8080:localhost:80', kind: 'local' }],
      streams: [{ id: 5, target: 'localhost:80', address: 'a program' }],
      streamsNotListed: 0,
    });
    expect(report).not.toHaveProperty('relayPublicKey');
    expect(report.streams[0]?.openMs).toBeGreaterThanOrEqual(50);
  });

  it('what became of a target and of a probe, or what is wrong with the request', async () => {
    const tryFlow = async () => 'not-allowed';
    const probe = async (options: object) => ({ ok: true, ...options });
    const { socket } = await claimed({ tryFlow, probe });
    const post = (route: string, body: object) => askControl({ socket, method: 'POST', path: route, body });
    expect(await post('/check', { target: 'localhost:53/udp' })).toEqual({ outcome: 'not-allowed' });
    const sizes = { uploadBytes: 1, downloadBytes: 2 };
    expect(await post('/probe', sizes)).toEqual({ ok: true, ...sizes });
    await expect(post('/check', {})).rejects.toThrow('expected {"target"');
  });

  it('with what happens', async () => {
    const { socket, control } = await claimed({});
    const answer = await ask({ socket, method: 'GET', path: '/events' });
    onTestFinished(() => void answer.destroy());
    expect(await nextLine(answer)).toEqual({ type: 'following', pid: process.pid });
    const event: ClientEvent = { type: 'resumed', silentMs: 5 };
    control.onEvent(event);
    expect(await nextLine(answer)).toEqual(event);
    await control.idle(); // to look on is no use
  });

  it('with a connection, which it counts as a use until that ends', async () => {
    const target = new PassThrough();
    const { socket, control } = await claimed({ dial: () => target });
    const dialled = httpRequest({ socketPath: socket, method: 'POST', path: '/dial?target=localhost:80' });
    dialled.flushHeaders();
    await vi.waitUntil(() => target.listenerCount('connect') > 0);
    let isIdle = false;
    const idle = control.idle().then(() => {
      isIdle = true;
    });
    await new Promise(setImmediate);
    expect(isIdle).toBe(false);
    target.emit('connect');
    const [answer] = (await once(dialled, 'response')) as [IncomingMessage];
    answer.on('error', () => undefined);
    dialled.on('error', () => undefined);
    dialled.write('echo');
    expect(String((await once(answer, 'data'))[0])).toBe('echo');
    dialled.destroy();
    await idle;
  });

  it('with a connection whose target has ended its direction, which is still a use', async () => {
    const sent: string[] = [];
    const target = new Duplex({
      read: () => undefined,
      write: (chunk, _encoding, done) => {
        sent.push(String(chunk));
        done();
      },
    });
    const { socket, control } = await claimed({ dial: () => target });
    const agent = new Agent({ keepAlive: true });
    const options = { socketPath: socket, method: 'POST', path: '/dial?target=localhost:80', agent };
    const dialled = httpRequest(options);
    dialled.flushHeaders();
    await vi.waitUntil(() => target.listenerCount('connect') > 0);
    target.emit('connect');
    target.push(null);
    const [answer] = (await once(dialled, 'response')) as [IncomingMessage];
    answer.resume();
    await once(answer, 'end');
    let isIdle = false;
    const idle = control.idle().then(() => {
      isIdle = true;
    });
    dialled.end('more');
    await once(target, 'finish');
    expect([sent, isIdle]).toEqual([['more'], false]);
    agent.destroy();
    await idle;
  });

  it('with forwards, which it counts as a use until the other process goes', async () => {
    const { socket, control } = await claimed({
      addForward: async (spec: object) => ({ spec, addresses: [] }),
      removeForward: async () => true,
    });
    const body = { forwards: [{ kind: 'local', text: '8080:localhost:80' }] };
    const answer = await ask({ socket, method: 'POST', path: '/forwards', body });
    await once(answer, 'data');
    let isIdle = false;
    const idle = control.idle().then(() => {
      isIdle = true;
    });
    await new Promise(setImmediate);
    expect(isIdle).toBe(false);
    answer.destroy();
    await idle;
  });
});

describe('a client that starts', () => {
  const body = { forwards: [{ kind: 'local', text: '8080:localhost:80' }] };
  const aClient = (calls: string[]) => ({
    forwards: [],
    addForward: async (spec: object) => {
      calls.push('add');
      return { spec, addresses: [] };
    },
    removeForward: async () => calls.push('remove') > 0,
    status: aStatus,
  });

  async function claimedEarly() {
    const claim = await claimClient(FACTS, recordingLog());
    const second = await claimClient(FACTS, recordingLog());
    if (claim.kind !== 'claimed' || second.kind !== 'taken') throw new Error('the keys were taken');
    onTestFinished(() => claim.control.close());
    const { socket } = second;
    return { control: claim.control, socket };
  }

  it('answers as soon as it runs, whatever was asked before', async () => {
    const { control, socket } = await claimedEarly();
    const calls: string[] = [];
    const report = askControl<ClientReport>({ socket, method: 'GET', path: '/status' });
    const answer = ask({ socket, method: 'POST', path: '/forwards', body });
    // Events are sent at once, so when the first is here, the earlier requests have arrived too.
    const events = await ask({ socket, method: 'GET', path: '/events' });
    await nextLine(events);
    events.destroy();
    expect(calls).toEqual([]);
    control.serve(aClient(calls) as unknown as Client);
    expect(await report).toMatchObject({ kind: 'client', name: 'vps' });
    const joined = await answer;
    expect(await nextLine(joined)).toMatchObject({ type: 'listening' });
    joined.destroy();
    await control.idle();
    await vi.waitUntil(() => calls.includes('remove'));
    expect(calls).toEqual(['add', 'remove']);
  });

  it('dials nothing for a process that has gone by then, and is not used by it', async () => {
    const { control, socket } = await claimedEarly();
    const dialled = httpRequest({ socketPath: socket, method: 'POST', path: '/dial?target=localhost:80' });
    dialled.on('error', () => undefined);
    dialled.flushHeaders();
    const events = await ask({ socket, method: 'GET', path: '/events' });
    await nextLine(events);
    dialled.destroy();
    events.destroy();
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    const dial = vi.fn(() => new PassThrough());
    control.serve({ forwards: [], dial } as unknown as Client);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(dial).not.toHaveBeenCalled();
    await control.idle();
  });

  it('gives its keys to another when it is closed', async () => {
    const { control } = await claimedEarly();
    control.close();
    const next = await claimClient(FACTS, recordingLog());
    if (next.kind !== 'claimed') throw new Error('the keys are still taken');
    next.control.close();
  });
});

describe('a relay answers', () => {
  async function start(config: string) {
    const feed = new EventFeed<RelayEvent>();
    const reload = vi.fn(async () => ({ peers: 3, restartNeeded: ['listen'] }));
    const relay = {
      status: async () => ({ ...PROCESS, address: { address: '::', port: 51820 }, peers: [] }),
    } as unknown as Relay;
    const more = { publicKey: PUBLIC_KEY, endpoint: 'relay.example:51820', log: recordingLog() };
    const server = await openRelayControl({ relay, config, reload, feed, ...more });
    onTestFinished(() => server?.close());
    return { feed, reload, server: server as ControlServer };
  }
  const configOf = (name: string) => {
    const file = path.join(directory, `${name}.toml`);
    writeFileSync(file, '');
    return file;
  };

  it('those who know its config, with its status and by reading that again', async () => {
    const [config, other] = [configOf('relay'), configOf('other')];
    expect([await runningRelay(config), await reloadRunningRelay(config)]).toEqual([undefined, undefined]);
    const { reload } = await start(config);
    await start(configOf('third'));
    expect(await runningRelay(config)).toMatchObject({
      kind: 'relay',
      name: 'relay',
      config,
      pid: process.pid,
    });
    expect(reload).not.toHaveBeenCalled();
    expect(await reloadRunningRelay(config)).toEqual({ peers: 3, restartNeeded: ['listen'] });
    expect(reload).toHaveBeenCalledTimes(1);
    expect(await runningRelay(other)).toBeUndefined();
    reload.mockRejectedValue(new Error('broken'));
    await expect(reloadRunningRelay(config)).rejects.toThrow('broken');
  });

  it('with what happens', async () => {
    const { feed, server } = await start(configOf('relay'));
    const answer = await ask({ socket: server.file, method: 'GET', path: '/events' });
    onTestFinished(() => void answer.destroy());
    expect(await nextLine(answer)).toMatchObject({ type: 'following' });
    feed.onEvent({ type: 'resumed', peer: 'laptop', silentMs: 5 });
    expect(await nextLine(answer)).toMatchObject({ peer: 'laptop' });
  });

  it('everybody who asks for all processes of this user: relays first, each kind by name', async () => {
    await claimed({ status: aStatus });
    for (const name of ['zoo', 'attic']) await start(configOf(name));
    const broken = await startControlServer('relay-0123456789ab.sock', {
      'GET /status': () => {
        throw new Error('it is broken');
      },
    });
    onTestFinished(() => broken.close());
    const { reports, problems } = await collectReports();
    expect(reports.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'relay attic',
      'relay zoo',
      'client vps',
    ]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('it is broken');
    expect((await collectReports('zoo')).reports.map(({ name }) => name)).toEqual(['zoo']);
    expect((await collectReports('nobody')).reports).toEqual([]);
  });
});

describe('a process whose control socket cannot be opened', () => {
  it('says so, and is useful without one', async () => {
    const first = await openControl('test.sock', recordingLog(), {});
    onTestFinished(() => first?.close());
    const log = recordingLog();
    expect(await openControl('test.sock', log, {})).toBeUndefined();
    expect(log.lines).toEqual([
      expect.stringMatching(
        /^warn underpass status and other commands cannot reach this process: another process answers at/,
      ),
    ]);
    expect(log.fields).toEqual([{ event: 'no-control' }]);
  });

  it.each([
    ['a relay', undefined],
    ['a client', async () => undefined],
  ])('goes on without one if its directory cannot be trusted: %s', async (_what, dial) => {
    const untrusted = path.join(directory, 'underpass');
    writeFileSync(untrusted, '');
    const log = recordingLog();
    expect(await openControl('test.sock', log, {}, dial)).toBeUndefined();
    expect(log.lines).toEqual([expect.stringContaining(`${untrusted} is not a directory`)]);
  });

  it('cannot be a client that others could join', async () => {
    const first = await openControl('test.sock', recordingLog(), {});
    onTestFinished(() => first?.close());
    const dial = async () => undefined;
    await expect(openControl('test.sock', recordingLog(), {}, dial)).rejects.toThrow(
      'another process answers',
    );
  });
});
