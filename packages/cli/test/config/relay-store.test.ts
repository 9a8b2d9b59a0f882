/** A relay's config together with the store beside it. */
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ConfigError } from '../../src/cli-error.js';
import { writeFirstRelayConfig } from '../../src/config/first-relay-config.js';
import { loadRelayConfig, wipeKeys } from '../../src/config/relay-config.js';
import { encodeKey } from '../../src/key-text.js';
import { INVITE_GRACE_MS } from '../../src/limits.js';
import { addEnrolled, addInvite } from '../../src/store/store-changes.js';
import { storeDirectoryOf } from '../../src/store/store-files.js';
import type { StoredPeer } from '../../src/store/stored-peer.js';
import { invite, NOW, publicKey, rules } from '../store/invites.js';
import { temporaryDirectory } from '../temporary-directory.js';

/** The peers as the store loaded them, secrets included. No other code sees the secrets of an expired invite. */
const loaded = vi.hoisted((): StoredPeer[] => []);
vi.mock('../../src/store/stored-peer.js', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/store/stored-peer.js')>();
  const loadStore = (directory: string): readonly StoredPeer[] => {
    loaded.splice(0, loaded.length, ...original.loadStore(directory));
    return loaded;
  };
  return { ...original, loadStore };
});

let file = '';
let store = '';
beforeEach(() => {
  file = path.join(temporaryDirectory(), 'relay.toml');
  store = storeDirectoryOf(file);
  writeFirstRelayConfig(file);
  addInvite(store, 'laptop', { allow: rules('localhost:80') }, invite(NOW));
});

const enrol = (name: string, seed: number) =>
  addEnrolled(store, name, { publicKey: publicKey(seed), presharedKey: new Uint8Array(32).fill(9) });
const addPeer = (name: string, seed: number) =>
  appendFileSync(
    file,
    `\n[[peer]]\nname = "${name}"\npublic_key = "${encodeKey(publicKey(seed))}"\nallow = []\n`,
  );

/** The problems of a config that does not load, with the directory removed. */
function problems(): readonly string[] {
  try {
    loadRelayConfig(file, NOW);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((line) => line.replaceAll(`${store}/`, ''));
  }
  return [];
}

describe('the config of a relay', () => {
  it('has the peers of its file and those that enrolled', () => {
    addPeer('server', 0x50);
    enrol('laptop', 0x42);
    const { peers } = loadRelayConfig(file, NOW);
    expect(peers).toEqual([
      { name: 'server', publicKey: publicKey(0x50), allow: [] },
      {
        name: 'laptop',
        publicKey: publicKey(0x42),
        presharedKey: new Uint8Array(32).fill(9),
        allow: rules('localhost:80'),
      },
    ]);
  });

  it('has its invites, used or not, until nobody needs to learn about them', () => {
    const names = (nowMs: number) => loadRelayConfig(file, nowMs).invites.map(({ name }) => name);
    expect(loadRelayConfig(file, NOW).invites).toEqual([
      { name: 'laptop', publicKey: invite().publicKey, presharedKey: invite().presharedKey },
    ]);
    enrol('laptop', 0x42);
    expect(names(NOW + INVITE_GRACE_MS - 1)).toEqual(['laptop']);
    expect(names(NOW + INVITE_GRACE_MS)).toEqual([]);
  });

  it('leaves no key of an invite in memory that is over', () => {
    const isWiped = () => loaded[0]?.invite.presharedKey.every((byte) => byte === 0);
    loadRelayConfig(file, NOW);
    expect(isWiped()).toBe(false);
    loadRelayConfig(file, NOW + INVITE_GRACE_MS);
    expect(isWiped()).toBe(true);
  });

  it('can be wiped, with all keys of the store', () => {
    enrol('laptop', 0x42);
    const config = loadRelayConfig(file, NOW);
    wipeKeys(config);
    const secrets = [...config.peers, ...config.invites].map(({ presharedKey }) => presharedKey);
    expect(secrets).toEqual([new Uint8Array(32), new Uint8Array(32)]);
  });

  it('is refused when a name or a key is in both', () => {
    addPeer('laptop', 0x50);
    addPeer('server', 0x42);
    enrol('laptop', 0x42);
    addInvite(store, 'phone', { allow: [] }, { ...invite(), publicKey: publicKey(0x44) });
    enrol('phone', 0x42);
    expect(problems()).toEqual([
      'laptop:1: laptop is also a [[peer]] of the config: rename that one, or underpass revoke laptop',
      'laptop:1: laptop and server have the same public key',
      'phone:1: phone and laptop have the same public key',
    ]);
  });

  it("is refused when a client has enrolled with the relay's own key", () => {
    const { publicKey: own } = loadRelayConfig(file, NOW);
    addEnrolled(store, 'laptop', { publicKey: own, presharedKey: new Uint8Array(32).fill(9) });
    expect(problems()).toEqual(['laptop:1: laptop and this relay have the same public key']);
  });

  it('is refused when the store is damaged', () => {
    appendFileSync(path.join(store, 'laptop', 'peer.toml'), 'more = 1\n');
    expect(problems()).toEqual([
      'laptop/peer.toml:8: invite.more: unknown key; known keys: public_key, preshared_key_file, expires',
    ]);
    const peerFile = path.join(store, 'laptop', 'peer.toml');
    const text = readFileSync(peerFile, 'utf8').replace('more = 1\n', '');
    writeFileSync(peerFile, text.replace(/^expires = .*$/m, 'expires = "soon"'));
    expect(problems()).toEqual([
      expect.stringMatching(
        /^laptop\/peer\.toml:\d: invite\.expires: found "soon", expected a date and time, for example 2026-/,
      ),
    ]);
    rmSync(peerFile);
    expect(problems()).toEqual([
      'laptop:1: found no peer.toml in it: restore that file, or remove the directory',
    ]);
  });

  it('is refused when the store is a file', () => {
    rmSync(store, { recursive: true });
    writeFileSync(store, '');
    expect(() => loadRelayConfig(file, NOW)).toThrow(
      expect.objectContaining({
        message: `cannot read the relay's store ${store}: it is not a directory, or something above it is not`,
        hint: 'it must be a directory that the relay may read, or not exist',
        cause: expect.objectContaining({ code: 'ENOTDIR' }),
      }),
    );
  });
});
