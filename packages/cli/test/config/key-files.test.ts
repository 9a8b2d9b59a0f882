/** The keys of a config that is refused do not stay in memory (docs/threat-model.md, 'Wiping'). The test records the keys
 *  where they are read, because nothing else sees them. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { loadClientConfig } from '../../src/config/client-config.js';
import { writeFirstRelayConfig } from '../../src/config/first-relay-config.js';
import { loadRelayConfig, wipeKeys } from '../../src/config/relay-config.js';
import { writeKeyFile } from '../../src/key-file.js';
import { encodeKey } from '../../src/key-text.js';
import { addEnrolled, addInvite } from '../../src/store/store-changes.js';
import { storeDirectoryOf } from '../../src/store/store-files.js';
import { invite, NOW, publicKey, rules } from '../store/invites.js';
import { temporaryDirectory } from '../temporary-directory.js';

const keys = vi.hoisted((): Uint8Array[] => []);
vi.mock('../../src/key-file.js', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/key-file.js')>();
  const recorded =
    (read: (file: string) => Uint8Array) =>
    (file: string): Uint8Array => {
      const key = read(file);
      keys.push(key);
      return key;
    };
  return {
    ...original,
    readKeyFile: recorded(original.readKeyFile),
    readPrivateKeyFile: recorded(original.readPrivateKeyFile),
    writeKeyFile: (file: string, key: Uint8Array): void => {
      keys.push(key);
      original.writeKeyFile(file, key);
    },
  };
});

let directory = '';
const at = (name: string): string => path.join(directory, name);
beforeEach(() => {
  directory = temporaryDirectory();
});

const isWiped = (key: Uint8Array): boolean => key.every((byte) => byte === 0);

/** @returns how many keys the refused config has read, and how many of them are still there */
function refused(load: () => unknown): { read: number; left: number } {
  keys.length = 0;
  expect(load).toThrow();
  return { read: keys.length, left: keys.filter((key) => !isWiped(key)).length };
}

describe('a config of a client', () => {
  const relayKey = encodeKey(publicKey(0x51));
  const write = (more: string): string => {
    writeKeyFile(at('client.key'), new Uint8Array(32).fill(0x48));
    writeKeyFile(at('client.psk'), new Uint8Array(32).fill(7));
    const files = 'private_key_file = "client.key"\npreshared_key_file = "client.psk"\n';
    writeFileSync(at('client.toml'), `relay = "192.0.2.1:51820"\n${files}${more}`, { mode: 0o600 });
    return at('client.toml');
  };

  it('has its keys if it is accepted', () => {
    const file = write(`relay_public_key = "${relayKey}"\n`);
    keys.length = 0;
    loadClientConfig(file);
    expect(keys.map(isWiped)).toEqual([false, false]);
  });

  it('leaves none in memory if anything in it is wrong', () => {
    const file = write(`relay_public_key = "${relayKey}"\nnonsense = 1\n`);
    expect(refused(() => loadClientConfig(file))).toMatchObject({ read: 2, left: 0 });
  });

  it("leaves none in memory if the relay's key is its own", () => {
    const own = encodeKey(publicKey(0x48));
    const file = write(`relay_public_key = "${own}"\n`);
    expect(refused(() => loadClientConfig(file))).toMatchObject({ left: 0 });
  });
});

it('the first config of a relay leaves its key on the disk alone, a new one or an old one', () => {
  for (const name of ['relay.toml', 'second.toml']) {
    keys.length = 0;
    writeFirstRelayConfig(at(name));
    expect(keys.map(isWiped)).toEqual([true]);
  }
});

describe('a config of a relay', () => {
  let file = '';
  beforeEach(() => {
    file = at('relay.toml');
    writeFirstRelayConfig(file);
    writeKeyFile(at('alice.psk'), new Uint8Array(32).fill(7));
    const alice = `name = "alice"\npublic_key = "${encodeKey(publicKey(0x42))}"\n`;
    appendFileSync(file, `\n[[peer]]\n${alice}preshared_key_file = "alice.psk"\nallow = []\n`);
    const store = storeDirectoryOf(file);
    addInvite(store, 'laptop', { allow: rules('localhost:80') }, invite(NOW));
    addEnrolled(store, 'laptop', { publicKey: publicKey(0x43), presharedKey: new Uint8Array(32).fill(9) });
  });

  it('has its keys if it is accepted', () => {
    keys.length = 0;
    const config = loadRelayConfig(file, NOW);
    expect(
      [config.privateKey, ...config.peers.map((peer) => peer.presharedKey)].map((key) => key?.some(Boolean)),
    ).toEqual([true, true, true]);
    wipeKeys(config);
  });

  it.each([
    ['anything in it is wrong', 'nonsense = 1\n'],
    ['a peer has the name of another', `[[peer]]\nname = "alice"\npublic_key = "KEY"\nallow = []\n`],
    [
      'a peer has the name of one that enrolled',
      `[[peer]]\nname = "laptop"\npublic_key = "KEY"\nallow = []\n`,
    ],
  ])('leaves none in memory if %s', (_why, more) => {
    appendFileSync(file, more.replace('KEY', encodeKey(publicKey(0x44))));
    const { read, left } = refused(() => loadRelayConfig(file, NOW));
    expect(read).toBeGreaterThan(1);
    expect(left).toBe(0);
  });

  it.each(['peer.toml', 'enrolled.toml'])('leaves none in memory if %s in the store is wrong', (name) => {
    const stored = path.join(storeDirectoryOf(file), 'laptop', name);
    writeFileSync(stored, `${readFileSync(stored, 'utf8')}\nnonsense = 1\n`, { mode: 0o600 });
    const { read, left } = refused(() => loadRelayConfig(file, NOW));
    expect(read).toBeGreaterThan(2);
    expect(left).toBe(0);
  });
});
