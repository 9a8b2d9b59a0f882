/** What a worker makes of what the main process says, and what it says itself. The test plays the main process and the
 *  relay in the worker. */
import type { Address } from '@underpass/protocol';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { RelayInviteOptions, RelayOptions, RelayPeerOptions } from '../../src/index.js';
import type { WorkerRole } from '../../src/running-relay.js';
import { Channel, type Handlers, MAX_CHANNEL_BACKLOG_BYTES } from '../../src/workers/channel.js';
import type { PeerMessage, StartMessage, StatusMessage } from '../../src/workers/messages.js';
import { runWorker, type WorkerOptions } from '../../src/workers/worker.js';
import { settle } from './fake-worker.js';
import { type Pipe, pipes } from './pipes.js';

type Made = Omit<RelayOptions, 'listen' | 'enrol'>;
interface Lists {
  readonly peers: readonly RelayPeerOptions[];
  readonly invites?: readonly RelayInviteOptions[] | undefined;
}

const stage = vi.hoisted(() => ({
  /** What the relay was made with. */
  options: undefined as unknown,
  role: undefined as unknown,
  calls: [] as unknown[][],
  /** Every array with a secret, of messages and of what was made of them, and what it had in it. */
  secrets: [] as { readonly held: Uint8Array; readonly value: number | undefined }[],
  mayStart: Promise.resolve(),
}));

const take = vi.hoisted(() => ({ peers, invites = [] }: Lists): void => {
  for (const { presharedKey } of [...peers, ...invites]) {
    if (presharedKey !== undefined) stage.secrets.push({ held: presharedKey, value: presharedKey[0] });
  }
});

vi.mock('../../src/relay.js', () => ({
  startRelayWorker: async (options: Made, role: WorkerRole) => {
    await stage.mayStart;
    Object.assign(stage, { options, role });
    take(options);
    stage.secrets.push({ held: options.privateKey, value: options.privateKey[0] });
    const names = (list: readonly { readonly name: string }[] = []) => list.map(({ name }) => name);
    return {
      setPeers: (peers: readonly RelayPeerOptions[], invites: readonly RelayInviteOptions[]) => {
        take({ peers, invites });
        stage.calls.push(['set', names(peers), names(invites)]);
      },
      addPeer: (peer: RelayPeerOptions) => {
        take({ peers: [peer] });
        stage.calls.push(['add', peer.name]);
      },
      status: () => ({ suite: 'portable', peers: [] }),
      handlePassedOn: (datagram: Uint8Array, from: Address) =>
        stage.calls.push(['passed on', [...datagram], from]),
      close: async () => {
        await settle();
        stage.calls.push(['closed']);
      },
    };
  },
}));

vi.mock(import('../../src/workers/messages.js'), async (original) => {
  const actual = await original();
  const peerFromMessage: typeof actual.peerFromMessage = (message) => {
    take({ peers: [{ ...message, allow: [], allowListen: [] } as RelayPeerOptions] });
    return actual.peerFromMessage(message);
  };
  return { ...actual, peerFromMessage };
});

beforeEach(() => {
  Object.assign(stage, { options: undefined, role: undefined, mayStart: Promise.resolve() });
  stage.calls.length = 0;
  stage.secrets.length = 0;
});

const ADDRESS: Address = { address: '192.0.2.1', port: 5 };
const secret = (byte: number) => new Uint8Array(32).fill(byte);
const peer = (name: string, byte: number): PeerMessage => ({
  name,
  publicKey: secret(0x80 + byte),
  presharedKey: secret(byte),
  allow: [],
  allowListen: [],
  maxRate: undefined,
});
const invite = (name: string, byte: number) => {
  return { name, publicKey: secret(0x80 + byte), presharedKey: secret(byte) };
};
const START: StartMessage = {
  relayName: 'home',
  peers: [peer('laptop', 1)],
  invites: [invite('phone', 2)],
  shard: { index: 1, count: 2 },
  socket: { fd: 4, family: 'udp6' },
  privateKey: secret(3),
  suite: 'portable',
  maxOutageMs: undefined,
  idleTimeoutMs: undefined,
  hasKeyLog: false,
};
const made = () => stage.options as Made;
const role = () => stage.role as WorkerRole;
/** The first bytes of the secrets that messages had and the relay got since the last call. All of them are wiped by now. */
function takenAndWiped() {
  const secrets = stage.secrets.splice(0);
  for (const { held } of secrets) expect(held).toEqual(secret(0));
  return secrets.map(({ value }) => value);
}

/** A worker, and the main process that it talks to. */
function run(handlers: Handlers = {}, more: Partial<WorkerOptions> = {}) {
  const [main, end] = pipes();
  const heard: unknown[][] = [];
  const hear = (name: string) => (body: unknown) => void heard.push([name, body]);
  const all = { log: hear('log'), event: hear('event'), datagram: hear('datagram'), 'key-log': hear('key') };
  const channel = new Channel(main, { ...all, ...handlers }, () => undefined);
  const onEnd = vi.fn();
  const onFatal = vi.fn();
  runWorker({ pipe: end, onFatal, onEnd, ...more });
  onTestFinished(() => channel.close());
  return { channel, heard, onEnd, onFatal, end: end as Pipe };
}

async function started(handlers: Handlers = {}, more: Partial<WorkerOptions> = {}) {
  const parts = run(handlers, more);
  await parts.channel.ask('start', START);
  return parts;
}

describe('a worker that starts', () => {
  it('has the keys for as long as its relay is made, says when it serves, and keeps none of them', async () => {
    let goOn = (): void => undefined;
    stage.mayStart = new Promise((resolve) => {
      goOn = resolve;
    });
    const onStarted = vi.fn();
    const { channel } = run({}, { onStarted });
    const starting = channel.ask('start', START);
    await settle();
    expect(onStarted).not.toHaveBeenCalled();
    expect(await channel.ask('status')).toBeUndefined();
    goOn();
    await starting;
    expect(onStarted).toHaveBeenCalledOnce();
    expect(takenAndWiped()).toEqual([1, 1, 2, 3]);
    expect(made()).toMatchObject({ peers: [{ name: 'laptop' }], invites: [{ name: 'phone' }] });
    expect(role()).toMatchObject({ shard: START.shard, socket: START.socket });
    expect(made().name?.()).toBe('home');
  });

  it('passes on what its own process knows: who is told of bugs, and which sockets are the own ones', async () => {
    const ownSockets = () => ['/run/control.sock'];
    const { onFatal } = await started({}, { ownSockets });
    expect([made().onFatal, made().ownSockets]).toEqual([onFatal, ownSockets]);
    await started();
    expect(made()).not.toHaveProperty('ownSockets');
    expect(made()).not.toHaveProperty('keyLog');
  });
});

describe('a worker', () => {
  it('has everything written by the main process: events, and lines with their level', async () => {
    const { heard } = await started();
    for (const level of ['debug', 'info', 'warn', 'error'] as const)
      made().log[level]({ n: 1 }, `to ${level}`);
    made().onEvent?.({ type: 'resumed', peer: 'laptop', silentMs: 5 });
    await settle();
    const line = (level: string) => ['log', { level, fields: { n: 1 }, text: `to ${level}` }];
    expect(heard).toEqual([
      line('debug'),
      line('info'),
      line('warn'),
      line('error'),
      ['event', { type: 'resumed', peer: 'laptop', silentMs: 5 }],
    ]);
  });

  it('takes new lists and peers and their name, and keeps no key of them', async () => {
    const { channel } = await started();
    takenAndWiped();
    const lists = { relayName: 'work', peers: [peer('desk', 5)], invites: [invite('tablet', 6)] };
    await channel.ask('set-peers', lists);
    await channel.ask('add-peer', peer('watch', 7));
    expect(stage.calls).toEqual([
      ['set', ['desk'], ['tablet']],
      ['add', 'watch'],
    ]);
    expect(takenAndWiped()).toEqual([5, 5, 6, 7, 7]);
    expect(made().name?.()).toBe('work');
  });

  it('passes datagrams of others on, unless the main process is far behind, and handles those that it gets', async () => {
    const { channel, heard, end } = await started();
    channel.tell('datagram', { shard: 1, datagram: new Uint8Array([1, 2]), from: ADDRESS });
    await settle();
    expect(stage.calls).toEqual([['passed on', [1, 2], ADDRESS]]);
    end.cork();
    role().passOn(0, new Uint8Array(MAX_CHANNEL_BACKLOG_BYTES + 1), ADDRESS);
    role().passOn(0, new Uint8Array([3]), ADDRESS);
    end.uncork();
    role().passOn(0, new Uint8Array([4]), ADDRESS);
    await settle();
    expect(heard.map(([, body]) => (body as { readonly datagram: Uint8Array }).datagram.length)).toEqual([
      MAX_CHANNEL_BACKLOG_BYTES + 1,
      1,
    ]);
    expect(heard[1]).toEqual(['datagram', { shard: 0, datagram: new Uint8Array([4]), from: ADDRESS }]);
  });

  it('answers with its status and its clock', async () => {
    const { channel } = await started();
    const { status, nowMs } = await channel.ask<StatusMessage>('status');
    expect([status, typeof nowMs]).toEqual([{ suite: 'portable', peers: [] }, 'number']);
  });

  it('closes its relay before it says that it has, and ends with the main process', async () => {
    const { channel, onEnd } = await started();
    await channel.ask('close');
    expect(stage.calls).toEqual([['closed']]);
    expect(onEnd).not.toHaveBeenCalled();
    channel.close();
    await settle();
    expect(onEnd).toHaveBeenCalledOnce();
  });
});

describe('a request to enrol at a worker', () => {
  it('is decided by the main process', async () => {
    const asked: unknown[] = [];
    await started({
      enrol: (message: unknown) => {
        asked.push(structuredClone(message));
        return { status: 'opened', peer: peer('phone', 9) };
      },
    });
    const outcome = await role().enrol('phone', secret(8), ADDRESS);
    expect(asked).toEqual([{ invite: 'phone', publicKey: secret(8), address: ADDRESS }]);
    expect(outcome).toMatchObject({
      status: 'opened',
      peer: { name: 'phone', publicKey: secret(0x89), presharedKey: secret(9) },
    });
    expect(takenAndWiped().at(-1)).toBe(9);
  });

  it.each([
    [{ status: 'invite-used' }, { status: 'invite-used' }],
    [{ status: 'opened' }, { status: 'internal-error' }],
    [
      { status: 'opened', peer: { ...peer('phone', 9), presharedKey: undefined } },
      { status: 'internal-error' },
    ],
  ])('that the main process answers with %j ends with %j', async (answer, outcome) => {
    await started({ enrol: () => answer });
    expect(await role().enrol('phone', secret(8), ADDRESS)).toEqual(outcome);
  });
});
