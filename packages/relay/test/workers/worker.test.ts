/** Follows each part of the first message to a worker to its effect. A part that is dropped on the way looks like its
 *  default, and only on a relay with workers. */
import { Socket as UdpSocket } from 'node:dgram';
import { createPortableSuite, MIN_MEMORY_PER_PEER_BYTES, shardOfKey } from '@underpass/protocol';
import { canShareSockets, monotonicMs, openSocketGroup, systemTimers } from '@underpass/runtime';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { RelayEvent, RelayPeerOptions } from '../../src/index.js';
import type { RelayWorker } from '../../src/running-relay.js';
import { Channel } from '../../src/workers/channel.js';
import {
  type DatagramMessage,
  type EnrolMessage,
  type PeerMessage,
  peerMessage,
  type StartMessage,
  type StatusMessage,
} from '../../src/workers/messages.js';
import { runWorker } from '../../src/workers/worker.js';
import { BareClient, type Keys, newKeys, type Reachable, rules } from '../bare-client.js';
import { startTarget } from '../start-target.js';
import { pipes } from './pipes.js';

const started = vi.hoisted(() => [] as RelayWorker[]);

vi.mock(import('../../src/relay.js'), async (original) => {
  const actual = await original();
  const startRelayWorker: typeof actual.startRelayWorker = async (...options) => {
    const relay = await actual.startRelayWorker(...options);
    started.push(relay);
    return relay;
  };
  return { ...actual, startRelayWorker };
});

const PRESHARED_KEY = new Uint8Array(32).fill(7);
const SHARDS = 2;
/** A handshake on loopback takes some milliseconds. A worker that does not know the client never answers. */
const CONTACT_LIMIT_MS = 15_000;

/** A worker in this process, and what it has said to the main process. */
interface TestWorker extends Reachable {
  readonly channel: Channel;
  readonly events: readonly RelayEvent[];
  readonly datagrams: readonly DatagramMessage[];
  readonly keyLog: readonly string[];
  readonly enrols: readonly EnrolMessage[];
}

const enrolled = { name: 'phone', ...newKeys(), presharedKey: new Uint8Array(32).fill(9), allow: [] };

/** Starts a worker that has the only socket of its port.
 *  @param meanwhile  called while it starts */
async function start(
  more: Partial<StartMessage> = {},
  meanwhile: (channel: Channel) => void = () => undefined,
): Promise<TestWorker> {
  // The worker takes over the descriptor, and closes it.
  const { address, sockets } = await openSocketGroup({ host: '127.0.0.1', port: 0, count: 1 });
  const { privateKey, publicKey } = newKeys();
  const [main, end] = pipes();
  const events: RelayEvent[] = [];
  const datagrams: DatagramMessage[] = [];
  const keyLog: string[] = [];
  const enrols: EnrolMessage[] = [];
  const nothing = () => undefined;
  const handlers = {
    event: (event: RelayEvent) => events.push(event),
    datagram: (message: DatagramMessage) => datagrams.push(message),
    'key-log': (line: string) => keyLog.push(line),
    enrol: (message: EnrolMessage) => {
      enrols.push(message);
      return { status: 'opened', peer: peerMessage(enrolled) };
    },
  };
  const channel = new Channel(main, handlers, nothing);
  const onFatal = (error: unknown) => {
    throw error;
  };
  runWorker({ pipe: end, onFatal, onEnd: nothing });
  onTestFinished(async () => {
    await channel.ask('close');
    channel.close();
  });
  const [socket] = sockets;
  if (socket === undefined) throw new Error('no socket');
  const starting = channel.ask('start', {
    relayName: undefined,
    peers: [],
    invites: [],
    shard: { index: 0, count: 1 },
    socket,
    privateKey,
    suite: 'portable',
    maxOutageMs: undefined,
    idleTimeoutMs: undefined,
    hasKeyLog: false,
    ...more,
  } satisfies StartMessage);
  meanwhile(channel);
  await starting;
  return { relay: { address }, publicKey, channel, events, datagrams, keyLog, enrols };
}

function peerOf({ publicKey }: Keys, more: Partial<RelayPeerOptions> = {}): PeerMessage {
  return peerMessage({ name: 'laptop', publicKey, allow: [], ...more });
}

/** Starts a worker and a client that has reached it. */
async function reach(more: Partial<StartMessage> = {}, peer: Partial<RelayPeerOptions> = {}) {
  const keys = newKeys();
  const worker = await start({ peers: [peerOf(keys, peer)], ...more });
  const client = await BareClient.connect(worker, keys);
  await vi.waitUntil(() => client.isConnected, CONTACT_LIMIT_MS);
  return { worker, client };
}

/** Starts a worker and a client that has reached it with an invite. */
async function invite(more: Partial<StartMessage> = {}) {
  const guest = newKeys();
  const invited = { name: 'phone', publicKey: guest.publicKey, presharedKey: PRESHARED_KEY };
  const worker = await start({ invites: [invited], ...more });
  const client = await BareClient.connect(worker, guest, PRESHARED_KEY);
  await vi.waitUntil(() => client.isConnected, CONTACT_LIMIT_MS);
  return { worker, client };
}

function keysOfShard(index: number): Keys {
  const suite = createPortableSuite();
  for (;;) {
    const keys = newKeys();
    if (shardOfKey(suite, keys.publicKey, SHARDS) === index) return keys;
  }
}

const EFFECTS: { readonly [Part in keyof StartMessage]-?: () => Promise<void> } = {
  relayName: async () => {
    const { client } = await invite({ relayName: 'relay-at-home' });
    const answer = client.request({ kind: 'enrol', publicKey: enrolled.publicKey });
    await answer.until(({ isOver }) => isOver);
    expect(String(answer.bytes())).toContain('relay-at-home');
  },
  peers: async () => void (await reach()),
  invites: async () => {
    const { worker, client } = await invite();
    const answer = client.request({ kind: 'enrol', publicKey: enrolled.publicKey });
    await answer.until(({ isOver }) => isOver);
    expect(answer.status()).toBe('opened');
    expect(worker.enrols).toMatchObject([{ invite: 'phone', publicKey: enrolled.publicKey }]);
  },
  shard: async () => {
    const worker = await start({ shard: { index: 1, count: SHARDS } });
    await BareClient.connect(worker, keysOfShard(0));
    await vi.waitUntil(() => worker.datagrams.length > 0);
    expect(worker.datagrams[0]).toMatchObject({ shard: 0 });
  },
  socket: async () => void (await reach()),
  privateKey: async () => void (await reach()),
  suite: async () => {
    for (const suite of ['node', 'portable'] as const) {
      const { channel } = await start({ suite });
      expect(await channel.ask<StatusMessage>('status')).toMatchObject({ status: { suite } });
    }
  },
  maxOutageMs: async () => {
    const port = await startTarget((socket) => void socket.pipe(socket));
    const { worker, client } = await reach({ maxOutageMs: 300 }, { allow: rules(`127.0.0.1:${port}`) });
    const answer = client.ask('127.0.0.1', port, 'hello');
    await answer.until(({ bytes }) => bytes().length === 5);
    vi.spyOn(UdpSocket.prototype, 'send').mockImplementation(() => undefined);
    onTestFinished(() => void vi.restoreAllMocks());
    await vi.waitUntil(() => worker.events.some(({ type }) => type === 'peer-disconnected'), 4_000);
  },
  idleTimeoutMs: async () => {
    // Looking for idle connections takes a minute each time.
    const { set } = systemTimers;
    vi.spyOn(systemTimers, 'set').mockImplementation((look, delayMs) => set(look, Math.min(delayMs, 200)));
    onTestFinished(() => void vi.restoreAllMocks());
    const port = await startTarget(() => undefined);
    const { worker, client } = await reach({ idleTimeoutMs: 50 }, { allow: rules(`127.0.0.1:${port}`) });
    client.ask('127.0.0.1', port, 'hello');
    await vi.waitUntil(() => worker.events.some(({ type }) => type === 'stream-closed'), 4_000);
  },
  hasKeyLog: async () => {
    const { worker } = await reach({ hasKeyLog: true });
    expect(worker.keyLog.join('\n')).toContain('LOCAL_STATIC_PRIVATE_KEY');
  },
  congestion: async () => {
    for (const congestion of ['bbr', 'cubic'] as const) {
      await start({ congestion, peers: [peerOf(newKeys())] });
      const [member] = started.at(-1)?.members ?? [];
      member?.peer.openStream();
      expect(member?.peer.view.connection?.congestion.name).toBe(congestion);
    }
  },
  memoryPerPeerBytes: async () => {
    // An endpoint refuses what does not even pay for the initial limits.
    const memoryPerPeerBytes = MIN_MEMORY_PER_PEER_BYTES - 1;
    await expect(start({ memoryPerPeerBytes })).rejects.toThrow('memory for at least the initial limits');
  },
};

describe.skipIf(!canShareSockets())('a worker of a relay (spec session 3.3)', () => {
  it.each(Object.entries(EFFECTS))('obeys %s of its first message', (_part, check) => check());

  it('has the lists that change while it starts', async () => {
    const [revoked, kept, added] = ['revoked', 'kept', 'added'].map((name) => peerOf(newKeys(), { name }));
    const worker = await start({ peers: [revoked, kept] as PeerMessage[] }, (channel) => {
      void channel.ask('set-peers', { relayName: undefined, peers: [kept], invites: [] });
      void channel.ask('add-peer', added);
    });
    const { status } = await worker.channel.ask<StatusMessage>('status');
    expect(status.peers.map(({ name }) => name)).toEqual(['kept', 'added']);
  });

  it('names the moment of its status by the clock of its times', async () => {
    const worker = await start();
    const before = monotonicMs();
    const { nowMs } = await worker.channel.ask<StatusMessage>('status');
    const clocks = [before, nowMs, monotonicMs()];
    expect(clocks).toEqual(clocks.toSorted((a, b) => a - b));
  });
});
