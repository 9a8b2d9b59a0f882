import { once } from 'node:events';
import fs, {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { connect, createServer, Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnderpassError } from '@underpass/runtime';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
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

/** Leaves a socket behind, as a program does that is killed. */
async function leaveSocketBehind(path: string): Promise<void> {
  const killed = createServer().listen(path);
  await once(killed, 'listening');
  renameSync(path, `${path}.left`); // so that it does not remove it
  await new Promise((resolve) => killed.close(resolve));
  renameSync(`${path}.left`, path);
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
    await leaveSocketBehind(path);
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
    expect(error).toMatchObject({
      code: 'address-in-use',
      message: `unix socket ${path} is in use by another program`,
      hint: 'choose another path, or stop that program',
      cause: { code: 'EADDRINUSE' },
    });
    expect(existsSync(path)).toBe(true);
  });

  it.each([
    ['a file', (path: string) => writeFileSync(path, 'precious')],
    ['a link', (path: string) => symlinkSync('/nowhere', path)],
  ])('leaves %s alone (spec forwarding 1.3: "MUST NOT remove anything else")', async (_name, create) => {
    const path = join(directory(), 'a.sock');
    create(path);
    const error = await errorOf(listenUnix(path, () => undefined));
    expect(error).toMatchObject({
      code: 'address-in-use',
      message: `${path} exists and is not a socket`,
      hint: 'choose another path, or remove it',
      cause: { code: 'EADDRINUSE' },
    });
    expect(lstatSync(path).isSocket()).toBe(false);
  });

  it('says what is wrong with the directory', async () => {
    const file = join(directory(), 'file');
    writeFileSync(file, '');
    for (const path of [join(directory(), 'none', 'a.sock'), join(file, 'a.sock')]) {
      expect(await errorOf(listenUnix(path, () => undefined))).toMatchObject({
        code: 'cannot-bind',
        message: `unix socket ${path} cannot be created: its directory does not exist`,
        hint: 'create the directory first',
        cause: { code: expect.stringMatching(/^(EACCES|ENOTDIR)$/) },
      });
    }
    if (process.getuid?.() === 0) return; // root may write everywhere
    const closed = directory();
    chmodSync(closed, 0o500);
    const denied = await errorOf(listenUnix(join(closed, 'a.sock'), () => undefined));
    expect(denied.code).toBe('permission-denied');
  });

  /** Has another program do something between two looks of the listener at the path. */
  function atLook(path: string, number: number, act: (look: () => Stats) => Stats): void {
    const { lstatSync } = fs;
    let looks = 0;
    vi.spyOn(fs, 'lstatSync').mockImplementation(((file: string, options: object) => {
      const look = () => lstatSync(file, options) as Stats;
      return file === path && ++looks === number ? act(look) : look();
    }) as never);
    syncBuiltinESMExports();
    onTestFinished(() => {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    });
  }

  it.each<[string, number, (path: string, look: () => Stats) => Stats]>([
    [
      'before it is looked at',
      1,
      (path, look) => {
        rmSync(path);
        return look();
      },
    ],
    [
      'before it is asked whether it answers',
      1,
      (path, look) => {
        const stats = look();
        rmSync(path);
        return stats;
      },
    ],
    [
      'before it is removed',
      2,
      (path, look) => {
        rmSync(path);
        return look();
      },
    ],
  ])('takes the place of a socket that goes %s', async (_when, number, act) => {
    const path = join(directory(), 'a.sock');
    await leaveSocketBehind(path);
    atLook(path, number, (look) => act(path, look));
    await listenAt(path);
    expect(statSync(path).isSocket()).toBe(true);
  });

  it.each(['ino', 'dev'] as const)(
    'leaves a socket alone that has just been replaced (another %s)',
    async (what) => {
      const path = join(directory(), 'a.sock');
      await leaveSocketBehind(path);
      atLook(path, 2, (look) => {
        const stats = look();
        return Object.assign(stats, { [what]: stats[what] + 1 });
      });
      const error = await errorOf(listenUnix(path, () => undefined));
      expect(error.code).toBe('address-in-use');
      expect(existsSync(path)).toBe(true);
    },
  );

  it.each(['EACCES', 'EPERM', 'EROFS'])('says that this user may not write there (%s)', async (code) => {
    const listen = vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server) {
      process.nextTick(() => this.emit('error', Object.assign(new Error(code), { code })));
      return this;
    } as never);
    onTestFinished(() => listen.mockRestore());
    const path = join(directory(), 'a.sock');
    expect(await errorOf(listenUnix(path, () => undefined))).toMatchObject({
      code: 'permission-denied',
      message: `unix socket ${path} cannot be created: this user may not write to its directory`,
      hint: 'choose another directory',
      cause: { code },
    });
    const missing = await errorOf(listenUnix(join(directory(), 'none', 'a.sock'), () => undefined));
    expect(missing.message).toContain(code === 'EACCES' ? 'does not exist' : 'may not write');
  });

  it('says which socket cannot be opened for another reason', async () => {
    const listen = vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server) {
      process.nextTick(() => this.emit('error', Object.assign(new Error(), { code: 'EMFILE' })));
      return this;
    } as never);
    onTestFinished(() => listen.mockRestore());
    const path = join(directory(), 'a.sock');
    expect(await errorOf(listenUnix(path, () => undefined))).toMatchObject({
      code: 'cannot-bind',
      message: `unix socket ${path} cannot be opened: too many files are open`,
    });
  });

  it('goes on when it cannot accept a connection for lack of descriptors', async () => {
    const listen = vi.spyOn(Server.prototype, 'listen');
    onTestFinished(() => listen.mockRestore());
    await listenAt(join(directory(), 'a.sock'));
    const [server] = listen.mock.contexts as [Server];
    expect(() => server.emit('error', Object.assign(new Error(), { code: 'EMFILE' }))).not.toThrow();
  });
});
