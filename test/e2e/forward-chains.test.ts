/** Forwards of every kind behind one another, and what becomes of a client one of whose forwards cannot start.
 *
 *  The cases are those of OpenSSH's regression tests for forwarding (`forwarding.sh`). Two of its cases have no
 *  counterpart: `ClearAllForwardings`, because no option takes a config's forwards away, and the failure of a remote
 *  forward, which does not end a client here: it asks again until the relay listens (spec reverse 2). The test of
 *  dynamic forwards (`dynamic-forward.sh`) is in ssh.test.ts. */
import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type RunningProgram, startUnderpass } from './running-program.js';
import { body, closedPort, connect, readAll, sha256, startConnecting, startTarget } from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';
import { clientArguments, type RelaySetup, setUpRelay, startRelay } from './tunnel.js';

const TEST_LIMIT_MS = 300_000;
/** For many listeners on a busy machine. */
const WAIT_MS = 120_000;
const UP = body(3_000_000, 1);
const DOWN = body(3_000_007, 2);

/** A target that checks what it gets, and answers after the end of it. */
async function startJudge(): Promise<number> {
  const { port } = await startTarget((socket) => {
    readAll(socket).then(
      (bytes) => socket.end(sha256(bytes) === sha256(UP) ? DOWN : 'something else arrived'),
      () => undefined,
    );
  });
  return port;
}

async function expectExchange(port: number): Promise<void> {
  const socket = await connect(port);
  socket.end(UP);
  expect(sha256(await readAll(socket))).toBe(sha256(DOWN));
}

async function startListeningRelay(
  more: readonly string[] = [],
): Promise<{ setup: RelaySetup; port: number }> {
  const setup = setUpRelay(['127.0.0.1:*', ...more.map((file) => `unix:${file}`)]);
  appendFileSync(
    setup.config,
    `allow_listen = ${JSON.stringify(['*', ...more.map((file) => `unix:${file}`)])}\n`,
  );
  const { port } = await startRelay(setup);
  return { setup, port };
}

function portsIn(program: RunningProgram, event: string): Promise<void> {
  return program.until(() => program.events.some((each) => each.event === event), event);
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await closedPort());
  return [...ports];
}

describe('a chain of forwards', { timeout: TEST_LIMIT_MS }, () => {
  it('of nine local and nine reverse ones, one behind the other, loses nothing', async () => {
    const target = await startJudge();
    const { setup, port } = await startListeningRelay();
    const ports = await freePorts(18);
    const flags: string[] = [];
    let last = target;
    for (let i = 0; i < ports.length; i += 2) {
      const [a = 0, b = 0] = ports.slice(i, i + 2);
      flags.push('-L', `${a}:127.0.0.1:${b}`, '-R', `${b}:127.0.0.1:${last}`);
      last = a;
    }
    const client = startUnderpass([...clientArguments(setup, port, []), ...flags]);
    await client.until(
      () => client.events.filter(({ event }) => event === 'reverse-listening').length === 9,
      'nine listeners at the relay',
      WAIT_MS,
    );
    await expectExchange(last);
    expect(client.events.filter(({ event }) => event === 'refused')).toEqual([]);
  });

  it('from a config loses nothing', async () => {
    const target = await startJudge();
    const { setup, port } = await startListeningRelay();
    const [local, reverse] = await freePorts(2);
    const file = path.join(setup.directory, 'client.toml');
    writeFileSync(
      file,
      `relay = "127.0.0.1:${port}"
relay_public_key = "${setup.relayKey.publicKey}"
private_key_file = "client.key"
local_forwards = ["${local}:127.0.0.1:${target}"]
reverse_forwards = ["${reverse}:127.0.0.1:${local}"]
`,
    );
    const client = startUnderpass(['client', '--config', file]);
    await portsIn(client, 'reverse-listening');
    await expectExchange(reverse ?? 0);
  });

  it('over three unix sockets loses nothing', async () => {
    const target = await startJudge();
    const directory = temporaryDirectory();
    const [first, second, third] = [1, 2, 3].map((i) => path.join(directory, `${i}.sock`));
    const { setup, port } = await startListeningRelay([second ?? '']);
    const [entrance] = await freePorts(1);
    const client = startUnderpass([
      ...clientArguments(setup, port, []),
      ...['-R', `${entrance}:${first}`, '-L', `${first}:${second}`],
      ...['-R', `${second}:${third}`, '-L', `${third}:127.0.0.1:${target}`],
    ]);
    await client.until(
      () => client.events.filter(({ event }) => event === 'reverse-listening').length === 2,
      'two listeners at the relay',
      WAIT_MS,
    );
    await expectExchange(entrance ?? 0);
  });
});

describe('a client one of whose forwards cannot start', { timeout: TEST_LIMIT_MS }, () => {
  it('ends with one line, and leaves no port open', async () => {
    const { setup, port } = await startListeningRelay();
    const taken = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void taken.close());
    await once(taken, 'listening');
    const address = taken.address();
    const used = typeof address === 'object' && address !== null ? address.port : 0;
    const [before = 0, after = 0] = await freePorts(2);
    const forwards = [before, used, after].map((local) => `127.0.0.1:${local}:127.0.0.1:1`);
    const client = startUnderpass(clientArguments(setup, port, forwards));
    expect((await client.ended()).code).toBe(1);
    expect(client.plainLines).toEqual([expect.stringContaining(`${used}`)]);
    for (const local of [before, after]) {
      await expect(once(startConnecting(local), 'connect')).rejects.toThrow('ECONNREFUSED');
    }
  });
});
