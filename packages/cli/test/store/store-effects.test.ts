/** Checks what a change of the store does besides the change: what it says when the system fails, what it leaves behind,
 *  when it reaches the disk, and which keys stay in memory. The tests fail and record calls, because nothing else can make
 *  or see these moments. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseListenRule, parseMaxRate } from '@underpass/forward';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CliError, ConfigError } from '../../src/cli-error.js';
import { peerRulesOf } from '../../src/config/peer-rules.js';
import { enrolInStore } from '../../src/store/enrol-in-store.js';
import {
  addEnrolled,
  addInvite,
  noteConnected,
  removeStored,
  setRules,
} from '../../src/store/store-changes.js';
import { loadStore, loadStoredPeer, type StoredPeer } from '../../src/store/stored-peer.js';
import { invite, NOW, publicKey, rules, storeWithInvite } from './invites.js';

const stage = vi.hoisted(() => ({
  /** The code with which the next naming of a file or directory fails. */
  fails: '',
  calls: [] as string[],
  /** Every preshared key that was read or drawn. */
  held: [] as Uint8Array[],
  /** Runs once before the next file is written: another process that is faster. */
  meanwhile: undefined as (() => void) | undefined,
  /** Runs once before the next key file is read. */
  beforeKey: undefined as (() => void) | undefined,
}));

vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const renameSync = (from: string, to: string): void => {
    const { fails } = stage;
    stage.fails = '';
    if (fails !== '') throw Object.assign(new Error(fails), { code: fails });
    stage.calls.push('rename');
    fs.renameSync(from, to);
  };
  const remove: typeof fs.rmSync = (file, options) => {
    stage.calls.push('remove');
    fs.rmSync(file, options);
  };
  return { ...fs, renameSync, rmSync: remove };
});
vi.mock('../../src/write-file.js', async (importOriginal) => {
  const module = await importOriginal<typeof import('../../src/write-file.js')>();
  const writeFileWhole: typeof module.writeFileWhole = (...parameters) => {
    const { meanwhile, fails } = stage;
    stage.meanwhile = undefined;
    const { length } = stage.held;
    meanwhile?.();
    stage.held.length = length; // the other process wipes its own
    if (fails !== '' && !parameters[0].endsWith('.psk')) {
      stage.fails = '';
      throw Object.assign(new Error(fails), { code: fails });
    }
    module.writeFileWhole(...parameters);
  };
  const syncDirectory: typeof module.syncDirectory = (directory) => {
    stage.calls.push('sync');
    module.syncDirectory(directory);
  };
  return { ...module, writeFileWhole, syncDirectory };
});
vi.mock('../../src/key-file.js', async (importOriginal) => {
  const module = await importOriginal<typeof import('../../src/key-file.js')>();
  const readKeyFile: typeof module.readKeyFile = (...parameters) => {
    const { beforeKey } = stage;
    stage.beforeKey = undefined;
    beforeKey?.();
    const key = module.readKeyFile(...parameters);
    stage.held.push(key);
    return key;
  };
  return { ...module, readKeyFile };
});
vi.mock('node:crypto', async (importOriginal) => {
  const crypto = await importOriginal<typeof import('node:crypto')>();
  const randomBytes = (count: number): Uint8Array => {
    const bytes = crypto.randomBytes(count);
    if (count === 32) stage.held.push(bytes);
    return bytes;
  };
  return { ...crypto, randomBytes };
});

let directory = '';
const keys = (seed: number) => ({ publicKey: publicKey(seed), presharedKey: new Uint8Array(32).fill(seed) });
const laptop = () => loadStoredPeer(directory, 'laptop') as StoredPeer;
function parsed<T extends object>(result: T | { readonly reason: string }): T {
  if ('reason' in result) throw new Error(String(result.reason));
  return result as T;
}
/** The contents of the store. `.changed` among them means that a watcher would look again. */
const contents = () => readdirSync(directory, { recursive: true }).sort();

beforeEach(() => {
  Object.assign(stage, { fails: '', meanwhile: undefined, beforeKey: undefined });
  directory = storeWithInvite();
  stage.calls.length = 0;
  stage.held.length = 0;
});

describe('a change of a store', () => {
  const CHANGES: readonly [string, () => unknown][] = [
    ['a new invite', () => addInvite(directory, 'phone', { allow: [] }, invite())],
    ['new rules', () => setRules(directory, laptop(), { allow: [] })],
    ['a removal', () => removeStored(directory, 'laptop')],
    ['an enrolment', () => addEnrolled(directory, 'laptop', keys(0x42))],
  ];

  it.each(CHANGES)('fails loudly when the disk is full, and leaves nothing: %s', (_what, make) => {
    rmSync(path.join(directory, '.changed'));
    const before = contents();
    stage.fails = 'ENOSPC';
    expect(make).toThrow(/ENOSPC|cannot write in .*: no space left/);
    expect(contents()).toEqual(before);
  });

  it.each(CHANGES.slice(1))('that comes too late changes nothing and wakes no watcher: %s', (_what, make) => {
    rmSync(path.join(directory, '.changed'));
    for (const code of ['ENOENT', 'ENOTDIR']) {
      stage.fails = code;
      expect(make()).toBe(false);
      expect(contents()).toEqual(['laptop', 'laptop/invite.psk', 'laptop/peer.toml']);
    }
  });

  it('that finds the name of its invite taken wakes no watcher', () => {
    rmSync(path.join(directory, '.changed'));
    expect(addInvite(directory, 'laptop', { allow: [] }, invite())).toBe(false);
    expect(contents()).toEqual(['laptop', 'laptop/invite.psk', 'laptop/peer.toml']);
  });

  it('says which key file it cannot write', () => {
    stage.meanwhile = () => {
      throw Object.assign(new Error(), { code: 'ENOSPC' });
    };
    expect(() => addInvite(directory, 'phone', { allow: [] }, invite())).toThrow(
      /^cannot write the key file .*: no space left$/,
    );
  });

  it('revokes on the disk before it deletes anything', () => {
    removeStored(directory, 'laptop');
    expect(stage.calls.slice(0, 3)).toEqual(['rename', 'sync', 'remove']);
  });

  it('remembers no connection of a peer that has not enrolled, and says when it cannot remember one', () => {
    noteConnected(directory, 'laptop');
    expect(laptop().hasConnected).toBe(false);
    addEnrolled(directory, 'laptop', keys(0x42));
    for (const [code, throws] of [
      ['EEXIST', false],
      ['ENOENT', false],
      ['ENOSPC', true],
    ] as const) {
      stage.fails = code;
      const note = () => noteConnected(directory, 'laptop');
      if (throws) expect(note).toThrow(code);
      else note();
    }
  });
});

describe('an enrolment', () => {
  const FIRST = publicKey(0x43);
  const enrol = () => enrolInStore(directory, 'laptop', publicKey(0x42), NOW);

  it.each<[string, string, () => void]>([
    ['is the first', 'opened', () => undefined],
    [
      'asks again',
      'opened',
      () => addEnrolled(directory, 'laptop', { ...keys(0x42), presharedKey: new Uint8Array(32).fill(8) }),
    ],
    ['finds that another was first', 'invite-used', () => addEnrolled(directory, 'laptop', keys(0x43))],
    [
      'loses to another process at the last moment',
      'invite-used',
      () => {
        stage.meanwhile = () => enrolInStore(directory, 'laptop', FIRST, NOW);
      },
    ],
    [
      'finds its invite revoked at the last moment',
      'not-allowed',
      () => {
        stage.meanwhile = () => removeStored(directory, 'laptop');
      },
    ],
    [
      'comes too late',
      'invite-expired',
      () => setRules(directory, { ...laptop(), invite: invite(NOW) }, { allow: [] }),
    ],
  ])('that %s leaves no key in memory but the one of its answer: %s', (_what, status, before) => {
    before();
    stage.held.length = 0;
    const outcome = enrol();
    expect(outcome.status).toBe(status);
    const hex = (key: Uint8Array) => Buffer.from(key).toString('hex');
    const answer = outcome.status === 'opened' ? hex(outcome.peer.presharedKey) : '';
    const wiped = '00'.repeat(32);
    expect(answer).not.toBe(wiped);
    expect(stage.held.map(hex).filter((key) => key !== wiped && key !== answer)).toEqual([]);
    expect(stage.held.length).toBeGreaterThan(0);
  });

  it('has all the rules that the invite has', () => {
    const given = peerRulesOf({
      allow: rules('10.0.0.1:22'),
      allow_listen: [parsed(parseListenRule('8080'))],
      max_rate: parsed(parseMaxRate('10 MB/s')),
    });
    setRules(directory, laptop(), given);
    expect(enrol()).toMatchObject({ peer: given });
    expect(enrol()).toMatchObject({ peer: given });
  });
});

describe('a store that is read', () => {
  it('leaves no key of any peer in memory when one of them is refused', () => {
    addInvite(directory, 'phone', { allow: [] }, invite());
    addEnrolled(directory, 'laptop', keys(0x42));
    writeFileSync(path.join(directory, 'phone', 'peer.toml'), '');
    expect(() => loadStore(directory)).toThrow(ConfigError);
    expect(stage.held).toHaveLength(2);
    for (const key of stage.held) expect(key.every((byte) => byte === 0)).toBe(true);
  });

  it('is in the order of the names, whatever else lies in it', () => {
    for (const name of ['zoo', 'attic', 'phone']) addInvite(directory, name, { allow: [] }, invite());
    mkdirSync(path.join(directory, '.git'));
    writeFileSync(path.join(directory, 'notes.txt'), '');
    expect(loadStore(directory).map(({ name }) => name)).toEqual(['attic', 'laptop', 'phone', 'zoo']);
  });

  it('does not miss a peer that is removed meanwhile', () => {
    addInvite(directory, 'phone', { allow: [] }, invite());
    stage.beforeKey = () => rmSync(path.join(directory, 'laptop'), { recursive: true });
    expect(loadStore(directory).map(({ name }) => name)).toEqual(['phone']);
  });

  it('says what it cannot read', () => {
    rmSync(path.join(directory, 'laptop', 'peer.toml'));
    mkdirSync(path.join(directory, 'laptop', 'peer.toml'));
    expect(() => loadStore(directory)).toThrow(/laptop\/peer\.toml/);
    const file = path.join(directory, '.changed');
    expect(() => loadStore(file)).toThrow(CliError);
    expect(() => loadStore(file)).toThrow(`cannot read the relay's store ${file}: it is not a directory`);
  });
});
