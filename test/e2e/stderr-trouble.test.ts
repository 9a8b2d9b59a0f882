/** A log that cannot be written does not affect the tunnel, or stopping it (docs/cli.md, 'Log'). */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { connect as netConnect } from 'node:net';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DEADLINE_MS } from './deadline.js';
import { PROGRAM, runUnderpass } from './running-program.js';
import { closedPort, connect, readAll, startEcho } from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';
import { clientArguments, setUpRelay, startClient, startRelay } from './tunnel.js';

/** More lines than one peer and event may log at once. */
const REFUSALS = 40;

/** Each opens a different stderr. */
const KINDS: readonly (readonly [string, () => number])[] = [
  ['a full disk', () => openSync('/dev/full', 'w')],
  ['a pipe whose reader stalls', stalledPipe],
  ['a pipe whose reader has gone away', abandonedPipe],
];

/** A full pipe that nobody reads. */
function stalledPipe(): number {
  const file = namedPipe();
  const descriptor = openSync(file, constants.O_RDWR | constants.O_NONBLOCK);
  const block = Buffer.alloc(4096, 'x');
  for (let i = 0; i < 1024; i++) {
    try {
      writeSync(descriptor, block);
    } catch {
      return descriptor;
    }
  }
  throw new Error('the pipe does not fill up');
}

function abandonedPipe(): number {
  const file = namedPipe();
  const reader = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(file, constants.O_WRONLY);
  closeSync(reader);
  return writer;
}

function namedPipe(): string {
  const file = path.join(temporaryDirectory(), 'pipe');
  execFileSync('mkfifo', [file]);
  return file;
}

/** Starts the program with `stderr` as its standard error. */
function startWithStderr(commandArguments: readonly string[], stderr: number) {
  const child = spawn(process.execPath, [PROGRAM, ...commandArguments], {
    stdio: ['ignore', 'ignore', stderr],
  });
  const exit = once(child, 'exit', { signal: AbortSignal.timeout(DEADLINE_MS) });
  exit.catch(() => undefined);
  onTestFinished(() => {
    child.kill('SIGKILL');
    closeSync(stderr);
  });
  return { child, exit };
}

async function refuseMany(localPort: number): Promise<void> {
  const ends = Array.from({ length: REFUSALS }, async () => {
    const socket = netConnect(localPort, '127.0.0.1');
    socket.on('error', () => undefined); // the reset may arrive before or after the connection is made
    await new Promise((resolve) => socket.on('close', resolve));
  });
  await Promise.all(ends);
}

async function expectEcho(localPort: number): Promise<void> {
  const socket = await connect(localPort);
  socket.end('on and on');
  expect(String(await readAll(socket))).toBe('on and on');
}

describe.each(KINDS)('with %s as stderr', (_kind, openStderr) => {
  it('a relay still refuses, forwards and stops', async () => {
    const echo = await startEcho();
    const setup = setUpRelay([`127.0.0.1:${echo.port}`]);
    const port = await closedPort();
    const { child, exit } = startWithStderr(
      ['relay', '--config', setup.config, '--listen', `127.0.0.1:${port}`],
      openStderr(),
    );
    const client = await startClient(setup, port, [`0:127.0.0.1:${echo.port}`, '0:127.0.0.1:1']);
    await refuseMany(client.ports[1] ?? 0);
    await expectEcho(client.ports[0] ?? 0);
    child.kill('SIGTERM');
    expect(await exit).toEqual([0, null]);
  });

  it('a client still forwards and stops', async () => {
    const echo = await startEcho();
    const setup = setUpRelay([`127.0.0.1:${echo.port}`]);
    const relay = await startRelay(setup);
    const [echoPort, refusedPort] = [await closedPort(), await closedPort()];
    const { child, exit } = startWithStderr(
      clientArguments(setup, relay.port, [
        `${echoPort}:127.0.0.1:${echo.port}`,
        `${refusedPort}:127.0.0.1:1`,
      ]),
      openStderr(),
    );
    await relay.program.event('peer-connected');
    await refuseMany(refusedPort);
    await expectEcho(echoPort);
    child.kill('SIGTERM');
    expect(await exit).toEqual([0, null]);
  });

  it('an error keeps its exit code', async () => {
    const { exit } = startWithStderr(['relay', '--config', '/nowhere/relay.toml'], openStderr());
    expect(await exit).toEqual([3, null]);
  });

  it.each([[[]], [['service']], [['clinet']]])('a usage error keeps its exit code: %j', async (words) => {
    const { exit } = startWithStderr(words, openStderr());
    expect(await exit).toEqual([2, null]);
  });
});

describe('stdout on a full disk', () => {
  it.each([['keygen'], ['--version'], ['client', '--help']])(
    'causes one line and code 1 for %s %s',
    async (...words) => {
      const full = openSync('/dev/full', 'w');
      onTestFinished(() => closeSync(full));
      const child = spawn(process.execPath, [PROGRAM, ...words.filter((word) => word !== undefined)], {
        stdio: ['ignore', full, 'pipe'],
      });
      let stderr = '';
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      const [code] = await once(child, 'close');
      expect([code, stderr]).toEqual([1, 'underpass: cannot write to standard output: no space left\n']);
    },
  );

  it('is written as far as the reader wants, and the rest is not a failure', async () => {
    const { code } = await runUnderpass(['--version']);
    expect(code).toBe(0);
    const script = `set -o pipefail; "${process.execPath}" "${PROGRAM}" keygen | true`;
    expect(execFileSync('bash', ['-c', script], { encoding: 'utf8' })).toBe('');
  });
});

describe('refusals at a high rate', () => {
  it('are logged as a few lines and one with the number of others', async () => {
    const setup = setUpRelay([]);
    const relay = await startRelay(setup);
    const client = await startClient(setup, relay.port, ['0:127.0.0.1:1']);
    await refuseMany(client.ports[0] ?? 0);
    for (const { program } of [client, relay]) {
      program.child.kill('SIGTERM');
      await program.ended();
      const refused = program.events.filter(({ event }) => event === 'refused');
      const suppressed = program.events.filter(({ event }) => event === 'suppressed');
      const counted = suppressed.reduce((sum, { lines }) => sum + Number(lines), 0);
      expect(refused.length).toBeLessThan(REFUSALS);
      expect(refused.length + counted).toBe(REFUSALS);
      expect(suppressed[0]).toMatchObject({ level: 'warn', of: 'refused' });
    }
  });
});
