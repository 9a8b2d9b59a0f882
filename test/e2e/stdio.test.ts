/** `underpass client -W`: standard input and output as one connection. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PROGRAM } from './running-program.js';
import { body, closedPort, readAll, sha256, startEcho, startTarget } from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';
import { clientArguments, setUpRelay, startRelay } from './tunnel.js';

interface Running {
  readonly child: ChildProcess;
  /** Resolves at the end of standard output, which may come before the process ends. */
  readonly output: Promise<Buffer>;
  readonly ended: Promise<{ readonly code: unknown; readonly errors: string }>;
}

async function start(
  options: { readonly allow: readonly string[]; readonly relayPort?: number },
  ...more: readonly string[]
): Promise<Running> {
  const setup = setUpRelay(options.allow);
  const port = options.relayPort ?? (await startRelay(setup)).port;
  // Without --log-level, as ssh's ProxyCommand would run it.
  const flags = clientArguments(setup, port, []).filter((flag) => flag !== '--log-level' && flag !== 'debug');
  const child = spawn(process.execPath, [PROGRAM, ...flags, ...more]);
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdin.on('error', () => undefined);
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  return {
    child,
    output: readAll(child.stdout as unknown as Socket),
    ended: once(child, 'close').then(([code]) => ({ code, errors: Buffer.concat(errors).toString() })),
  };
}

describe('underpass client -W', () => {
  it('carries both directions and each end by itself, and prints nothing else', async () => {
    const up = body(1_000_000, 1);
    const down = body(1_000_000, 2);
    let arrived: Promise<Buffer> | undefined;
    const { port } = await startTarget((socket) => {
      arrived = readAll(socket);
      socket.end(down);
    });
    const { child, output, ended } = await start({ allow: [`127.0.0.1:${port}`] }, '-W', `127.0.0.1:${port}`);
    // The target's end comes first, and has to reach the reader while standard input is still open.
    expect(sha256(await output)).toBe(sha256(down));
    child.stdin?.end(up);
    expect(await ended).toEqual({ code: 0, errors: '' });
    expect(sha256((await arrived) ?? new Uint8Array())).toBe(sha256(up));
  });

  it('passes on the end of standard input while the answer is still to come', async () => {
    const { port } = await startTarget((socket) => {
      void readAll(socket).then((question) => socket.end(`${question} and an answer`));
    });
    const { child, output, ended } = await start({ allow: [`127.0.0.1:${port}`] }, '-W', `127.0.0.1:${port}`);
    child.stdin?.end('a question');
    expect(String(await output)).toBe('a question and an answer');
    expect(await ended).toEqual({ code: 0, errors: '' });
  });

  it('reads a file and writes a file', async () => {
    const directory = temporaryDirectory();
    const [from, to] = [path.join(directory, 'from'), path.join(directory, 'to')];
    const bytes = body(1_000_000, 4);
    writeFileSync(from, bytes);
    const { port } = await startEcho();
    const setup = setUpRelay([`127.0.0.1:${port}`]);
    const relay = await startRelay(setup);
    const flags = clientArguments(setup, relay.port, []);
    const files = [openSync(from, 'r'), openSync(to, 'w')];
    const child = spawn(process.execPath, [PROGRAM, ...flags, '-W', `127.0.0.1:${port}`], {
      stdio: [...files, 'ignore'],
    });
    for (const file of files) closeSync(file);
    onTestFinished(() => void child.kill('SIGKILL'));
    const [code] = (await once(child, 'close')) as [number];
    expect([code, sha256(readFileSync(to))]).toEqual([0, sha256(bytes)]);
  });

  it('ends with a code and one line when the target is refused (spec forwarding 1.4: "MUST exit with a code other than 0")', async () => {
    const { output, ended } = await start({ allow: [] }, '-W', '127.0.0.1:9');
    expect((await output).length).toBe(0);
    expect(await ended).toEqual({
      code: 1,
      errors:
        'underpass: the relay does not allow 127.0.0.1:9: its log names the missing rule, and underpass allow NAME RULE adds it there\n',
    });
  });

  it('ends with a code and one line when the target resets, and writes its bytes only (spec forwarding 1.4: "MUST NOT write anything to its standard output except")', async () => {
    const { port } = await startTarget((socket) => {
      socket.write('partial');
      socket.once('data', () => socket.resetAndDestroy());
    });
    const { child, output, ended } = await start({ allow: [`127.0.0.1:${port}`] }, '-W', `127.0.0.1:${port}`);
    child.stdout?.once('data', () => child.stdin?.write('now'));
    expect(String(await output)).toBe('partial');
    expect(await ended).toEqual({ code: 1, errors: `underpass: 127.0.0.1:${port} reset the connection\n` });
  });

  it('says why the relay was not reached', async () => {
    const { ended } = await start(
      { allow: [], relayPort: await closedPort() },
      ...['-W', 'example.com:22', '--connect-timeout', '4'],
    );
    const { code, errors } = await ended;
    expect(code).toBe(1);
    expect(errors).toMatch(
      /^underpass: example\.com:22 was not reached, because 127\.0\.0\.1 answers, but nothing listens on UDP \d+: start the relay[^\n]*\n$/,
    );
  });

  it('ends quietly when its reader has gone', async () => {
    const { port } = await startEcho();
    const { child, ended } = await start({ allow: [`127.0.0.1:${port}`] }, '-W', `127.0.0.1:${port}`);
    child.stdin?.write('x');
    child.stdout?.once('data', () => {
      child.stdout?.destroy();
      child.stdin?.write(body(100_000, 3));
    });
    expect(await ended).toEqual({ code: 0, errors: '' });
  });

  it('ends when a signal stops it', async () => {
    const { port } = await startEcho();
    const { child, ended } = await start({ allow: [`127.0.0.1:${port}`] }, '-W', `127.0.0.1:${port}`);
    child.stdin?.write('x');
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.kill('SIGTERM');
    expect(await ended).toEqual({ code: 0, errors: '' });
  });
});
