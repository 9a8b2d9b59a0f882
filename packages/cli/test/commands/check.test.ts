import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { shortKey } from '@underpass/runtime';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { runCheck } from '../../src/commands/check.js';
import type { ClientConfig } from '../../src/config/client-config.js';
import { ExitCode } from '../../src/exit-code.js';
import { writeKeyFile } from '../../src/key-file.js';
import { encodeKey } from '../../src/key-text.js';
import { publicKeyOf } from '../../src/public-key.js';
import { publicKey } from '../store/invites.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { RELAY_KEY, relayFilesWith } from './a-relay.js';
import { recordPrinted } from './printed.js';

const read = vi.hoisted(() => ({ clients: [] as unknown[] }));
vi.mock('../../src/config/client-config.js', async (original) => {
  const actual = await original<typeof import('../../src/config/client-config.js')>();
  return {
    ...actual,
    loadClientConfig: (file: string) => {
      const config = actual.loadClientConfig(file);
      read.clients.push(config);
      return config;
    },
  };
});

let printed: () => string[];
let home = '';
beforeEach(() => {
  printed = recordPrinted();
  const config = temporaryDirectory();
  home = path.join(config, 'underpass');
  vi.stubEnv('XDG_CONFIG_HOME', config);
  onTestFinished(() => void vi.unstubAllEnvs());
});

/** Prepares a config of a client and returns its path. */
function clientConfig(directory: string, name: string, more = ''): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeKeyFile(path.join(directory, `${name}.key`), new Uint8Array(32).fill(0x40));
  const file = path.join(directory, `${name}.toml`);
  writeFileSync(
    file,
    `relay = "vps:51820"\nrelay_public_key = "${encodeKey(publicKeyOf(RELAY_KEY))}"\nprivate_key_file = "${name}.key"\n${more}`,
  );
  return file;
}

const check = async (config: string) => {
  await runCheck({ config });
  const [line = '', ...others] = printed();
  expect(others).toEqual([]);
  return line.replace(/^out /, '').split('\n');
};

describe('underpass check of a relay', () => {
  it('says who may do what, with the invites that are open', async () => {
    const file = relayFilesWith(Date.UTC(2096, 0, 31, 12));
    expect(await check(file)).toEqual([
      `${file}: no mistakes`,
      `The relay listens on UDP port 51820, on every address of this machine. Its public key is ${encodeKey(publicKeyOf(RELAY_KEY))}.`,
      "Links of underpass invite carry this machine's public address, because endpoint is not set.",
      '',
      `server (public key ${shortKey(publicKey(0x50))}, no preshared key) may reach nothing.`,
      '',
      `phone (public key ${shortKey(publicKey(0x42))}, a preshared key) may reach`,
      "  localhost:22: the relay's own machine (localhost), on port 22",
      'and may transfer at most 10 MB/s in each direction.',
      '',
      'laptop, once it has enrolled (its link works until 2096-01-31 12:00 UTC), may reach',
      "  localhost:80: the relay's own machine (localhost), on port 80",
      '  db:5432: the name db, on port 5432',
      '',
      'A name that leads to a private or loopback address also needs a rule for that address.',
    ]);
  });

  it('leaves out invites that have expired, and what only their names would need', async () => {
    const lines = await check(relayFilesWith(Date.UTC(2026, 0, 31, 12), 'endpoint = "vpn.example.org:7"\n'));
    expect(lines.filter((line) => /laptop|A name that/.test(line))).toEqual([]);
    expect(lines).toContain('Links of underpass invite tell clients to reach it at vpn.example.org:7.');
  });

  it('says where it listens and serves metrics, and that nobody can connect', async () => {
    const file = path.join(temporaryDirectory(), 'relay.toml');
    writeKeyFile(path.join(path.dirname(file), 'relay.key'), RELAY_KEY);
    const listening = async (listen: string) => {
      writeFileSync(
        file,
        `listen = "${listen}"\nprivate_key_file = "relay.key"\nmetrics = "127.0.0.1:9586"\n`,
      );
      return check(file);
    };
    const lines = await listening('192.0.2.1:4000');
    expect(lines[1]).toMatch(/^The relay listens on UDP port 4000 of 192\.0\.2\.1\. /);
    expect(lines.slice(3)).toEqual(['It serves metrics at 127.0.0.1:9586.', 'Nobody can connect.']);
    const [, free] = await listening('0');
    expect(free).toMatch(/on a UDP port that the system chooses, on every address of this machine\. /);
    const [, local] = await listening('127.0.0.1:0');
    expect(local).toMatch(/on a UDP port of 127\.0\.0\.1 that the system chooses\. /);
  });

  it('says where a peer may have it listen', async () => {
    const file = relayFilesWith(0);
    writeFileSync(
      file,
      `listen = "51820"\nprivate_key_file = "relay.key"\n[[peer]]\nname = "web"\npublic_key = "${encodeKey(publicKey(0x51))}"\nallow = []\nallow_listen = ["8080"]\n`,
    );
    expect((await check(file)).slice(4, 7)).toEqual([
      `web (public key ${shortKey(publicKey(0x51))}, no preshared key) may reach nothing.`,
      'and may listen on',
      "  8080: port 8080 of the relay's machine, for programs there",
    ]);
  });
});

describe('underpass check without a file', () => {
  it('goes through all configs of this user, and fails once all have been said', async () => {
    const saved = path.join(home, 'relays');
    clientConfig(saved, 'work');
    clientConfig(saved, 'home', 'forwards = 5\n');
    writeKeyFile(path.join(home, 'relay.key'), RELAY_KEY);
    writeFileSync(path.join(home, 'relay.toml'), 'listen = "51820"\nprivate_key_file = "relay.key"\n');
    await expect(runCheck({})).rejects.toMatchObject({
      exitCode: ExitCode.config,
      message: '1 of 3 configs cannot be used',
      hint: 'see above',
    });
    const lines = printed().map((text) => text.split('\n'));
    expect(lines.map(([first, second]) => (first === 'out ' ? second : first))).toEqual([
      `out ${home}/relay.toml: no mistakes`,
      expect.stringContaining(`err ${saved}/home.toml:`),
      `${saved}/work.toml: no mistakes`,
    ]);
  });

  it('succeeds if all can be used, with an empty line between them', async () => {
    clientConfig(path.join(home, 'relays'), 'home');
    clientConfig(path.join(home, 'relays'), 'work');
    await runCheck({});
    expect(printed().map((line) => line.slice(0, 5))).toEqual([`out ${home[0]}`, 'out \n']);
  });

  it('says how to begin if there is none', async () => {
    await expect(runCheck({})).rejects.toMatchObject({
      exitCode: ExitCode.config,
      message: `there is no config in ${home}`,
      hint: expect.stringContaining('--config'),
    });
  });
});

describe('underpass check of a file', () => {
  it('knows a client from a relay', async () => {
    const file = clientConfig(temporaryDirectory(), 'vps');
    expect((await check(file)).slice(0, 2)).toEqual([
      `${file}: no mistakes`,
      expect.stringContaining('The client connects to vps:51820, whose public key must be '),
    ]);
  });

  it('keeps no secret key of a client', async () => {
    const directory = temporaryDirectory();
    const file = clientConfig(directory, 'vps', 'preshared_key_file = "psk.key"\n');
    writeKeyFile(path.join(directory, 'psk.key'), new Uint8Array(32).fill(7));
    await check(file);
    const { privateKey, presharedKey } = read.clients.at(-1) as ClientConfig;
    expect([privateKey, presharedKey]).toEqual([new Uint8Array(32), new Uint8Array(32)]);
  });

  it.each([
    ['lisen = "1"\n', 'lisen: unknown key; did you mean listen?'],
    ['Listen = "1"\n', 'Listen: unknown key; did you mean listen?'],
    ['[[Peer]]\nname = "a"\n', '[[Peer]]: unknown key; did you mean [[peer]]?'],
    ['workers = 0\n', 'workers: found 0'],
    ['realy = "vps:1"\n', 'realy: unknown key; did you mean relay?'],
    ['relay_pubic_key = "a"\n', 'relay_pubic_key: unknown key; did you mean relay_public_key?'],
    ['local_forwards = 1\n', 'local_forwards: found 1'],
  ])('says what a start would, although it has no key that tells what it is: %j', async (text, problem) => {
    const file = path.join(temporaryDirectory(), 'some.toml');
    writeFileSync(file, text);
    await expect(runCheck({ config: file })).rejects.toThrow(problem);
  });

  it('knows by its place what an empty file is', async () => {
    mkdirSync(path.join(home, 'relays'), { recursive: true, mode: 0o700 });
    writeFileSync(path.join(home, 'relay.toml'), '');
    await expect(runCheck({ config: path.join(home, 'relay.toml') })).rejects.toThrow(
      'listen: found nothing',
    );
    const client = path.join(home, 'relays', 'vps.toml');
    writeFileSync(client, '');
    await expect(runCheck({ config: client })).rejects.toThrow('relay: found nothing');
  });

  it.each([
    ['listen = "1"\nrelay = "vps:1"\n', 'keys of both a relay and a client'],
    ['[[peer]]\nname = "a"\n[x]\nrelay_public_key = "b"\n', undefined],
    ['relay_public_key = "b"\n[[peer]]\nname = "a"\n', 'keys of both a relay and a client'],
    ['metrics = 1\n', 'no key that tells a relay from a client'],
    ['congestoin = "bbr"\n', 'no key that tells a relay from a client'],
  ])('needs to know which of them it is: %j', async (text, found) => {
    const file = path.join(temporaryDirectory(), 'some.toml');
    writeFileSync(file, text);
    const failure = await runCheck({ config: file }).catch((error: Error) => error);
    const message = `${file}:1: found ${found}, expected either listen or relay`;
    if (found === undefined)
      expect(failure).not.toMatchObject({ message: expect.stringContaining('expected either') });
    else expect(failure).toMatchObject({ exitCode: ExitCode.config, message });
    expect(printed()).toEqual([]);
  });
});
