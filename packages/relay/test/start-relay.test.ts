/** Follows each option of a relay from `startRelay` to its effect. An option that is dropped on the way looks like its
 *  default. */
import { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseListenRule, parseMaxRate } from '@underpass/forward';
import { MIN_MEMORY_PER_PEER_BYTES } from '@underpass/protocol';
import { silentLog, systemTimers } from '@underpass/runtime';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { RelayEvent, RelayOptions, RelayPeerOptions } from '../src/index.js';
import { BareClient, type Keys, newKeys, rules, runRelay, type TestRelay } from './bare-client.js';
import { startTarget } from './start-target.js';

interface Setup {
  readonly keys: Keys;
  /** The peer of `keys`. */
  peer(more?: Partial<RelayPeerOptions>): RelayPeerOptions;
  start(more?: Partial<RelayOptions>, peer?: RelayPeerOptions): Promise<TestRelay>;
  /** The same, and a client that has reached it. */
  reach(
    more?: Partial<RelayOptions>,
    peer?: RelayPeerOptions,
  ): Promise<{ readonly relay: TestRelay; readonly client: BareClient }>;
}

function setUp(): Setup {
  const keys = newKeys();
  const peer: Setup['peer'] = (more) => ({ name: 'laptop', publicKey: keys.publicKey, allow: [], ...more });
  const start: Setup['start'] = (more, of = peer()) => runRelay([of], more);
  const reach: Setup['reach'] = async (more, of = peer()) => {
    const relay = await start(more, of);
    const client = await BareClient.connect(relay, keys, of.presharedKey);
    await client.until(({ isConnected }) => isConnected);
    return { relay, client };
  };
  return { keys, peer, start, reach };
}

/** What `parse` makes of a text that is valid. */
function valid<T extends object>(parsed: T | { readonly reason: string }): T {
  if ('reason' in parsed) throw new Error(parsed.reason);
  return parsed;
}

const PRESHARED_KEY = new Uint8Array(32).fill(7);
const invite = (keys: Keys) => ({ name: 'phone', publicKey: keys.publicKey, presharedKey: PRESHARED_KEY });

/** Those of `RelayOptions`. */
const EFFECTS: { readonly [Option in keyof RelayOptions]-?: (setup: Setup) => Promise<void> } = {
  listen: async ({ start }) => {
    const { relay } = await start({ listen: { host: '127.0.0.2', port: 0 } });
    expect(relay.address.address).toBe('127.0.0.2');
  },
  privateKey: async ({ reach }) => void (await reach()),
  peers: async ({ reach }) => void (await reach()),
  invites: async ({ start }) => {
    const guest = newKeys();
    const relay = await start({ invites: [invite(guest)] });
    const client = await BareClient.connect(relay, guest, PRESHARED_KEY);
    await client.until(({ isConnected }) => isConnected);
  },
  enrol: async ({ start }) => {
    const guest = newKeys();
    const asked: string[] = [];
    const relay = await start({
      invites: [invite(guest)],
      enrol: (name) => {
        asked.push(name);
        return { status: 'not-allowed' };
      },
    });
    const client = await BareClient.connect(relay, guest, PRESHARED_KEY);
    const answer = client.request({ kind: 'enrol', publicKey: newKeys().publicKey });
    await answer.until(({ isOver }) => isOver);
    expect([asked, answer.status()]).toEqual([['phone'], 'not-allowed']);
  },
  name: async ({ start, peer }) => {
    const guest = newKeys();
    const enrolled = { ...peer({ name: 'phone', ...newKeys() }), presharedKey: new Uint8Array(32).fill(9) };
    const relay = await start({
      invites: [invite(guest)],
      enrol: () => ({ status: 'opened', peer: enrolled }),
      name: () => 'relay-at-home',
    });
    const client = await BareClient.connect(relay, guest, PRESHARED_KEY);
    const answer = client.request({ kind: 'enrol', publicKey: enrolled.publicKey });
    await answer.until(({ isOver }) => isOver);
    expect(String(answer.bytes())).toContain('relay-at-home');
  },
  log: async ({ start }) => {
    const guest = newKeys();
    const failures: object[] = [];
    const relay = await start({
      invites: [invite(guest)],
      enrol: () => {
        throw new Error('the disk is full');
      },
      log: { ...silentLog, error: (fields) => failures.push(fields) },
    });
    const client = await BareClient.connect(relay, guest, PRESHARED_KEY);
    const answer = client.request({ kind: 'enrol', publicKey: newKeys().publicKey });
    await answer.until(({ isOver }) => isOver);
    expect(failures).toMatchObject([{ event: 'enrol-failed', peer: 'phone' }]);
  },
  ownSockets: async ({ reach, peer }) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'underpass-test-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const file = path.join(directory, 'control.sock');
    const server = createServer().listen(file);
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { client } = await reach({ ownSockets: () => [file] }, peer({ allow: rules(`unix:${file}`) }));
    const answer = client.request({ kind: 'unix', path: file });
    await answer.until(({ isOver }) => isOver);
    expect(answer.status()).toBe('not-allowed');
  },
  maxOutageMs: async ({ reach, peer }) => {
    const port = await startTarget((socket) => void socket.pipe(socket));
    const { client, relay } = await reach({ maxOutageMs: 300 }, peer({ allow: rules(`127.0.0.1:${port}`) }));
    const answer = client.ask('127.0.0.1', port, 'hello');
    await answer.until(({ bytes }) => bytes().length === 5);
    vi.spyOn(UdpSocket.prototype, 'send').mockImplementation(() => undefined);
    onTestFinished(() => void vi.restoreAllMocks());
    expect(await relay.next('peer-disconnected')).toMatchObject({ peer: 'laptop', lostStreams: 1 });
  },
  idleTimeoutMs: async ({ reach, peer }) => {
    // Looking for idle connections takes a minute each time.
    const { set } = systemTimers;
    vi.spyOn(systemTimers, 'set').mockImplementation((look, delayMs) => set(look, Math.min(delayMs, 200)));
    onTestFinished(() => void vi.restoreAllMocks());
    const port = await startTarget(() => undefined);
    const { client, relay } = await reach({ idleTimeoutMs: 50 }, peer({ allow: rules(`127.0.0.1:${port}`) }));
    client.ask('127.0.0.1', port, 'hello');
    expect(await relay.next('stream-closed')).toMatchObject({ clean: false, idleMs: expect.any(Number) });
  },
  resolve: async ({ reach, peer }) => {
    const port = await startTarget((socket) => void socket.end('found'));
    const asked: string[] = [];
    const resolve = async (name: string) => {
      asked.push(name);
      return ['127.0.0.1'];
    };
    const allow = rules(`service.example:${port}`, `127.0.0.1:${port}`);
    const { client } = await reach({ resolve }, peer({ allow }));
    const answer = client.ask('service.example', port);
    await answer.until(({ isOver }) => isOver);
    expect([asked, String(answer.bytes())]).toEqual([['service.example'], 'found']);
  },
  suite: async ({ start }) => {
    for (const suite of ['node', 'portable'] as const) {
      expect((await start({ suite })).relay.status().suite).toBe(suite);
    }
  },
  socket: async ({ start }) => {
    expect((await start({ socket: 'plain' })).relay.status().socket).toBe('plain');
  },
  keyLog: async ({ reach }) => {
    const lines: string[] = [];
    await reach({ keyLog: (line) => lines.push(line) });
    expect(lines.join('\n')).toContain('LOCAL_STATIC_PRIVATE_KEY');
  },
  tap: async ({ reach }) => {
    const seen = new Set<string>();
    await reach({ tap: { onSent: () => seen.add('sent'), onReceived: () => seen.add('received') } });
    expect(seen).toEqual(new Set(['sent', 'received']));
  },
  watch: async ({ reach }) => {
    const seen = new Set<string>();
    await reach({
      watch: { wants: (direction) => seen.add(direction) && false, onMessage: () => undefined },
    });
    expect(seen).toEqual(new Set(['sent', 'received']));
  },
  onEvent: async ({ reach }) => {
    const { relay } = await reach();
    expect(await relay.next('peer-connected')).toMatchObject({ peer: 'laptop' });
  },
  onFatal: async ({ start, keys }) => {
    const bug = new Error('a bug of ours');
    const onEvent = ({ type }: RelayEvent) => {
      if (type === 'peer-connected') throw bug;
    };
    let done: () => void = () => undefined;
    const failed = new Promise<void>((resolve) => {
      done = resolve;
    });
    const relay = await start({ onEvent, onFatal: (error) => error === bug && done() });
    await BareClient.connect(relay, keys);
    await failed;
  },
  congestion: async ({ start }) => {
    for (const congestion of ['bbr', 'cubic'] as const) {
      const { relay } = await start({ congestion });
      const [member] = relay.members;
      member?.peer.openStream();
      expect(member?.peer.view.connection?.congestion.name).toBe(congestion);
    }
  },
  memoryPerPeerBytes: async ({ start }) => {
    // An endpoint refuses what does not even pay for the initial limits.
    const memoryPerPeerBytes = MIN_MEMORY_PER_PEER_BYTES - 1;
    await expect(start({ memoryPerPeerBytes })).rejects.toThrow('memory for at least the initial limits');
  },
};

/** Those of a peer. */
const PEER_EFFECTS: { readonly [Option in keyof RelayPeerOptions]-?: (setup: Setup) => Promise<void> } = {
  name: async ({ reach, peer }) => {
    const { relay } = await reach({}, peer({ name: 'desktop' }));
    expect(await relay.next('peer-connected')).toMatchObject({ peer: 'desktop' });
  },
  publicKey: async ({ reach }) => void (await reach()),
  presharedKey: async ({ reach, peer }) => {
    const presharedKey = Uint8Array.from(PRESHARED_KEY);
    const { client } = await reach({}, peer({ presharedKey }));
    expect([client.isConnected, presharedKey]).toEqual([true, PRESHARED_KEY]);
  },
  allow: async ({ reach, peer }) => {
    const port = await startTarget((socket) => void socket.end('found'));
    const { client } = await reach({}, peer({ allow: rules(`127.0.0.1:${port}`) }));
    const answer = client.ask('127.0.0.1', port);
    await answer.until(({ isOver }) => isOver);
    expect(answer.status()).toBe('opened');
  },
  allowListen: async ({ reach, peer }) => {
    const allowListen = [valid(parseListenRule('localhost:*'))];
    const { client, relay } = await reach({}, peer({ allowListen }));
    client.request({ kind: 'listen', bind: 'localhost', port: 0 });
    expect(await relay.next('listener-opened')).toMatchObject({ peer: 'laptop' });
  },
  maxRate: async ({ reach, peer }) => {
    const bytes = 192 * 1024;
    const port = await startTarget((socket) => void socket.end(Buffer.alloc(bytes)));
    const maxRate = valid(parseMaxRate('100 kB/s'));
    const allow = rules(`127.0.0.1:${port}`);
    // It holds from the first byte, also of a peer whose options never change.
    const { client } = await reach({}, peer({ allow, maxRate }));
    const start = performance.now();
    const answer = client.ask('127.0.0.1', port);
    await answer.until(({ isOver }) => isOver);
    expect(answer.bytes().length).toBe(bytes);
    const chunkBytes = 64 * 1024;
    const burstBytes = 20_000;
    expect(performance.now() - start).toBeGreaterThan((bytes - chunkBytes - burstBytes) / 100);
  },
};

describe('startRelay', () => {
  it.each(Object.entries(EFFECTS))('obeys its option %s', (_option, check) => check(setUp()));
  it.each(Object.entries(PEER_EFFECTS))('obeys the option %s of a peer', (_option, check) => check(setUp()));
});
