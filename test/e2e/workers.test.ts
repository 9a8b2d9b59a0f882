/** `underpass relay --workers N`: one port, several processes (spec session 3.3). */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createPortableSuite, shardOfKey } from '@underpass/protocol';
import { canShareSockets } from '@underpass/runtime';
import { canSearchMemory, copiesInMemory, keyToLookFor } from '@underpass/testkit/crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Machine, startRelay as startMachineRelay } from './machine.js';
import { type RunningProgram, runUnderpass, startUnderpass } from './running-program.js';
import {
  body,
  connect,
  howItEnds,
  readAll,
  readBytes,
  sha256,
  startConnecting,
  startEcho,
  startTarget,
} from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';
import { type KeyPair, newKey } from './tunnel.js';

const WORKERS = 2;
/** A client takes 15 s to notice that its relay has forgotten it. */
const TIMEOUT_MS = 150_000;
const suite = createPortableSuite();

interface Setup {
  readonly config: string;
  readonly relayKey: KeyPair;
  /** One client of each shard. */
  readonly clients: readonly [KeyPair, KeyPair];
}

function shardOf({ publicKey }: KeyPair): number {
  return shardOfKey(suite, Buffer.from(publicKey, 'base64'), WORKERS);
}

function setUp(allow: readonly string[]): Setup {
  const directory = temporaryDirectory();
  const clients: (KeyPair | undefined)[] = [];
  for (let i = 0; clients[0] === undefined || clients[1] === undefined; i++) {
    const key = newKey(directory, `client${i}`);
    clients[shardOf(key)] ??= key;
  }
  const setup = {
    config: path.join(directory, 'relay.toml'),
    relayKey: newKey(directory, 'relay'),
    clients: clients as [KeyPair, KeyPair],
  };
  writeConfig(setup, [allow, allow]);
  return setup;
}

/** @param allow  the rules of each client; undefined to leave it out */
function writeConfig(setup: Setup, allow: readonly (readonly string[] | undefined)[]): void {
  const peers = setup.clients.map(({ publicKey }, i) =>
    allow[i] === undefined
      ? ''
      : `[[peer]]\nname = "peer${i}"\npublic_key = "${publicKey}"\nallow = ${JSON.stringify(allow[i])}\n`,
  );
  const head = `listen = "127.0.0.1:0"\nprivate_key_file = "relay.key"\n`;
  writeFileSync(setup.config, [head, ...peers].join('\n'));
}

async function startRelay(setup: Setup, more: readonly string[] = []) {
  const program = startUnderpass(['relay', '--config', setup.config, '--workers', String(WORKERS), ...more]);
  const { port } = await program.event('listening');
  return { program, port: Number(port) };
}

async function startClient({ relayKey, clients }: Setup, which: 0 | 1, relayPort: number, target: string) {
  const program = startUnderpass([
    ...['client', '--relay', `127.0.0.1:${relayPort}`, '--relay-key', relayKey.publicKey],
    ...['--key', clients[which].file, '-L', `0:${target}`],
  ]);
  const { addresses } = await program.event('listening');
  return { program, port: (addresses as readonly { readonly port: number }[])[0]?.port ?? 0 };
}

/** The processes that the relay has started. */
function workersOf({ child }: RunningProgram): number[] {
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
  return children.trim().split(' ').map(Number);
}

describe.skipIf(!canShareSockets())('a relay with two workers', () => {
  it('serves peers of both shards, and shows them in one status', async () => {
    const bytes = body(1024 * 1024, 1);
    const { port } = await startTarget((socket) => void socket.end(bytes));
    const target = `127.0.0.1:${port}`;
    const setup = setUp([target]);
    const relay = await startRelay(setup);
    expect(workersOf(relay.program)).toHaveLength(WORKERS);
    for (const which of [0, 1] as const) {
      const client = await startClient(setup, which, relay.port, target);
      expect(sha256(await readAll(await connect(client.port)))).toBe(sha256(bytes));
    }
    const { relays } = JSON.parse((await runUnderpass(['status', '--json'])).stdout);
    expect(relays).toMatchObject([
      {
        pid: relay.program.child.pid,
        listen: `127.0.0.1:${relay.port}`,
        socket: 'native',
        peersConfigured: 2,
        peers: [
          { name: 'peer0', connected: true, streamBytesSent: expect.any(Number) },
          { name: 'peer1', connected: true, streamBytesSent: expect.any(Number) },
        ],
      },
    ]);
    for (const { streamBytesSent } of relays[0].peers) expect(streamBytesSent).toBeGreaterThan(bytes.length);
  });

  it('applies new rules to the peers of every worker, and disconnects the one that is gone', async () => {
    const echo = await startEcho();
    const target = `127.0.0.1:${echo.port}`;
    const setup = setUp([target]);
    const relay = await startRelay(setup);
    const clients = [
      await startClient(setup, 0, relay.port, target),
      await startClient(setup, 1, relay.port, target),
    ];
    for (const { port } of clients) {
      const socket = await connect(port);
      socket.write('hello');
      await readBytes(socket, 5);
    }
    writeConfig(setup, [undefined, []]);
    await relay.program.event('stream-forbidden');
    const gone = await relay.program.event('peer-disconnected');
    expect(gone).toMatchObject({ peer: 'peer0', reason: 'removed from the config' });
    expect(await howItEnds(await connect(clients[1]?.port ?? 0))).toBe('ECONNRESET');
  });

  it('loses only the peers of a worker that is killed, and starts it again', async () => {
    const echo = await startEcho();
    const target = `127.0.0.1:${echo.port}`;
    const setup = setUp([target]);
    const relay = await startRelay(setup);
    const clients = [
      await startClient(setup, 0, relay.port, target),
      await startClient(setup, 1, relay.port, target),
    ];
    const sockets = [];
    for (const { port } of clients) {
      const socket = await connect(port);
      socket.write('hello');
      await readBytes(socket, 5);
      sockets.push(socket);
    }
    process.kill(workersOf(relay.program)[0] as number, 'SIGKILL');
    const ended = await relay.program.event('worker-ended');
    expect(ended).toMatchObject({ signal: 'SIGKILL', peers: 1 });
    const lost = await relay.program.event('peer-disconnected');
    expect(lost).toMatchObject({ peer: `peer${ended.worker}`, lost: 1 });
    // The other worker's stream goes on.
    const survivor = sockets[1 - Number(ended.worker)];
    survivor?.write('world');
    expect(String(await readBytes(survivor as never, 5))).toBe('world');
    // The client of the one that was killed notices the silence, and connects to the new one.
    const since = relay.program.events.length;
    startConnecting(clients[Number(ended.worker)]?.port ?? 0).write('again');
    const isBack = () =>
      relay.program.events
        .slice(since)
        .some(({ event, peer }) => event === 'peer-connected' && peer === `peer${ended.worker}`);
    await relay.program.until(isBack, 'the peer of the worker that was killed', TIMEOUT_MS);
    expect(workersOf(relay.program)).toHaveLength(WORKERS);
  });

  it('keeps a transfer whole while the client comes from one address after another', async () => {
    const bytes = body(1024 * 1024, 1);
    const { port } = await startTarget((socket) => void socket.end(bytes));
    const target = `127.0.0.1:${port}`;
    const setup = setUp([target]);
    const relay = await startRelay(setup);
    const proxyPort = await startWanderingProxy(relay.port);
    const client = await startClient(setup, 1, proxyPort, target);
    const { events } = relay.program;
    while (events.filter(({ event }) => event === 'moved').length < 3) {
      expect(sha256(await readAll(await connect(client.port)))).toBe(sha256(bytes));
    }
    expect(events.filter(({ event }) => event === 'peer-connected')).toHaveLength(1);
    expect(events.some(({ event }) => event === 'peer-disconnected')).toBe(false);
  });

  it('lets a link be used once, whichever worker serves the invite and the new peer', async () => {
    const { relay, invite } = await startMachineRelay('--workers', String(WORKERS));
    const useTwice = async (name: string): Promise<void> => {
      const link = await invite(name, 'localhost:80');
      expect((await new Machine().run(['client', link])).code).toBe(0);
      const second = await new Machine().run(['client', link]);
      expect(second.code).toBe(1);
      expect(second.lines.join()).toContain('the link was used already');
      expect(await relay.event('invite-reused', ({ peer }) => peer === name)).toBeDefined();
    };
    await Promise.all(['one', 'two', 'three', 'four'].map(useTwice));
  }, 240_000);

  it.skipIf(!canSearchMemory)('holds a key once where it is needed, also after a reload', async () => {
    const setup = setUp([]);
    const presharedKey = newKey(path.dirname(setup.config), 'preshared').file;
    const config = readFileSync(setup.config, 'utf8');
    writeFileSync(
      setup.config,
      config.replace('name = "peer1"', 'name = "peer1"\npreshared_key_file = "preshared.key"'),
    );
    const { program } = await startRelay(setup);
    const processes = [program.child.pid as number, ...workersOf(program)];
    const copies = (file: string) => {
      const sought = keyToLookFor(Buffer.from(readFileSync(file, 'utf8'), 'base64'));
      return processes.map((pid) => copiesInMemory(sought, 32, pid));
    };
    const once = { privateKey: [1, 1, 1], presharedKey: [1, 0, 1] };
    const found = () => ({ privateKey: copies(setup.relayKey.file), presharedKey: copies(presharedKey) });
    expect(found()).toEqual(once);
    program.child.kill('SIGHUP');
    await program.event('reloaded');
    expect(found()).toEqual(once);
  });

  it('ends with its main process, however that ends', async () => {
    const setup = setUp([]);
    const relay = await startRelay(setup);
    const workers = workersOf(relay.program);
    process.kill(relay.program.child.pid as number, 'SIGKILL');
    await relay.program.ended();
    const isGone = (pid: number): boolean => {
      try {
        // A zombie, whose parent has not asked yet, has no command line.
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === '';
      } catch {
        return true;
      }
    };
    while (!workers.every(isGone)) await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await startRelay(setup, ['--listen', `127.0.0.1:${relay.port}`])).port).toBe(relay.port);
  });
});

/** Forwards datagrams between a client and the relay, from another port every 20 datagrams, so that the kernel would
 *  choose another worker if it looked at addresses. */
async function startWanderingProxy(relayPort: number): Promise<number> {
  const inside = createSocket('udp4');
  let client: RemoteInfo | undefined;
  const outside = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const socket = createSocket('udp4');
      socket.on('message', (datagram) => client && inside.send(datagram, client.port, client.address));
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      return socket;
    }),
  );
  let count = 0;
  inside.on('message', (datagram, from) => {
    client = from;
    outside[Math.floor(count++ / 20) % outside.length]?.send(datagram, relayPort, '127.0.0.1');
  });
  inside.bind(0, '127.0.0.1');
  await once(inside, 'listening');
  onTestFinished(() => {
    for (const socket of [inside, ...outside]) socket.close();
  });
  return inside.address().port;
}
