/** Follows each option of a client from `startClient` to its effect. An option that is dropped on the way looks like its
 *  default. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { LocalForward } from '@underpass/forward';
import { MIN_MEMORY_PER_PEER_BYTES } from '@underpass/protocol';
import { silentLog } from '@underpass/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Client, type ClientEvent, type ClientOptions, startClient } from '../src/index.js';
import { newKeys, runBareRelay } from './bare-relay.js';

interface Setup {
  /** The client is started with this beside what it needs. */
  start(more?: Partial<ClientOptions>): Promise<Client>;
  /** The same, and waits for its relay. */
  reach(more?: Partial<ClientOptions>): Promise<Client>;
  readonly events: readonly ClientEvent[];
}

const PRESHARED_KEY = new Uint8Array(32).fill(7);

/** A client, and a relay that knows its keys. */
async function setUp(): Promise<Setup> {
  const keys = newKeys();
  const relay = await runBareRelay(keys.publicKey, PRESHARED_KEY);
  const events: ClientEvent[] = [];
  const start: Setup['start'] = async (more) => {
    const client = await startClient({
      relay: { host: relay.address.address, port: relay.address.port },
      relayPublicKey: relay.publicKey,
      privateKey: Uint8Array.from(keys.privateKey),
      presharedKey: PRESHARED_KEY,
      forwards: [],
      log: silentLog,
      onEvent: (event) => events.push(event),
      ...more,
    });
    onTestFinished(() => client.close());
    return client;
  };
  const reach: Setup['reach'] = async (more) => {
    const client = await start(more);
    client.connect();
    await client.connected();
    return client;
  };
  return { start, reach, events };
}

/** Calls `act` with a function that ends the wait. */
const until = (act: (done: () => void) => unknown): Promise<void> =>
  new Promise<void>((resolve, reject) => {
    Promise.resolve(act(resolve)).catch(reject);
  });

const unknownName = () => Promise.reject(Object.assign(new Error('unknown'), { code: 'ENOTFOUND' }));
/** A relay that never answers. */
const NOBODY = { relay: { host: '127.0.0.1', port: 9 } };

const EFFECTS: { readonly [Option in keyof ClientOptions]-?: (setup: Setup) => Promise<void> } = {
  relay: async ({ reach }) => {
    const client = await reach();
    expect(client.status().relay).toMatchObject({ connected: true, address: { address: '127.0.0.1' } });
  },
  relayPublicKey: async ({ reach }) => void (await reach()),
  privateKey: async ({ reach }) => void (await reach()),
  presharedKey: async ({ reach }) => void (await reach()),
  forwards: async ({ start }) => {
    const [forward] = localForward(0);
    const client = await start({ forwards: [forward] });
    expect(client.forwards).toMatchObject([{ spec: forward, addresses: [{ address: '127.0.0.1' }] }]);
  },
  persistentKeepaliveMs: async ({ reach }) => {
    const client = await reach({ persistentKeepaliveMs: 7_000 });
    const { timers } = client.peer.view;
    expect(timers.map(({ reason }) => reason)).toContain('persistent-keepalive');
  },
  refuseUnknownName: async ({ start }) => {
    const relay = { host: 'relay.example', port: 1 };
    await expect(start({ relay, lookUp: unknownName, refuseUnknownName: true })).rejects.toThrow(
      'relay.example',
    );
    await start({ relay, lookUp: unknownName });
  },
  contactLimitMs: async ({ start }) => {
    await until(async (done) => {
      const client = await start({
        ...NOBODY,
        contactLimitMs: 20,
        onEvent: ({ type }) => type === 'given-up' && done(),
      });
      client.dial('192.0.2.1:80').on('error', () => undefined);
    });
  },
  lookUp: async ({ start }) => {
    const asked: string[] = [];
    const lookUp = async (name: string) => {
      asked.push(name);
      return ['127.0.0.1'];
    };
    await start({ relay: { host: 'relay.example', port: 9 }, lookUp, refuseUnknownName: true });
    expect(asked).toEqual(['relay.example']);
  },
  log: async ({ start }) => {
    const lines: string[] = [];
    const log = { ...silentLog, debug: (_fields: object, line: string) => lines.push(line) };
    const lookUp = async () => ['127.0.0.1', '127.0.0.2'];
    const client = await start({
      relay: { host: 'relay.example', port: 9 },
      lookUp,
      log,
      refuseUnknownName: true,
    });
    client.connect();
    await expect.poll(() => lines.join('\n')).toContain('trying the relay at 127.0.0.');
  },
  suite: async ({ start }) => {
    const suites = ['node', 'portable'] as const;
    for (const suite of suites) expect((await start({ suite })).status().suite).toBe(suite);
  },
  socket: async ({ start }) => {
    expect((await start({ socket: 'plain' })).status().socket).toBe('plain');
  },
  keyLog: async ({ reach }) => {
    const lines: string[] = [];
    await reach({ keyLog: (line) => lines.push(line) });
    expect(lines.join('\n')).toContain('LOCAL_STATIC_PRIVATE_KEY');
  },
  tap: async ({ reach }) => {
    const seen = new Set<string>();
    const tap = { onSent: () => seen.add('sent'), onReceived: () => seen.add('received') };
    await reach({ tap });
    expect(seen).toEqual(new Set(['sent', 'received']));
  },
  watch: async ({ reach }) => {
    const seen = new Set<string>();
    await reach({
      watch: { wants: (direction) => seen.add(direction) && false, onMessage: () => undefined },
    });
    expect(seen).toEqual(new Set(['sent', 'received']));
  },
  onEvent: async ({ reach, events }) => {
    await reach();
    expect(events).toMatchObject([{ type: 'connected' }]);
  },
  onFatal: async ({ start }) => {
    const bug = new Error('a bug of ours');
    await until(async (done) => {
      const client = await start({
        onFatal: (error) => error === bug && done(),
        onEvent: ({ type }) => {
          if (type === 'connected') throw bug;
        },
      });
      client.connect();
    });
  },
  congestion: async ({ reach }) => {
    for (const congestion of ['bbr', 'cubic'] as const) {
      const client = await reach({ congestion });
      expect(client.peer.view.connection?.congestion.name).toBe(congestion);
      await client.close();
    }
  },
  memoryPerPeerBytes: async ({ start }) => {
    // An endpoint refuses what does not even pay for the initial limits.
    const memoryPerPeerBytes = MIN_MEMORY_PER_PEER_BYTES - 1;
    await expect(start({ memoryPerPeerBytes })).rejects.toThrow('memory for at least the initial limits');
  },
};

describe('startClient', () => {
  it.each(Object.entries(EFFECTS))('obeys its option %s', async (_option, check) => check(await setUp()));

  it('ends whatever it has opened when a forward cannot be started', async () => {
    const { start, events } = await setUp();
    const portOf = ({ forwards }: Client) => forwards[0]?.addresses[0]?.port ?? 0;
    const taken = portOf(await start({ forwards: localForward(0) }));
    const free = await start({ forwards: localForward(0) });
    const port = portOf(free);
    await free.close();
    await expect(start({ forwards: [...localForward(port), ...localForward(taken)] })).rejects.toMatchObject({
      name: 'UnderpassError',
    });
    const [error] = (await once(connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException];
    expect([error.code, events]).toEqual(['ECONNREFUSED', []]);
  });
});

function localForward(port: number): readonly [LocalForward] {
  const target = { host: '127.0.0.1', port: 1 };
  const place = { bind: { kind: 'host', host: '127.0.0.1' }, port } as const;
  return [{ kind: 'local', text: `127.0.0.1:${port}:127.0.0.1:1`, place, target }];
}
