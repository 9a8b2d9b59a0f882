import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/cli-error.js';
import { clientConfigOf } from '../../src/config/client-config.js';
import { parseTomlDocument } from '../../src/config/toml-document.js';
import { writeKeyFile } from '../../src/key-file.js';
import { encodeKey } from '../../src/key-text.js';
import { DEFAULT_CONNECT_TIMEOUT_SECONDS } from '../../src/limits.js';
import { publicKeyOf } from '../../src/public-key.js';
import { temporaryDirectory } from '../temporary-directory.js';

const PRIVATE_KEY = new Uint8Array(32).fill(0x48);
const RELAY = encodeKey(publicKeyOf(new Uint8Array(32).fill(0x42)));

let directory = '';
beforeEach(() => {
  directory = temporaryDirectory();
  writeKeyFile(path.join(directory, 'client.key'), PRIVATE_KEY);
});

const load = (text: string) => clientConfigOf(parseTomlDocument(path.join(directory, 'client.toml'), text));

function problems(text: string): readonly string[] {
  try {
    load(text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((line) => line.replaceAll(`${directory}/`, ''));
  }
  return [];
}

const START = `relay = "vpn.example.org:51820"
relay_public_key = "${RELAY}"
private_key_file = "client.key"
`;

describe('client.toml', () => {
  it('loads with its relay and its forwards', () => {
    const config = load(
      `${START}persistent_keepalive_seconds = 25\nlocal_forwards = ["8080:localhost:80", "[::1]:1-2:db:3-4"]\ndynamic_forwards = ["1080"]\nreverse_forwards = ["*:80:localhost:3000"]\nudp_forwards = ["5353:9.9.9.9:53"]\n`,
    );
    expect(config.relay).toEqual({ host: 'vpn.example.org', port: 51820 });
    expect(config.persistentKeepaliveSeconds).toBe(25);
    expect(config.forwards.map(({ kind, text }) => [kind, text])).toEqual([
      ['local', '8080:localhost:80'],
      ['local', '[::1]:1:db:3'],
      ['local', '[::1]:2:db:4'],
      ['dynamic', '1080'],
      ['udp', '5353:9.9.9.9:53'],
      ['reverse', '*:80:localhost:3000'],
    ]);
    expect(config.presharedKey).toBeUndefined();
    expect(encodeKey(config.publicKey)).toBe(encodeKey(publicKeyOf(PRIVATE_KEY)));
  });

  it('has its defaults, and every other setting that it may have', () => {
    expect(load(START)).toMatchObject({
      persistentKeepaliveSeconds: 0,
      connectTimeoutSeconds: DEFAULT_CONNECT_TIMEOUT_SECONDS,
      forwards: [],
      congestion: undefined,
      memoryPerPeerBytes: undefined,
      metrics: undefined,
      logLevel: undefined,
    });
    const settings = `connect_timeout_seconds = 7
congestion = "bbr"
memory_per_peer_mib = 64
metrics = "127.0.0.1:9100"
preshared_key_file = "client.psk"
[log]
level = "warn"
`;
    const presharedKey = new Uint8Array(32).fill(7);
    writeKeyFile(path.join(directory, 'client.psk'), presharedKey);
    expect(load(START + settings)).toMatchObject({
      connectTimeoutSeconds: 7,
      congestion: 'bbr',
      memoryPerPeerBytes: 64 * 2 ** 20,
      metrics: { host: '127.0.0.1', port: 9100 },
      presharedKey,
      logLevel: 'warn',
    });
    expect(load(`${START}connect_timeout_seconds = 0\n`).connectTimeoutSeconds).toBe(0);
  });

  it.each<[string, string, string[]]>([
    [
      "the client's private key for the relay, without showing it",
      START.replace(RELAY, encodeKey(PRIVATE_KEY)),
      [
        "client.toml:2: relay_public_key: found this client's private key (not shown), expected the relay's public key",
      ],
    ],
    [
      'a reverse forward that listens at a name',
      `${START}reverse_forwards = ["vps:80:localhost:3000"]\n`,
      [
        `client.toml:4: reverse_forwards: "vps:80:localhost:3000": 'vps' is a name: the relay listens on an address of its own, so write that, localhost or *`,
      ],
    ],
    [
      'no port at the relay',
      START.replace(':51820', ''),
      ['client.toml:1: relay: found "vpn.example.org", expected "HOST:PORT" (a string; IPv6 in brackets)'],
    ],
    [
      'a keepalive that is too long',
      `${START}persistent_keepalive_seconds = 70000\n`,
      [
        'client.toml:4: persistent_keepalive_seconds: found 70000, expected a whole number of seconds from 0 (off) to 65535',
      ],
    ],
    [
      'a keepalive in halves of seconds',
      `${START}persistent_keepalive_seconds = 2.5\n`,
      [
        'client.toml:4: persistent_keepalive_seconds: found 2.5, expected a whole number of seconds from 0 (off) to 65535',
      ],
    ],
    [
      'a forward without a target',
      `${START}local_forwards = [\n  "8080:localhost:80",\n  "9090"\n]\n`,
      [
        "client.toml:6: local_forwards: '9090': expected [bind:]port:host:hostport, for example 8080:example.com:80",
      ],
    ],
    [
      "the client's own key for the relay",
      START.replace(RELAY, encodeKey(publicKeyOf(PRIVATE_KEY))),
      [
        "client.toml:2: relay_public_key: found this client's own public key, expected the relay's public key",
      ],
    ],
    [
      'one forward and no list',
      `${START}local_forward = "8080:localhost:80"\n`,
      ['client.toml:4: local_forward: unknown key; did you mean local_forwards?'],
    ],
  ])('with %s is refused', (_what, text, expected) => {
    expect(problems(text)).toEqual(expected);
  });
});
