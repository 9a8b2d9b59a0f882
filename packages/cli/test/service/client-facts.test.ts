import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { writeKeyFile } from '../../src/key-file.js';
import { encodeKey } from '../../src/key-text.js';
import { publicKeyOf } from '../../src/public-key.js';
import { clientFacts } from '../../src/service/client-facts.js';
import { temporaryDirectory } from '../temporary-directory.js';

const KEY = new Uint8Array(32).fill(0x48);
const RELAY = encodeKey(publicKeyOf(new Uint8Array(32).fill(0x42)));

let directory = '';
beforeEach(() => {
  directory = temporaryDirectory();
});

/** Writes a client config that names that key file, and the key. */
function configWith(
  keyFile: string,
  forwards = 'local_forwards = ["8080:localhost:80"]',
  name = 'client.toml',
): string {
  const file = path.join(directory, name);
  const key = path.resolve(directory, keyFile);
  mkdirSync(path.dirname(key), { recursive: true });
  writeKeyFile(key, KEY);
  writeFileSync(
    file,
    `relay = "vpn.example.org:51820"\nrelay_public_key = "${RELAY}"\nprivate_key_file = "${keyFile}"\n${forwards}\n`,
    { mode: 0o600 },
  );
  return file;
}

it('a service without a forward is refused, because its client would end at once', () => {
  const empty = { 'a.key': '', 'b.key': 'local_forwards = []' };
  for (const [keyFile, forwards] of Object.entries(empty)) {
    expect(() => clientFacts(configWith(keyFile, forwards), false)).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/client\.toml forwards nothing/),
        hint: expect.stringContaining('local_forwards = ["8080:localhost:80"]'),
      }),
    );
  }
  expect(clientFacts(configWith('c.key'), false)).toMatchObject({ ports: [8080] });
});

it.each(['keys/client.key', './client.key'])(
  'a key file of a service stands beside its config under its bare name, and not as %s',
  (keyFile) => {
    const file = configWith(keyFile);
    expect(() => clientFacts(file, true)).toThrow(
      expect.objectContaining({
        message: `${file} names the key file ${keyFile}, but systemd hands a service files of one directory`,
        hint: 'move it beside the config and write only its name, client.key',
      }),
    );
    expect(() => clientFacts(file, false)).not.toThrow();
    expect(() => clientFacts(configWith('client2.key'), true)).not.toThrow();
  },
);

it.each([
  ['my client.toml', 'a.key'],
  ['50%.toml', 'a.key'],
  ['client.toml', 'a:b.key'],
  ['client.toml', 'schlüssel.key'],
])('the files of a service have names that its unit can contain, and not %s and %s', (name, keyFile) => {
  const file = configWith(keyFile, undefined, name);
  const odd = name === 'client.toml' ? keyFile : name;
  expect(() => clientFacts(file, true)).toThrow(
    expect.objectContaining({
      message: `systemd cannot hand a service a file with the name '${odd}'`,
      hint: expect.stringMatching(/^use only letters, digits and /),
    }),
  );
  expect(() => clientFacts(file, false)).not.toThrow();
});

it('a service knows the ports on which its client listens, and none of the relay', () => {
  const forwards = [
    'local_forwards = ["8080:localhost:80", "/run/app.sock:localhost:80"]',
    'dynamic_forwards = ["1080"]',
    'udp_forwards = ["53:localhost:53"]',
    'reverse_forwards = ["443:localhost:80"]',
  ];
  const file = configWith('client.key', forwards.join('\n'));
  const { ports, secrets, file: named } = clientFacts(path.relative(process.cwd(), file), true);
  expect(ports.toSorted((a, b) => a - b)).toEqual([53, 1080, 8080]);
  expect([named, secrets]).toEqual([file, [path.join(directory, 'client.key')]]);
});

it('a service knows both key files of its client, wherever they are', () => {
  const file = configWith(
    'client.key',
    'preshared_key_file = "keys/client.psk"\ndynamic_forwards = ["1080"]',
  );
  mkdirSync(path.join(directory, 'keys'));
  writeKeyFile(path.join(directory, 'keys', 'client.psk'), KEY);
  expect(clientFacts(file, false).secrets).toEqual(
    ['client.key', 'keys/client.psk'].map((name) => path.join(directory, name)),
  );
});
