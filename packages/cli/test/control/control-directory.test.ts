import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  controlDirectory,
  controlSockets,
  openControlDirectory,
  requirePrivate,
  requireShortEnough,
} from '../../src/control/control-directory.js';
import { MAX_CONTROL_SOCKETS, MAX_SOCKET_PATH_BYTES } from '../../src/control/control-limits.js';
import { currentUser } from '../../src/file-trust.js';
import { temporaryDirectory } from '../temporary-directory.js';

const user = currentUser();
const other = { uid: (user?.uid ?? 0) + 1, gid: (user?.gid ?? 0) + 1 };

function privateDirectory(): string {
  const directory = path.join(temporaryDirectory(), 'underpass');
  mkdirSync(directory, { mode: 0o700 });
  return directory;
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
    expect(() => openControlDirectory(environment)).toThrow(
      `the control directory ${file} is not a directory`,
    );
  });

  it('is refused if it belongs to another user', () => {
    expect(() => requirePrivate(privateDirectory(), other)).toThrow('belongs to another user');
  });

  it.each([0o750, 0o701, 0o770])('is refused with mode %o', (mode) => {
    const directory = privateDirectory();
    chmodSync(directory, mode);
    expect(() => requirePrivate(directory, user)).toThrow('is open to other users');
  });

  it('is refused if others can replace it', () => {
    const directory = privateDirectory();
    chmodSync(path.dirname(directory), 0o777);
    expect(() => requirePrivate(directory, user)).toThrow('can be changed by other users');
  });

  it('takes paths that the kernel takes, and says what to do about longer ones', () => {
    expect(() => requireShortEnough('/'.padEnd(MAX_SOCKET_PATH_BYTES, 'x'))).not.toThrow();
    expect(() => requireShortEnough('/'.padEnd(MAX_SOCKET_PATH_BYTES + 1, 'x'))).toThrow(
      `has ${MAX_SOCKET_PATH_BYTES + 1} bytes, and the system permits ${MAX_SOCKET_PATH_BYTES}`,
    );
    expect(() => requireShortEnough(`/${'é'.repeat(MAX_SOCKET_PATH_BYTES / 2)}`)).not.toThrow();
    expect(() => requireShortEnough(`/${'é'.repeat(MAX_SOCKET_PATH_BYTES / 2 + 1)}`)).toThrow('bytes');
  });
});

describe('the list of control sockets', () => {
  it('leaves out what is not a socket, and other names', async () => {
    const environment = { XDG_RUNTIME_DIR: temporaryDirectory(), XDG_STATE_HOME: '/does/not/exist' };
    const directory = openControlDirectory(environment);
    const server = createServer();
    onTestFinished(() => void server.close());
    const socket = path.join(directory, 'relay-0123456789ab.sock');
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    writeFileSync(path.join(directory, 'relay-000000000000.sock'), '');
    symlinkSync(socket, path.join(directory, 'client-000000000000.sock'));
    writeFileSync(path.join(directory, 'something'), '');
    expect(controlSockets(environment, user)).toEqual([socket]);
  });

  it('leaves out directories of other users', () => {
    const environment = { XDG_RUNTIME_DIR: temporaryDirectory(), XDG_STATE_HOME: '/does/not/exist' };
    openControlDirectory(environment);
    expect(controlSockets(environment, other)).toEqual([]);
  });

  it('has a limit', async () => {
    const environment = { XDG_RUNTIME_DIR: temporaryDirectory(), XDG_STATE_HOME: '/does/not/exist' };
    const directory = openControlDirectory(environment);
    for (let i = 0; i <= MAX_CONTROL_SOCKETS; i++) {
      const server = createServer();
      onTestFinished(() => void server.close());
      const name = `relay-${String(i).padStart(12, '0')}.sock`;
      await new Promise<void>((resolve) => server.listen(path.join(directory, name), resolve));
    }
    expect(controlSockets(environment, user)).toHaveLength(MAX_CONTROL_SOCKETS);
  });
});
