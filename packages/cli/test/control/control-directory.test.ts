import fs, { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  controlDirectory,
  controlSockets,
  openControlDirectory,
  requirePrivate,
  requireShortEnough,
} from '../../src/control/control-directory.js';
import { MAX_CONTROL_SOCKETS, MAX_SOCKET_PATH_BYTES } from '../../src/control/control-limits.js';
import { ExitCode } from '../../src/exit-code.js';
import { currentUser } from '../../src/file-trust.js';
import { temporaryDirectory } from '../temporary-directory.js';

const user = currentUser();
const isRoot = user?.uid === 0;
const other = { uid: (user?.uid ?? 0) + 1, gid: (user?.gid ?? 0) + 1 };

function privateDirectory(): string {
  const directory = path.join(temporaryDirectory(), 'underpass');
  mkdirSync(directory, { mode: 0o700 });
  return directory;
}

function expectRefusal(act: () => unknown, message: string, hint: string): void {
  expect(act).toThrow(expect.objectContaining({ message, hint, exitCode: ExitCode.failure }));
}

/** Opens a socket that lives as long as the test. */
async function socketAt(file: string): Promise<string> {
  const server = createServer();
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(file, resolve));
  return file;
}

/** A directory that is `/run` for what asks the file system during this test. */
function playRun(): string {
  const run = temporaryDirectory();
  const place = (file: unknown) => String(file).replace(/^\/run(?=\/|$)/, run);
  const { lstatSync, readdirSync } = fs;
  vi.spyOn(fs, 'lstatSync').mockImplementation(((file: string) => lstatSync(place(file))) as never);
  vi.spyOn(fs, 'readdirSync').mockImplementation(((file: string) => readdirSync(place(file))) as never);
  syncBuiltinESMExports();
  onTestFinished(() => {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
  });
  return run;
}

describe('the control directory', () => {
  it("is the service's, else the session's, else in the state directory", () => {
    const service = temporaryDirectory();
    const session = temporaryDirectory();
    const environment = { RUNTIME_DIRECTORY: service, XDG_RUNTIME_DIR: session, XDG_STATE_HOME: '/state' };
    expect(controlDirectory(environment)).toBe(service);
    const { RUNTIME_DIRECTORY: _, ...inSession } = environment;
    expect(controlDirectory(inSession)).toBe(path.join(session, 'underpass'));
    expect(controlDirectory({ ...inSession, XDG_RUNTIME_DIR: '/does/not/exist' })).toBe('/state/underpass');
    expect(controlDirectory({ ...inSession, XDG_RUNTIME_DIR: 'relative' })).toBe('/state/underpass');
    const here = path.relative(process.cwd(), session);
    expect(controlDirectory({ ...inSession, XDG_RUNTIME_DIR: here })).toBe('/state/underpass');
  });

  it('is told by the environment of this process', async () => {
    const session = temporaryDirectory();
    vi.stubEnv('RUNTIME_DIRECTORY', undefined);
    vi.stubEnv('XDG_RUNTIME_DIR', session);
    vi.stubEnv('XDG_STATE_HOME', session);
    onTestFinished(() => void vi.unstubAllEnvs());
    const directory = path.join(session, 'underpass');
    expect([controlDirectory(), openControlDirectory()]).toEqual([directory, directory]);
    const socket = await socketAt(path.join(directory, 'relay-0123456789ab.sock'));
    expect(controlSockets()).toContain(socket);
  });

  it('is created for its owner alone', () => {
    const environment = { XDG_RUNTIME_DIR: temporaryDirectory() };
    const directory = openControlDirectory(environment);
    expect(directory).toBe(path.join(environment.XDG_RUNTIME_DIR, 'underpass'));
    expect(() => requirePrivate(directory, user)).not.toThrow();
  });

  it('is refused if it is a link, even to a directory of ours', () => {
    const real = privateDirectory();
    const link = path.join(temporaryDirectory(), 'underpass');
    symlinkSync(real, link);
    expect(() => requirePrivate(link, user)).toThrow(`${link} is not a directory`);
  });

  it('is refused if it is a file', () => {
    const environment = { XDG_RUNTIME_DIR: temporaryDirectory() };
    const file = path.join(environment.XDG_RUNTIME_DIR, 'underpass');
    writeFileSync(file, '');
    expectRefusal(
      () => openControlDirectory(environment),
      `the control directory ${file} is not a directory`,
      `remove ${file}`,
    );
  });

  it('is refused if it belongs to another user', () => {
    const directory = privateDirectory();
    expectRefusal(
      () => requirePrivate(directory, other),
      `the control directory ${directory} belongs to another user (uid ${user?.uid}, this program runs as ${other.uid})`,
      'set XDG_RUNTIME_DIR to a directory of yours',
    );
  });

  it('is checked when it exists already', () => {
    const environment = { XDG_RUNTIME_DIR: temporaryDirectory() };
    const directory = openControlDirectory(environment);
    expect(openControlDirectory(environment)).toBe(directory);
    expect(() => openControlDirectory(environment, other)).toThrow('belongs to another user');
  });

  it.each([
    [0o750, '0750'],
    [0o701, '0701'],
    [0o720, '0720'],
    [0o1704, '1704'],
  ])('is refused with mode %o', (mode, text) => {
    const directory = privateDirectory();
    chmodSync(directory, mode);
    expectRefusal(
      () => requirePrivate(directory, user),
      `the control directory ${directory} is open to other users (mode ${text})`,
      `run: chmod 700 ${directory}`,
    );
  });

  it('may have any owner and mode where users have no numbers, as on Windows', () => {
    const directory = privateDirectory();
    chmodSync(directory, 0o777);
    expect(() => requirePrivate(directory, undefined)).not.toThrow();
  });

  it('says why it cannot be created', () => {
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    expectRefusal(
      () => openControlDirectory({ XDG_STATE_HOME: file }),
      `cannot create the control directory ${file}/underpass: it is not a directory, or something above it is not`,
      'set XDG_RUNTIME_DIR to a directory of yours',
    );
  });

  it('of the state is in the home directory unless XDG_STATE_HOME is a path from the root', () => {
    const inHome = path.join(homedir(), '.local', 'state', 'underpass');
    expect(controlDirectory({})).toBe(inHome);
    expect(controlDirectory({ XDG_STATE_HOME: 'relative' })).toBe(inHome);
  });

  it('of a service is the first of its directories, without links', () => {
    const service = temporaryDirectory();
    const link = path.join(temporaryDirectory(), 'link');
    symlinkSync(service, link);
    expect(controlDirectory({ RUNTIME_DIRECTORY: `${link}:/elsewhere` })).toBe(service);
    expect(controlDirectory({ XDG_RUNTIME_DIR: link })).toBe(path.join(service, 'underpass'));
    const session = { XDG_RUNTIME_DIR: service };
    expect(controlDirectory({ ...session, RUNTIME_DIRECTORY: '/does/not/exist' })).toBe(
      path.join(service, 'underpass'),
    );
  });

  it('is refused if others can replace it', () => {
    const directory = privateDirectory();
    chmodSync(path.dirname(directory), 0o777);
    expect(() => requirePrivate(directory, user)).toThrow('can be changed by other users');
  });

  it('takes paths that the kernel takes, and says what to do about longer ones', () => {
    expect(() => requireShortEnough('/'.padEnd(MAX_SOCKET_PATH_BYTES, 'x'))).not.toThrow();
    const long = '/'.padEnd(MAX_SOCKET_PATH_BYTES + 1, 'x');
    expectRefusal(
      () => requireShortEnough(long),
      `the path of the control socket ${long} has ${MAX_SOCKET_PATH_BYTES + 1} bytes, and the system permits ${MAX_SOCKET_PATH_BYTES}`,
      'set XDG_RUNTIME_DIR to a directory with a shorter path',
    );
    expect(() => requireShortEnough(`/${'é'.repeat(MAX_SOCKET_PATH_BYTES / 2)}`)).not.toThrow();
    expect(() => requireShortEnough(`/${'é'.repeat(MAX_SOCKET_PATH_BYTES / 2 + 1)}`)).toThrow('bytes');
  });
});

describe('the list of control sockets', () => {
  const aSession = () => ({ XDG_RUNTIME_DIR: temporaryDirectory(), XDG_STATE_HOME: '/does/not/exist' });

  it('leaves out what is not a socket, and other names', async () => {
    const environment = aSession();
    const directory = openControlDirectory(environment);
    const socket = await socketAt(path.join(directory, 'relay-0123456789ab.sock'));
    await socketAt(path.join(directory, 'relay-0123456789ab.socket'));
    writeFileSync(path.join(directory, 'relay-000000000000.sock'), '');
    symlinkSync(socket, path.join(directory, 'client-000000000000.sock'));
    writeFileSync(path.join(directory, 'something'), '');
    expect(controlSockets(environment, user)).toEqual([socket]);
  });

  it('leaves out directories of other users, except for root and where users have no numbers', async () => {
    const environment = aSession();
    const socket = await socketAt(path.join(openControlDirectory(environment), 'relay-0123456789ab.sock'));
    expect(controlSockets(environment, other)).toEqual([]);
    expect(controlSockets(environment, { uid: 0, gid: 0 })).toEqual([socket]);
    expect(controlSockets(environment, undefined)).toEqual([socket]);
    if (isRoot) chownSync(path.dirname(socket), other.uid, other.gid);
    expect(controlSockets(environment, isRoot ? { uid: 0, gid: 0 } : user)).toEqual([socket]);
  });

  it('leaves out a directory that is a link', async () => {
    const environment = aSession();
    const real = privateDirectory();
    await socketAt(path.join(real, 'relay-0123456789ab.sock'));
    symlinkSync(real, path.join(environment.XDG_RUNTIME_DIR, 'underpass'));
    expect(controlSockets(environment, user)).toEqual([]);
  });

  it('is of the directory for new sockets and of that in the state directory, each in order of names', async () => {
    const environment = { XDG_RUNTIME_DIR: temporaryDirectory(), XDG_STATE_HOME: temporaryDirectory() };
    const inState = path.join(environment.XDG_STATE_HOME, 'underpass');
    mkdirSync(inState, { mode: 0o700 });
    const inSession = openControlDirectory(environment);
    const sockets = [
      path.join(inSession, 'client-ffffffffffff.sock'),
      path.join(inSession, 'relay-0123456789ab.sock'),
      path.join(inSession, 'relay-ffffffffffff.sock'),
      path.join(inState, 'client-000000000000.sock'),
    ];
    for (const socket of sockets.toReversed()) await socketAt(socket);
    expect(controlSockets(environment, user)).toEqual(sockets);
    const { XDG_STATE_HOME } = environment;
    expect(controlSockets({ XDG_STATE_HOME, XDG_RUNTIME_DIR: '/does/not/exist' }, user)).toEqual(
      sockets.slice(3), // once, although it stands for both
    );
  });

  it.runIf(process.platform === 'linux')(
    'is also of services, and of the login session of a program that is not told where that is',
    async () => {
      const run = playRun();
      for (const name of ['underpass', 'underpass-client-vps', 'underpass-client-', 'underpassed', 'other'])
        mkdirSync(path.join(run, name));
      const session = `user/${user?.uid}/underpass`;
      mkdirSync(path.join(run, session), { recursive: true });
      for (const place of ['underpass', 'underpass-client-vps', 'underpass-client-', 'underpassed', session])
        await socketAt(path.join(run, place, 'client-0123456789ab.sock'));
      const socketsOf = (environment: object) =>
        controlSockets({ XDG_STATE_HOME: '/does/not/exist', ...environment }, user);
      const ofServices = ['underpass-client-vps', 'underpass'].map(
        (place) => `/run/${place}/client-0123456789ab.sock`,
      );
      expect(socketsOf({ XDG_RUNTIME_DIR: '/does/not/exist' }).toSorted()).toEqual(ofServices);
      expect(socketsOf({}).toSorted()).toEqual([...ofServices, `/run/${session}/client-0123456789ab.sock`]);
      rmSync(run, { recursive: true });
      expect(socketsOf({})).toEqual([]);
    },
  );

  it('has a limit', async () => {
    const environment = aSession();
    const directory = openControlDirectory(environment);
    for (let i = 0; i <= MAX_CONTROL_SOCKETS; i++)
      await socketAt(path.join(directory, `relay-${String(i).padStart(12, '0')}.sock`));
    const sockets = controlSockets(environment, user);
    expect(sockets).toHaveLength(MAX_CONTROL_SOCKETS);
    expect(path.basename(sockets[0] ?? '')).toBe('relay-000000000000.sock');
  });
});
