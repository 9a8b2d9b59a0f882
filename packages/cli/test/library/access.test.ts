/** Where a program finds its relay: in options, in a config file, or under the name of a saved relay. */
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { keyForEnrolment, saveRelay } from '../../src/config/saved-relays.js';
import { encodeKey } from '../../src/key-text.js';
import { accessOf } from '../../src/library/access.js';
import { publicKey } from '../store/invites.js';
import { temporaryDirectory } from '../temporary-directory.js';

const link = {
  endpoint: { host: 'relay.example', port: 51_820 },
  relayPublicKey: publicKey(1),
  secret: new Uint8Array(32).fill(3),
};

let saved = '';
let privateKey = new Uint8Array();
beforeEach(() => {
  const config = temporaryDirectory();
  vi.stubEnv('XDG_CONFIG_HOME', config);
  onTestFinished(() => void vi.unstubAllEnvs());
  const directory = path.join(config, 'underpass', 'relays');
  privateKey = new Uint8Array(keyForEnrolment(link, directory));
  saveRelay(
    { name: 'home', link, privateKey: privateKey.slice(), presharedKey: new Uint8Array(32).fill(9) },
    directory,
  );
  saved = path.join(directory, 'home.toml');
});

describe('the access of a program', () => {
  it.each<[string, () => Parameters<typeof accessOf>[0], string | undefined]>([
    ['a name', () => 'home', 'home'],
    ['a config file', () => ({ config: saved }), 'relay.example'],
    [
      'options',
      () => ({
        relay: 'relay.example:51820',
        relayPublicKey: link.relayPublicKey,
        privateKey,
        presharedKey: encodeKey(new Uint8Array(32).fill(9)),
      }),
      undefined,
    ],
  ])('can be %s', async (_, given, name) => {
    expect(await accessOf(given())).toMatchObject({
      relay: link.endpoint,
      relayPublicKey: link.relayPublicKey,
      privateKey,
      presharedKey: new Uint8Array(32).fill(9),
      connectTimeoutMs: 30_000,
      persistentKeepaliveMs: 0,
      name,
    });
  });

  it.each<[string | { readonly config: string }, string, string]>([
    ['attic', 'this machine knows no relay named attic', 'home'],
    [{ config: '/does/not/exist.toml' }, '/does/not/exist.toml', ''],
  ])('of %j fails with what is wrong', async (given, message, hint) => {
    await expect(accessOf(given)).rejects.toMatchObject({
      name: 'UnderpassError',
      code: 'invalid-config',
      message: expect.stringContaining(message),
      hint: expect.stringContaining(hint),
      cause: expect.any(Error),
    });
  });

  it('keeps the keepalive of options', async () => {
    const options = { relay: 'a:1', relayPublicKey: link.relayPublicKey, privateKey };
    expect(await accessOf({ ...options, persistentKeepaliveMs: 7 })).toMatchObject({
      persistentKeepaliveMs: 7,
      presharedKey: undefined,
    });
  });
});
