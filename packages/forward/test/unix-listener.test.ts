import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnderpassError } from '@underpass/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import { listenUnix } from '../src/unix-listener.js';

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'unix-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

async function listenAt(path: string) {
  const sockets: Socket[] = [];
  const listener = await listenUnix(path, (socket) => sockets.push(socket));
  onTestFinished(() => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
  return { listener, sockets };
}

/** A socket whose program was killed. */
function leaveSocketBehind(path: string): void {
  const program = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', program, path]);
  expect(statSync(path).isSocket()).toBe(true);
}

async function errorOf(promise: Promise<unknown>): Promise<UnderpassError> {
  return promise.then(
    () => expect.unreachable(),
    (error: unknown) => {
      expect(error).toBeInstanceOf(UnderpassError);
      return error as UnderpassError;
    },
  );
}

describe('a listener on a unix socket', () => {
  it('is for this user only, whatever the umask says (spec forwarding 1.3: "user only, from the moment")', async () => {
    const previous = process.umask(0);
    onTestFinished(() => void process.umask(previous));
    const path = join(directory(), 'a.sock');
    await listenAt(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(process.umask()).toBe(0);
  });

  it('accepts connections with half-close, and removes its file when it closes', async () => {
    const path = join(directory(), 'a.sock');
    const { listener, sockets } = await listenAt(path);
    const program = connect({ path, allowHalfOpen: true });
    onTestFinished(() => void program.destroy());
    await once(program, 'connect');
    program.end('question');
    while (sockets[0] === undefined) await new Promise((resolve) => setImmediate(resolve));
    const [ours] = sockets as [Socket];
    ours.resume();
    await once(ours, 'end');
    ours.end('answer');
    expect(String((await once(program, 'data'))[0])).toBe('answer');
    listener.close();
    expect(existsSync(path)).toBe(false);
  });

  it('replaces a socket that a killed program left behind', async () => {
    const path = join(directory(), 'a.sock');
    leaveSocketBehind(path);
    await listenAt(path);
    const program = connect({ path });
    onTestFinished(() => void program.destroy());
    await once(program, 'connect');
  });

  it('leaves a socket alone on which a program listens', async () => {
    const path = join(directory(), 'a.sock');
    const other = createServer().listen(path);
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const error = await errorOf(listenUnix(path, () => undefined));
    expect([error.code, error.message]).toEqual([
      'address-in-use',
      `unix socket ${path} is in use by another program`,
    ]);
    expect(existsSync(path)).toBe(true);
  });

  it.each([
    ['a file', (path: string) => writeFileSync(path, 'precious')],
    ['a link', (path: string) => symlinkSync('/nowhere', path)],
  ])('leaves %s alone (spec forwarding 1.3: "MUST NOT remove anything else")', async (_name, create) => {
    const path = join(directory(), 'a.sock');
    create(path);
    const error = await errorOf(listenUnix(path, () => undefined));
    expect(error.message).toBe(`${path} exists and is not a socket`);
  });

  it('says what is wrong with the directory', async () => {
    const missing = await errorOf(listenUnix(join(directory(), 'none', 'a.sock'), () => undefined));
    expect(missing.message).toContain('its directory does not exist');
    if (process.getuid?.() === 0) return; // root may write everywhere
    const closed = directory();
    chmodSync(closed, 0o500);
    const denied = await errorOf(listenUnix(join(closed, 'a.sock'), () => undefined));
    expect(denied.code).toBe('permission-denied');
  });
});
