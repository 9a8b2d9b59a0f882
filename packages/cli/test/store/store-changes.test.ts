import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/cli-error.js';
import {
  addEnrolled,
  addInvite,
  noteConnected,
  removeStored,
  setRules,
  sweepStore,
} from '../../src/store/store-changes.js';
import { storeDirectoryOf } from '../../src/store/store-files.js';
import { loadStore, loadStoredPeer, type StoredPeer } from '../../src/store/stored-peer.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { invite, publicKey, rules, storeWithInvite } from './invites.js';

let directory = '';
beforeEach(() => {
  directory = storeWithInvite();
});

const keys = (seed: number) => ({
  publicKey: publicKey(seed),
  presharedKey: new Uint8Array(32).fill(seed),
});
const texts = (peer: StoredPeer | undefined) => peer?.allow.map(({ text }) => text);
const laptop = () => loadStoredPeer(directory, 'laptop') as StoredPeer;

/** The problems of a store that does not load, with the directory removed. */
function problems(): readonly string[] {
  try {
    loadStore(directory);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((line) => line.replaceAll(`${directory}/`, ''));
  }
  return [];
}

describe('a store', () => {
  it('is beside the config', () => {
    expect(storeDirectoryOf('/etc/underpass/relay.toml')).toBe('/etc/underpass/relay.d');
    expect(storeDirectoryOf('/etc/underpass/relay.conf')).toBe('/etc/underpass/relay.conf.d');
  });

  it('that does not exist is empty', () => {
    expect(loadStore(path.join(directory, 'none'))).toEqual([]);
  });

  it('gives back the invite that was added', () => {
    expect(loadStore(directory)).toEqual([
      {
        name: 'laptop',
        allow: rules('localhost:80'),
        invite: invite(),
        enrolled: undefined,
        hasConnected: false,
      },
    ]);
  });

  it('can be read by its owner alone', () => {
    addEnrolled(directory, 'laptop', keys(0x42));
    noteConnected(directory, 'laptop');
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(path.join(directory, 'laptop')).mode & 0o777).toBe(0o700);
    const files = readdirSync(path.join(directory, 'laptop'));
    expect(files).toHaveLength(5);
    for (const file of files) {
      expect(statSync(path.join(directory, 'laptop', file)).mode & 0o777).toBe(0o600);
    }
  });

  it('tells a watcher of each change', () => {
    const changed = path.join(directory, '.changed');
    const seen = [readFileSync(changed, 'utf8')];
    const note = () => seen.push(readFileSync(changed, 'utf8'));
    setRules(directory, laptop(), { allow: [] });
    note();
    removeStored(directory, 'laptop');
    note();
    expect(new Set(seen).size).toBe(3);
  });

  it('has no second invite of a name, and loses nothing by the attempt', () => {
    addEnrolled(directory, 'laptop', keys(0x42));
    expect(addInvite(directory, 'laptop', { allow: [] }, invite())).toBe(false);
    expect(laptop().enrolled).toEqual(keys(0x42));
    expect(readdirSync(directory).sort()).toEqual(['.changed', 'laptop']);
  });

  it('takes one client for each invite', () => {
    expect(addEnrolled(directory, 'laptop', keys(0x42))).toBe(true);
    expect(addEnrolled(directory, 'laptop', keys(0x43))).toBe(false);
    expect(laptop().enrolled).toEqual(keys(0x42));
    const keyFiles = readdirSync(path.join(directory, 'laptop')).filter((name) => /^enrolled-/.test(name));
    expect(keyFiles).toHaveLength(1);
  });

  it('takes nobody for an invite that was revoked', () => {
    const [before] = loadStore(directory);
    expect(removeStored(directory, 'laptop')).toBe(true);
    expect(removeStored(directory, 'laptop')).toBe(false);
    expect(addEnrolled(directory, 'laptop', keys(0x42))).toBe(false);
    expect(setRules(directory, before as StoredPeer, { allow: [] })).toBe(false);
    noteConnected(directory, 'laptop');
    expect(loadStore(directory)).toEqual([]);
    expect(readdirSync(directory)).toEqual(['.changed']);
  });

  it('keeps everything else when the rules change', () => {
    addEnrolled(directory, 'laptop', keys(0x42));
    noteConnected(directory, 'laptop');
    expect(setRules(directory, laptop(), { allow: rules('10.0.0.0/8:22', '*.example.org:*') })).toBe(true);
    expect(texts(laptop())).toEqual(['10.0.0.0/8:22', '*.example.org:*']);
    expect(laptop()).toMatchObject({ invite: invite(), enrolled: keys(0x42), hasConnected: true });
  });

  it('says why it cannot be written', () => {
    const file = path.join(directory, 'file');
    writeFileSync(file, '');
    const store = path.join(file, 'relay.d');
    expect(() => addInvite(store, 'x', { allow: [] }, invite())).toThrow(
      expect.objectContaining({
        message: `cannot write in ${store}: it is not a directory, or something above it is not`,
        hint: 'run the command as the user who runs the relay',
        cause: expect.objectContaining({ code: 'ENOTDIR' }),
      }),
    );
  });
});

describe('a store after a crash (spec enrolment 6: "MUST find a store that it can read")', () => {
  it('ignores what was never renamed', () => {
    mkdirSync(path.join(directory, '.new-000000000000'));
    mkdirSync(path.join(directory, '.removed-000000000000'));
    writeFileSync(path.join(directory, 'laptop', '.enrolled.toml.0123456789ab.tmp'), 'public');
    expect(loadStore(directory).map(({ name }) => name)).toEqual(['laptop']);
  });

  it('deletes leftovers that are more than an hour old, and nothing else', () => {
    const age = (name: string, seconds: number) => utimesSync(path.join(directory, name), seconds, seconds);
    const leftovers = ['.new-000000000000', '.new-111111111111', '.removed-000000000000', '.removed-1'];
    for (const name of leftovers) mkdirSync(path.join(directory, name, 'inside'), { recursive: true });
    for (const name of ['.changed', 'laptop', '.new-000000000000', '.removed-000000000000']) age(name, 999);
    for (const name of ['.new-111111111111', '.removed-1']) age(name, 1000);
    sweepStore(directory, 4_600_000);
    expect(readdirSync(directory).sort()).toEqual(['.changed', '.new-111111111111', '.removed-1', 'laptop']);
    sweepStore(path.join(directory, 'none'), 0);
  });

  it('takes a claimed name without contents for nothing', () => {
    writeFileSync(path.join(directory, 'laptop', 'enrolled.toml'), '');
    expect(laptop().enrolled).toBeUndefined();
    expect(addEnrolled(directory, 'laptop', keys(0x42))).toBe(true);
    expect(laptop().enrolled).toEqual(keys(0x42));
  });

  it('is the same after a key was written and nothing else', () => {
    writeFileSync(path.join(directory, 'laptop', 'enrolled-0123456789ab.psk'), 'x', { mode: 0o600 });
    expect(addEnrolled(directory, 'laptop', keys(0x42))).toBe(true);
    expect(laptop().enrolled).toEqual(keys(0x42));
  });
});

describe('a damaged store (spec enrolment 6: "MUST refuse to start, or to reload")', () => {
  it('is refused, with every problem and its place', () => {
    addInvite(directory, 'phone', { allow: [] }, invite());
    writeFileSync(path.join(directory, 'laptop', 'peer.toml'), 'allow = ["localhost"]\n');
    writeFileSync(path.join(directory, 'phone', 'enrolled.toml'), 'public_key = "x"\n');
    expect(problems()).toEqual([
      expect.stringContaining("laptop/peer.toml:1: allow: 'localhost' has no port"),
      'laptop/peer.toml:1: invite: found nothing, expected a table [invite]',
      'phone/enrolled.toml:1: public_key: found "x", expected a public key: 44 characters of base64, as underpass pubkey prints them',
      'phone/enrolled.toml:1: preshared_key_file: found nothing, expected the path of a key file (a string)',
    ]);
  });

  it('is refused for a file that is missing, or open to others', () => {
    rmSync(path.join(directory, 'laptop', 'peer.toml'));
    expect(problems()[0]).toContain(
      'laptop:1: found no peer.toml in it: restore that file, or remove the directory',
    );
    removeStored(directory, 'laptop');
    addInvite(directory, 'laptop', { allow: [] }, invite());
    chmodSync(path.join(directory, 'laptop', 'invite.psk'), 0o644);
    expect(problems()[0]).toContain('is open to other users (mode 0644)');
  });

  it('is refused for a directory that cannot be a peer', () => {
    renameSync(path.join(directory, 'laptop'), path.join(directory, 'my laptop'));
    expect(problems()[0]).toMatch(/^my laptop:1: not a peer's name: expected 1 to 64 letters/);
  });

  it('is not refused for a peer that is not there', () => {
    expect(loadStoredPeer(directory, 'phone')).toBeUndefined();
    expect(loadStoredPeer(temporaryDirectory(), 'laptop')).toBeUndefined();
  });
});
