import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { quoteArgument, requireSecret, requireUnchangedByOthers } from '../src/file-trust.js';
import { temporaryDirectory } from './temporary-directory.js';

const isRoot = process.geteuid?.() === 0;

/** A file in a directory of its own, and the result of the check on it. */
function setUp() {
  const directory = path.join(temporaryDirectory(), 'underpass');
  mkdirSync(directory, { mode: 0o755 });
  const file = path.join(directory, 'relay.toml');
  writeFileSync(file, '', { mode: 0o644 });
  const check = (user?: { uid: number; gid: number }) => () =>
    requireUnchangedByOthers(file, statSync(file), 'the config file', user);
  return { directory, file, check };
}

describe('a file that grants access', () => {
  it('may be readable by everybody', () => {
    expect(setUp().check()).not.toThrow();
  });

  it('is refused when others can write it', () => {
    const { file, check } = setUp();
    chmodSync(file, 0o646);
    expect(check()).toThrow(`the config file ${file} can be changed by other users (mode 0646)`);
  });

  it('is refused when others can replace it', () => {
    const { directory, check } = setUp();
    chmodSync(directory, 0o777);
    expect(check()).toThrow(`the directory of the config file ${directory} can be changed by other users`);
    chmodSync(directory, 0o1777);
    expect(check()).not.toThrow();
  });

  it('is refused when others can replace a directory above it', () => {
    const { directory, check } = setUp();
    chmodSync(path.dirname(directory), 0o757);
    expect(check()).toThrow('can be changed by other users');
  });

  it('is refused for a directory above it when its path is relative, too', () => {
    const { directory } = setUp();
    chmodSync(path.dirname(directory), 0o757);
    const before = process.cwd();
    process.chdir(directory);
    onTestFinished(() => process.chdir(before));
    const check = () => requireUnchangedByOthers('relay.toml', statSync('relay.toml'), 'the config file');
    expect(check).toThrow('can be changed by other users');
  });

  it.runIf(isRoot)('is refused when it or its directory belongs to another user', () => {
    const { directory, file, check } = setUp();
    chownSync(file, 4711, 4711);
    expect(check()).toThrow(
      expect.objectContaining({
        message: `the config file ${file} belongs to another user (uid 4711), who could change what it grants`,
        hint: `run as its owner, or: chown 0 ${file}`,
      }),
    );
    chownSync(file, 0, 0);
    chownSync(directory, 4711, 4711);
    expect(check()).toThrow(`the directory of the config file ${directory} belongs to another user`);
  });

  it.runIf(isRoot)("may be written by the user's own group and belong to root", () => {
    const { file, check } = setUp();
    const user = { uid: 4711, gid: 4711 };
    expect(check(user)).not.toThrow();
    chownSync(file, 4711, 4711);
    chmodSync(file, 0o664);
    expect(check(user)).not.toThrow();
    chownSync(file, 4711, 100);
    expect(check(user)).toThrow('can be changed by other users');
    expect(check({ uid: 4711, gid: 100 })).toThrow('can be changed by other users');
  });
});

describe('the directories above a file', () => {
  it('are checked up to the home directory: those above belong to the system', () => {
    const { directory, check } = setUp();
    const above = path.dirname(directory);
    chmodSync(above, 0o777);
    expect(check()).toThrow('can be changed by other users');
    vi.stubEnv('HOME', directory);
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(check()).not.toThrow();
    chmodSync(directory, 0o777);
    expect(check()).toThrow('can be changed by other users');
  });
});

it('nothing is refused where users have no numbers, as on Windows', () => {
  const { file, check } = setUp();
  chmodSync(file, 0o666);
  const secret = () => requireSecret(file, statSync(file), 'the key file');
  expect(check()).toThrow();
  expect(secret).toThrow();
  const { geteuid } = process;
  Object.assign(process, { geteuid: undefined });
  onTestFinished(() => void Object.assign(process, { geteuid }));
  expect(check()).not.toThrow();
  expect(secret).not.toThrow();
});

describe('a file with a secret', () => {
  it.runIf(isRoot)('is refused unless the user owns it', () => {
    const { file } = setUp();
    chmodSync(file, 0o600);
    const stats = statSync(file);
    expect(() => requireSecret(file, stats, 'the key file', { uid: 0, gid: 0 })).not.toThrow();
    expect(() => requireSecret(file, stats, 'the key file', { uid: 1, gid: 0 })).toThrow(
      expect.objectContaining({
        message: `the key file ${file} belongs to another user (uid 0, this program runs as 1)`,
        hint: `run as its owner, or: chown 1 ${file}`,
      }),
    );
  });
});

describe('a path in a message', () => {
  it('is quoted for the shell only if necessary', () => {
    expect(quoteArgument('/etc/a-b_c.key')).toBe('/etc/a-b_c.key');
    expect(quoteArgument("it's here")).toBe("'it'\\''s here'");
  });
});

describe.skipIf(process.platform === 'win32')('a secret that systemd hands to a service', () => {
  const service = { uid: 61_234, gid: 61_234 };

  function credential(mode: number) {
    const directory = temporaryDirectory();
    const file = path.join(directory, 'client.key');
    writeFileSync(file, '');
    chmodSync(file, mode);
    vi.stubEnv('CREDENTIALS_DIRECTORY', directory);
    onTestFinished(() => void vi.unstubAllEnvs());
    return { file, check: () => requireSecret(file, statSync(file), 'the key file', service) };
  }

  it.runIf(isRoot)("may belong to root, with an access list for the service's user", () => {
    expect(credential(0o440).check).not.toThrow();
  });

  it.runIf(isRoot)("may belong to the service's user, and to no other", () => {
    const { file, check } = credential(0o400);
    chownSync(file, service.uid, service.gid);
    expect(check).not.toThrow();
    chownSync(file, service.uid + 1, service.gid);
    expect(check).toThrow('belongs to another user');
  });

  it('is refused if others can read it, or the group can change it', () => {
    for (const mode of [0o444, 0o460]) expect(credential(mode).check).toThrow();
  });

  it('is refused outside the directory of the credentials', () => {
    const { check } = credential(0o440);
    vi.stubEnv('CREDENTIALS_DIRECTORY', '/run/credentials/another.service');
    expect(check).toThrow();
  });
});
