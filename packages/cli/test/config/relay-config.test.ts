import { chmodSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { relayWords } from '../../src/check/config-words.js';
import { ConfigError } from '../../src/cli-error.js';
import { relayConfigOf } from '../../src/config/relay-config.js';
import { parseTomlDocument } from '../../src/config/toml-document.js';
import { writeKeyFile } from '../../src/key-file.js';
import { decodeKey, encodeKey } from '../../src/key-text.js';
import { publicKeyOf } from '../../src/public-key.js';
import { temporaryDirectory } from '../temporary-directory.js';

const PRIVATE_KEY = new Uint8Array(32).fill(0x48);
const OWN_KEY = encodeKey(publicKeyOf(PRIVATE_KEY));
const ALICE = encodeKey(publicKeyOf(new Uint8Array(32).fill(0x42)));
const BOB = encodeKey(publicKeyOf(new Uint8Array(32).fill(0x43)));

let directory = '';
beforeEach(() => {
  directory = temporaryDirectory();
  writeKeyFile(path.join(directory, 'relay.key'), PRIVATE_KEY);
  writeKeyFile(path.join(directory, 'alice.psk'), new Uint8Array(32).fill(7));
});

const load = (text: string) => relayConfigOf(parseTomlDocument(path.join(directory, 'relay.toml'), text));

/** The lines of the error, with the directory removed. */
function problems(text: string): readonly string[] {
  try {
    load(text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((line) => line.replaceAll(`${directory}/`, ''));
  }
  return [];
}

const START = 'listen = "51820"\nprivate_key_file = "relay.key"\n';
const peer = (name: string, key: string, more = 'allow = []') =>
  `[[peer]]\nname = "${name}"\npublic_key = "${key}"\n${more}\n`;

describe('relay.toml', () => {
  it('loads with its keys, peers and rules', () => {
    const config = load(
      `listen = "[::1]:7000"
private_key_file = "relay.key"
[[peer]]
name = "alice"
public_key = "${ALICE}"
preshared_key_file = "alice.psk"
allow = ["localhost:80", "10.0.0.0/8:443", "*.example.org:8000-8080"]
[log]
level = "debug"
`,
    );
    expect(config.listen).toEqual({ host: '::1', port: 7000 });
    expect(config.privateKey).toEqual(PRIVATE_KEY);
    expect(encodeKey(config.publicKey)).toBe(OWN_KEY);
    expect(config.logLevel).toBe('debug');
    expect(config.peers).toHaveLength(1);
    expect(config.peers[0]).toMatchObject({
      name: 'alice',
      publicKey: decodeKey(ALICE),
      presharedKey: new Uint8Array(32).fill(7),
      allow: [{ text: 'localhost:80' }, { text: '10.0.0.0/8:443' }, { text: '*.example.org:8000-8080' }],
    });
  });

  it('keeps a rule once, however many peers have it', () => {
    const peer = (name: string, key: string) =>
      `[[peer]]\nname = "${name}"\npublic_key = "${key}"\nallow = ["localhost:80"]\n`;
    const [first, second] = load(`${START}${peer('alice', ALICE)}${peer('bob', BOB)}`).peers;
    expect(first?.allow[0]).toBeDefined();
    expect(first?.allow[0]).toBe(second?.allow[0]);
  });

  it('may write the port as a number', () => {
    expect(load('listen = 51820\nprivate_key_file = "relay.key"\n').listen).toEqual({ port: 51820 });
  });

  it('has its sizes and times in the units of their names', () => {
    const settings = `name = "home"
endpoint = "relay.example.org:51820"
congestion = "cubic"
memory_per_peer_mib = 64
max_outage_hours = 2
idle_timeout_minutes = 3
workers = 4
metrics = 9100
`;
    expect(load(START + settings)).toMatchObject({
      name: 'home',
      endpoint: { host: 'relay.example.org', port: 51820 },
      congestion: 'cubic',
      memoryPerPeerBytes: 64 * 2 ** 20,
      maxOutageMs: 2 * 3_600_000,
      idleTimeoutMs: 3 * 60_000,
      workers: 4,
      metrics: { port: 9100 },
    });
  });

  it.each([
    ['memory_per_peer_mib', 32, 4096],
    ['max_outage_hours', 1, 8760],
    ['idle_timeout_minutes', 1, 10_080],
    ['workers', 1, 8],
  ])('takes a %s from %i to %i', (key, least, most) => {
    for (const number of [least, most]) load(`${START}${key} = ${number}\n`);
    for (const number of [least - 1, most + 1]) {
      expect(() => load(`${START}${key} = ${number}\n`)).toThrow(`${key}: found ${number}, expected a whole`);
    }
  });

  it('shares the last rules only, so that many different ones are not kept for ever', () => {
    const own = Array.from({ length: 64 }, (_, index) => `192.0.2.9:${index + 1}`);
    const list = (rules: readonly string[]) => `allow = ${JSON.stringify(rules)}`;
    const rulesOf = (texts: readonly string[]) =>
      load(START + peer('alice', ALICE, list(texts)) + peer('bob', BOB, list(['192.0.2.8:1']))).peers.map(
        ({ allow }) => allow[0],
      );
    const [first, second] = rulesOf(['192.0.2.8:1']);
    expect(first).toBe(second);
    const [, third] = rulesOf(own);
    expect(third).toEqual(first);
    expect(third).not.toBe(first);
  });

  it('needs no peers and no log table', () => {
    expect(load(START)).toMatchObject({ listen: { port: 51820 }, peers: [], logLevel: undefined });
  });

  it.each<[string, string, string[]]>([
    [
      'a syntax error',
      'listen = 51820\nprivate_key_file "relay.key"\n',
      ['relay.toml:2: not valid TOML (column 18): illegal character in key'],
    ],
    [
      'missing keys',
      '',
      [
        'relay.toml:1: listen: found nothing, expected a port, or "HOST:PORT" (IPv6 in brackets)',
        'relay.toml:1: private_key_file: found nothing, expected the path of a key file (a string)',
      ],
    ],
    [
      'a number that is not a valid port',
      'listen = 518200\nprivate_key_file = "relay.key"',
      ['relay.toml:1: listen: found 518200, expected a port, or "HOST:PORT" (IPv6 in brackets)'],
    ],
    [
      'another type where a port must be',
      'listen = true\nprivate_key_file = "relay.key"',
      ['relay.toml:1: listen: found true, expected a port, or "HOST:PORT" (IPv6 in brackets)'],
    ],
    [
      'peers in the plural',
      `${START}${peer('alice', ALICE).replace('[[peer]]', '[[peers]]')}`,
      ['relay.toml:3: [[peers]]: unknown key; did you mean [[peer]]?'],
    ],
    [
      'a private key in the config, without showing it',
      `${START}private_key = "${encodeKey(PRIVATE_KEY)}"\n`,
      [
        'relay.toml:3: private_key: unknown key; did you mean private_key_file? Put the key into a file of its own, and the path of that file here.',
      ],
    ],
    [
      'a rule that is a URL',
      START + peer('alice', ALICE, 'allow = ["http://localhost:80"]'),
      ["relay.toml:6: peer.allow: 'http://localhost:80' contains http:// as in a URL: write localhost:80"],
    ],
    [
      'a port out of range',
      'listen = "0.0.0.0:99999"\nprivate_key_file = "relay.key"',
      ['relay.toml:1: listen: found "0.0.0.0:99999", expected a port, or "HOST:PORT" (IPv6 in brackets)'],
    ],
    [
      'unknown keys near known ones',
      `${START}lisen = "1"\n[[peer]]\nname = "a"\npublic-key = "x"\nallow = []\n`,
      [
        'relay.toml:3: lisen: unknown key; did you mean listen?',
        'relay.toml:4: peer.public_key: found nothing, expected a public key: 44 characters of base64, as underpass pubkey prints them',
        'relay.toml:6: peer.public-key: unknown key; did you mean public_key?',
      ],
    ],
    [
      'an unknown key like no other',
      `${START}mtu = 1400\n`,
      [
        'relay.toml:3: mtu: unknown key; known keys: listen, private_key_file, endpoint, name, peer, congestion, memory_per_peer_mib, max_outage_hours, idle_timeout_minutes, workers, metrics, log',
      ],
    ],
    [
      'a peer table with single brackets',
      `${START}[peer]\nname = "a"\n`,
      ['relay.toml:3: peer: found a table, expected tables [[peer]], with double brackets'],
    ],
    [
      'a peer without a list of targets',
      START + peer('alice', ALICE, ''),
      ['relay.toml:3: peer.allow: found nothing, expected a list of rules, for example ["localhost:80"]'],
    ],
    [
      'a rule in a list of several lines',
      START + peer('alice', ALICE, 'allow = [\n  "localhost:80",\n  "localhost:http",\n  7,\n]'),
      [
        'relay.toml:8: peer.allow: "localhost:http": \'http\' is not a valid port: expected a number from 1 to 65535, a range as in 8000-8080, or *',
        'relay.toml:9: peer.allow: found 7, expected a rule "HOST:PORT", "CIDR:PORT" or "*.DOMAIN:PORT" (a string)',
      ],
    ],
    [
      'a public key that is none',
      START + peer('alice', 'not-a-key'),
      [
        'relay.toml:5: peer.public_key: found "not-a-key", expected a public key: 44 characters of base64, as underpass pubkey prints them',
      ],
    ],
    [
      'two peers with one name',
      START + peer('alice', ALICE) + peer('alice', BOB),
      ['relay.toml:8: peer.name: found "alice" as on line 4, expected each peer to have its own'],
    ],
    [
      'two peers with the same key, and another problem',
      `${START + peer('alice', ALICE) + peer('bob', ALICE)}surname = "b"\n`,
      [
        'relay.toml:9: peer.public_key: found the same key as on line 5, expected each peer to have its own',
        'relay.toml:11: peer.surname: unknown key; known keys: name, public_key, preshared_key_file, allow, allow_listen, max_rate',
      ],
    ],
    [
      "the relay's own key for a peer",
      START + peer('alice', OWN_KEY),
      ["relay.toml:5: peer.public_key: found this relay's own public key, expected the client's public key"],
    ],
    [
      "the relay's private key for a peer, without showing it",
      START + peer('alice', encodeKey(PRIVATE_KEY)),
      [
        "relay.toml:5: peer.public_key: found this relay's private key (not shown), expected the client's public key",
      ],
    ],
    [
      'a name with blanks',
      START + peer('my laptop', ALICE),
      [
        'relay.toml:4: peer.name: found "my laptop", expected a name of 1 to 64 letters, digits, dots, dashes and underscores, of which the first is a letter or digit',
      ],
    ],
    [
      'a log level that does not exist',
      `${START}[log]\nlevel = "loud"\n`,
      ['relay.toml:4: log.level: found "loud", expected one of debug, info, warn, error, silent'],
    ],
    [
      'a congestion controller that does not exist',
      `${START}congestion = "vegas"\n`,
      ['relay.toml:3: congestion: found "vegas", expected one of newreno, cubic, bbr'],
    ],
    [
      'too little memory for a peer',
      `${START}memory_per_peer_mib = 8\n`,
      ['relay.toml:3: memory_per_peer_mib: found 8, expected a whole number of MiB from 32 to 4096'],
    ],
    [
      'an invalid outage',
      `${START}max_outage_hours = 0.5\n`,
      ['relay.toml:3: max_outage_hours: found 0.5, expected a whole number of hours from 1 to 8760'],
    ],
    [
      'an invalid idle timeout',
      `${START}idle_timeout_minutes = 0\n`,
      ['relay.toml:3: idle_timeout_minutes: found 0, expected a whole number of minutes from 1 to 10080'],
    ],
    [
      'a key file that is missing',
      'listen = "1"\nprivate_key_file = "other.key"',
      [
        'relay.toml:2: private_key_file: cannot open the key file other.key: no such file or directory: make a key with: (umask 077; underpass keygen > other.key)',
      ],
    ],
  ])('with %s is refused', (_what, text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  it('with a key file that others can read is refused, with what to do', () => {
    chmodSync(path.join(directory, 'alice.psk'), 0o644);
    expect(problems(START + peer('alice', ALICE, 'preshared_key_file = "alice.psk"\nallow = []'))).toEqual([
      'relay.toml:6: peer.preshared_key_file: the key file alice.psk is open to other users (mode 0644): run: chmod 600 alice.psk',
    ]);
  });

  it('never shows a key written in place of a path', () => {
    const secret = encodeKey(PRIVATE_KEY);
    const [line] = problems(`listen = "1"\nprivate_key_file = "${secret}"\n`);
    expect(line).toContain('relay.toml:2: private_key_file: found what looks like a key');
    expect(problems(`listen = "${secret}"\nprivate_key_file = 1\n`).join()).not.toContain(secret.slice(0, 8));
  });

  it('refuses keys that would change the prototype of objects', () => {
    expect(problems('__proto__ = 1\n')).toHaveLength(1);
    expect(problems(`${START}constructor = 1\n`)).toHaveLength(1);
  });
});

describe('allow_listen in relay.toml', () => {
  it('is a list of listen rules, and may be absent', () => {
    const config = load(
      `${START}${peer('alice', ALICE, 'allow = []\nallow_listen = ["8080", "*:8000-8010"]')}${peer('bob', BOB)}`,
    );
    expect(config.peers.map(({ allowListen }) => allowListen?.map(({ text }) => text))).toEqual([
      ['8080', '*:8000-8010'],
      undefined,
    ]);
  });

  it('with a mistake is refused, with its place and what was expected', () => {
    expect(
      problems(`${START}${peer('alice', ALICE, 'allow = []\nallow_listen = ["example.com:80", 80]')}`),
    ).toEqual([
      `relay.toml:7: peer.allow_listen: "example.com:80": 'example.com' is not a valid address to listen on: expected localhost, an IP address (IPv6 in brackets) or *`,
      'relay.toml:7: peer.allow_listen: found 80, expected a rule "[BIND:]PORT" (a string)',
    ]);
  });
});

describe('max_rate in relay.toml', () => {
  it('is a rate with a unit, and is said in words', () => {
    const config = load(`${START}${peer('alice', ALICE, 'allow = []\nmax_rate = "10 MB/s"')}`);
    expect(config.peers[0]).toMatchObject({ maxRate: { text: '10 MB/s', bytesPerSecond: 10e6 } });
    expect(relayWords(config, [], 0).at(-1)).toBe('and may transfer at most 10 MB/s in each direction.');
  });

  it('names what is wrong', () => {
    expect(problems(`${START}${peer('alice', ALICE, 'allow = []\nmax_rate = "10"')}`)).toEqual([
      "relay.toml:7: peer.max_rate: '10' is not a rate: expected a number and a unit, for example 10 MB/s or 100 Mbit/s",
    ]);
  });
});
