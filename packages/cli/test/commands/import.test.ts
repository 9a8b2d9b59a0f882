import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { runImport, writePlan } from '../../src/commands/import.js';
import { loadClientConfig } from '../../src/config/client-config.js';
import { loadRelayConfig } from '../../src/config/relay-config.js';
import { CONFIG_LIMIT_BYTES } from '../../src/config/toml-document.js';
import { ExitCode } from '../../src/exit-code.js';
import { encodeKey } from '../../src/key-text.js';
import { publicKey } from '../store/invites.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { recordPrinted } from './printed.js';

const read = vi.hoisted(() => ({ files: [] as unknown[][] }));
vi.mock('../../src/import/wireguard-file.js', async (original) => {
  const actual = await original<typeof import('../../src/import/wireguard-file.js')>();
  return {
    ...actual,
    parseWireguardFile: (name: string, bytes: Uint8Array) => {
      const file = actual.parseWireguardFile(name, bytes);
      read.files.push([bytes, file.privateKey, ...file.peers.map(({ presharedKey }) => presharedKey)]);
      return file;
    },
  };
});

const KEY = encodeKey(new Uint8Array(32).fill(0x40));
const PEER = `[Peer]\nPublicKey = ${encodeKey(publicKey(0x48))}\nAllowedIPs = 0.0.0.0/0\n`;
const CLIENT = `[Interface]\nPrivateKey = ${KEY}\n${PEER}Endpoint = vps:51820\n`;
const SERVER = `[Interface]\nPrivateKey = ${KEY}\nListenPort = 51820\n${PEER}PresharedKey = ${encodeKey(new Uint8Array(32).fill(5))}\n`;

let printed: () => string[];
let directory = '';
let relays = '';
beforeEach(() => {
  printed = recordPrinted();
  directory = temporaryDirectory();
  relays = path.join(directory, 'underpass', 'relays');
  vi.stubEnv('XDG_CONFIG_HOME', directory);
  onTestFinished(() => void vi.unstubAllEnvs());
});

function wireguardFile(text: string, name = 'wg0.conf', mode = 0o600): string {
  const file = path.join(directory, name);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

describe('underpass import of a client', () => {
  it('writes a config named after the file, with its keys, for this user only', async () => {
    await runImport(wireguardFile(CLIENT), {});
    const config = path.join(relays, 'wg0.toml');
    expect(loadClientConfig(config)).toMatchObject({
      relay: { host: 'vps', port: 51820 },
      relayPublicKey: publicKey(0x48),
      publicKey: publicKey(0x40),
    });
    expect(readdirSync(relays).sort()).toEqual(['wg0.key', 'wg0.toml']);
    expect([statSync(config).mode & 0o777, statSync(relays).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(readFileSync(config, 'utf8')).toContain(
      '# Imported from wg0.conf. To connect: underpass client wg0',
    );
    expect(printed()).toEqual([
      `out Wrote ${config} and a key beside it.\n` +
        'Not copied, because it has no meaning here: AllowedIPs.\n' +
        'The other side has to run an Underpass relay with the same key: a WireGuard program ignores what Underpass sends.\n' +
        '\n' +
        'Now run: underpass client wg0 -L 8080:localhost:80',
    ]);
  });

  it('has the name of --as, and replaces nothing', async () => {
    const file = wireguardFile(CLIENT);
    await runImport(file, { as: 'home' });
    printed();
    await expect(runImport(file, { as: 'home' })).rejects.toMatchObject({
      exitCode: ExitCode.config,
      message: `${path.join(relays, 'home.toml')} exists, and nothing is replaced`,
    });
    writeFileSync(path.join(relays, 'work.key'), '');
    await expect(runImport(file, { as: 'work' })).rejects.toThrow('work.key exists, and nothing is replaced');
    expect([readdirSync(relays).includes('work.toml'), printed()]).toEqual([false, []]);
  });

  it.each([
    [
      'a name that a relay cannot have',
      () => wireguardFile(CLIENT, '-x.conf'),
      ExitCode.usage,
      "'-x' is not a name",
    ],
    ['a file that others can read', () => wireguardFile(CLIENT, 'a.conf', 0o644), ExitCode.config, 'a.conf'],
    [
      'a file that is missing',
      () => '/nowhere/a.conf',
      ExitCode.config,
      'cannot read /nowhere/a.conf: no such file',
    ],
    [
      'a file that is too large',
      () => wireguardFile(CLIENT.padEnd(CONFIG_LIMIT_BYTES + 1, '\n')),
      ExitCode.config,
      `is larger than ${CONFIG_LIMIT_BYTES} bytes`,
    ],
  ])('refuses %s', async (_what, file, exitCode, message) => {
    await expect(runImport(file(), {})).rejects.toMatchObject({
      exitCode,
      message: expect.stringContaining(message),
    });
    expect([existsSync(relays), printed()]).toEqual([false, []]);
  });

  it('takes a file of the largest size', async () => {
    await runImport(wireguardFile(CLIENT.padEnd(CONFIG_LIMIT_BYTES, '\n')), {});
    expect(printed()).toHaveLength(1);
  });
});

describe('underpass import of a server', () => {
  it('writes the config of a relay where --config says, whose peers may reach nothing yet', async () => {
    const config = path.join(directory, 'new', 'relay.toml');
    await runImport(wireguardFile(SERVER), { config });
    const { listen, peers } = loadRelayConfig(config);
    expect([listen.port, peers.map(({ allow }) => allow)]).toEqual([51820, [[]]]);
    expect(printed()).toEqual([
      expect.stringMatching(
        /^out Wrote .*relay\.toml and 2 keys beside it\.\n.*AllowedIPs do not say .*\n\nThen run: underpass check --config .*relay\.toml$/s,
      ),
    ]);
  });
});

it('an import keeps no secret in memory, whether it can be written or not', async () => {
  const file = wireguardFile(SERVER);
  const config = path.join(directory, 'new', 'relay.toml');
  read.files.length = 0;
  await runImport(file, { config });
  await expect(runImport(file, { config })).rejects.toThrow('nothing is replaced');
  expect(read.files.map((secrets) => secrets.length)).toEqual([3, 3]);
  const isWiped = (bytes: unknown) => (bytes as Uint8Array).every((byte) => byte === 0);
  expect(read.files.flat().filter((bytes) => !isWiped(bytes))).toEqual([]);
  printed();
});

describe('an import that cannot be written', () => {
  const plan = (config: string, keys: readonly string[]) => ({
    kind: 'client' as const,
    config: { path: config, text: 'x' },
    keys: keys.map((file) => ({ path: file, key: new Uint8Array(32) })),
  });

  it('leaves no key behind', () => {
    const config = path.join(directory, 'x'.repeat(300));
    const [first, second] = ['a.key', 'b.key'].map((name) => path.join(directory, name)) as [string, string];
    expect(() => writePlan(plan(config, [first, second]))).toThrow(
      expect.objectContaining({
        exitCode: ExitCode.config,
        message: `cannot write ${config}: ENAMETOOLONG`,
        hint: 'check its directory, and then repeat the command',
      }),
    );
    expect(() =>
      writePlan(plan(path.join(directory, 'c'), [first, `${directory}/${'y'.repeat(300)}`])),
    ).toThrow();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('says which directory cannot be made', () => {
    writeFileSync(path.join(directory, 'file'), '');
    mkdirSync(path.join(directory, 'd'));
    const config = path.join(directory, 'file', 'below', 'a.toml');
    expect(() => writePlan(plan(config, []))).toThrow(
      expect.objectContaining({ message: expect.stringContaining(`cannot write ${path.dirname(config)}: `) }),
    );
  });
});
