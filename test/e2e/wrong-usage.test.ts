/** The messages and exit codes for an invalid command line, config or key file. Scripts and users rely on the messages,
 *  so they are tested word for word. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { runUnderpass, startUnderpass } from './running-program.js';
import { temporaryDirectory } from './temporary-directory.js';
import { newKey, setUpRelay } from './tunnel.js';

const KEY = 'Igge9KzRytKNwrgkzDE/8hrLu6Ly0OqVdvOPWhA5KR4=';

const KEY_REFUSED =
  'underpass: --key expects the path of a key file, but got what looks like a key: other users could see that key: make a new one';

describe('an invalid command line causes code 2 and one line', () => {
  it.each<[string[], string]>([
    [['clint'], "underpass: unknown command 'clint' (Did you mean client?): see underpass --help"],
    [
      ['relay', '--lisen', '1'],
      "underpass: unknown option '--lisen' (Did you mean --listen?): see underpass relay --help",
    ],
    [
      ['relay', '--listen', '99999'],
      "underpass: option '--listen <[host:]port>' argument '99999' is invalid. Expected PORT or HOST:PORT, IPv6 in brackets: see underpass relay --help",
    ],
    [
      ['client'],
      'underpass: no relay is given: give the name of a saved relay, the link of an invite, --config FILE, or --relay, --relay-key and --key',
    ],
    [
      ['client', '--relay', 'localhost:1', '--key', 'x'],
      'underpass: --relay-key is missing: give --config FILE, or --relay HOST:PORT, --relay-key PUBLIC_KEY and --key FILE',
    ],
    [
      ['client', '--config', 'x', '--key', 'y'],
      'underpass: --key cannot be combined with --config: put it into the config file, or leave --config out',
    ],
    [
      ['client', 'https://example.org/x', '-D', '1080'],
      "underpass: 'https://example.org/x' is neither a link nor the name of a saved relay: the link of an invite starts with underpass://",
    ],
    [
      ['service', 'install', 'client', '--dry-run'],
      'underpass: no relay is given for the client: give the name that underpass client NAME takes',
    ],
    [
      ['client', '-L', '8080:localhost'],
      "underpass: option '-L, --local-forward <[bind:]port:host:hostport>' argument '8080:localhost' is invalid. '8080:localhost': expected [bind:]port:host:hostport, for example 8080:example.com:80: see underpass client --help",
    ],
    [
      ['client', '-L', '8000-8010:db:5432'],
      "underpass: option '-L, --local-forward <[bind:]port:host:hostport>' argument '8000-8010:db:5432' is invalid. '8000-8010:db:5432' has 11 ports to listen on, but one port at the target: expected as many: see underpass client --help",
    ],
    [
      ['client', '-D', 'socks5://127.0.0.1:1080'],
      "underpass: option '-D, --dynamic-forward <[bind:]port>' argument 'socks5://127.0.0.1:1080' is invalid. 'socks5://127.0.0.1:1080' contains socks5:// as in a URL: write 127.0.0.1:1080: see underpass client --help",
    ],
    [
      ['client', '-W', 'db'],
      "underpass: option '-W, --stdio <host:port>' argument 'db' is invalid. 'db': expected host:port, for example example.com:22, IPv6 in brackets: see underpass client --help",
    ],
    [
      ['client', '--relay-key', 'short'],
      'underpass: --relay-key is not a public key: expected 44 characters of base64, as underpass pubkey prints them',
    ],
    ...['--key', '--preshared-key'].map((option): [string[], string] => [
      ['client', option, KEY],
      `underpass: ${option} expects the path of a key file, but got what looks like a key: other users could see that key: make a new one`,
    ]),
    ...['--config', '--key-log'].map((option): [string[], string] => [
      ['relay', option, KEY],
      `underpass: ${option} expects the path of ${option === '--config' ? 'a config file' : 'a file to append to'}, but got what looks like a key: other users could see that key: make a new one`,
    ]),
    [['client', '--key', KEY.slice(0, 43)], KEY_REFUSED],
    [[KEY], "underpass: unknown command '(a key, not shown)': see underpass --help"],
    [
      ['client', `--kee=${KEY}`],
      "underpass: unknown option '--kee=(a key, not shown)': see underpass client --help",
    ],
    [
      ['client', '--persistent-keepalive', '-1'],
      "underpass: option '--persistent-keepalive <seconds>' argument '-1' is invalid. Expected whole seconds from 0 (off) to 65535: see underpass client --help",
    ],
  ])('underpass %j', async (commandArguments, line) => {
    expect(await runUnderpass(commandArguments)).toEqual({ code: 2, stdout: '', lines: [line] });
  });

  it('never shows a private key given in place of a public one', async () => {
    const directory = temporaryDirectory();
    const { file } = newKey(directory, 'client');
    const secret = readFileSync(file, 'utf8').trim();
    const flags = ['--relay', 'localhost:1', '--relay-key', secret, '--key', file, '-L', '0:localhost:80'];
    expect(await runUnderpass(['client', ...flags])).toEqual({
      code: 2,
      stdout: '',
      lines: [
        `underpass: --relay-key is the same key as in ${file}, but one must be public and the other private: if it is your private key, other users could see it: make a new one`,
      ],
    });
  });

  it.each([
    [[], 'nothing to forward: give a forward, for example -L [BIND:]PORT:HOST:HOSTPORT or -D [BIND:]PORT'],
    [
      ['-L', '8080:db:80', '-D', '8080'],
      'two forwards listen at the same place: 8080:db:80 and 8080: change one of them, or leave it out',
    ],
    [
      ['-W', 'db:22', '-D', '1080'],
      '-W carries one connection and cannot be combined with other forwards: leave them out',
    ],
    [
      ['--proxy-protocol', '-D', '1080'],
      '--proxy-protocol needs a -L or -R whose target is to be told who connected: in a config file, write ,proxy-protocol behind the forward',
    ],
  ])('of forwards causes code 2: %j', async (flags, line) => {
    const { file } = newKey(temporaryDirectory(), 'client');
    const relay = ['--relay', 'localhost:1', '--relay-key', KEY, '--key', file];
    const { code, lines } = await runUnderpass(['client', ...relay, ...flags]);
    expect([code, lines]).toEqual([2, [`underpass: ${line}`]]);
  });

  it.each([
    ['--help'],
    ['relay', '--help'],
    ['client', '-h'],
    ['help', 'keygen'],
    ['demo', '--help'],
    ['pubkey', '-h'],
  ])('is not underpass %s %s, which shows an example and exits with 0', async (...commandArguments) => {
    const { code, stdout, lines } = await runUnderpass(commandArguments.filter((text) => text !== undefined));
    expect([code, lines]).toEqual([0, []]);
    // One heading, and under it commands of this page only.
    const [, ...examples] = stdout.split('Example:\n');
    expect(examples).toHaveLength(1);
    const command = commandArguments.find((text) => text !== undefined && /^(?!help)\w/.test(text)) ?? 'demo';
    expect(examples[0]).toContain(`underpass ${command}`);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  it('prints its version', async () => {
    const { code, stdout } = await runUnderpass(['--version']);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
  });
});

describe('an invalid config causes code 3 and a line for each problem', () => {
  it('of a relay', async () => {
    const { directory, config, clientKey } = setUpRelay([]);
    writeFileSync(
      config,
      `lisen = "51820"
private_key_file = "relay.key"

[[peer]]
name = "laptop"
public_key = "${clientKey.publicKey}"
allow = [
  "localhost:80",
  "localhost:http",
]

[[peer]]
name = "laptop"
public_key = "nonsense"
allow = ["*"]
`,
    );
    const { code, stdout, lines } = await runUnderpass(['relay', '--config', config]);
    expect([code, stdout]).toEqual([3, '']);
    expect(lines.map((line) => line.replace(`${directory}/`, ''))).toEqual([
      'relay.toml:1: listen: found nothing, expected a port, or "HOST:PORT" (IPv6 in brackets)',
      'relay.toml:1: lisen: unknown key; did you mean listen?',
      'relay.toml:9: peer.allow: "localhost:http": \'http\' is not a valid port: expected a number from 1 to 65535, a range as in 8000-8080, or *',
      'relay.toml:13: peer.name: found "laptop" as on line 5, expected each peer to have its own',
      'relay.toml:14: peer.public_key: found "nonsense", expected a public key: 44 characters of base64, as underpass pubkey prints them',
      "relay.toml:15: peer.allow: '*' has no port: expected host:port, network/prefix:port, *.domain:port, *:port or unix:/path, for example example.com:443, with /udp behind the port for UDP",
    ]);
  });

  it('of a client', async () => {
    const directory = temporaryDirectory();
    const config = path.join(directory, 'client.toml');
    writeFileSync(config, `relay = "example.org"\nrelay_public_key = "${KEY}"\nprivate_key = "x"\n`);
    const { code, lines } = await runUnderpass(['client', '--config', config]);
    expect(code).toBe(3);
    expect(lines.map((line) => line.replace(`${directory}/`, ''))).toEqual([
      'client.toml:1: relay: found "example.org", expected "HOST:PORT" (a string; IPv6 in brackets)',
      'client.toml:1: private_key_file: found nothing, expected the path of a key file (a string)',
      'client.toml:3: private_key: unknown key; did you mean private_key_file?',
    ]);
  });

  it('that is missing where UNDERPASS_CONFIG says', async () => {
    const relay = startUnderpass(['relay'], { UNDERPASS_CONFIG: '/nowhere/relay.toml' });
    expect(await relay.ended()).toMatchObject({ code: 3 });
    expect(relay.plainLines).toEqual([
      'underpass: cannot read the config file /nowhere/relay.toml: no such file or directory: check the path given with UNDERPASS_CONFIG',
    ]);
  });

  it('of WireGuard that is missing', async () => {
    expect(await runUnderpass(['import', '/nowhere/wg0.conf'])).toMatchObject({
      code: 3,
      lines: [
        'underpass: cannot read /nowhere/wg0.conf: no such file or directory: give the path of a WireGuard file',
      ],
    });
  });

  it('that is missing', async () => {
    expect(await runUnderpass(['relay', '--config', '/nowhere/relay.toml'])).toMatchObject({
      code: 3,
      lines: [
        'underpass: cannot read the config file /nowhere/relay.toml: no such file or directory: check the path given with --config',
      ],
    });
  });
});

describe('a key file that others can read causes code 3 and the advice to chmod 600', () => {
  it('for a client', async () => {
    const { file } = newKey(temporaryDirectory(), 'client');
    chmodSync(file, 0o644);
    const flags = ['--relay', 'localhost:1', '--relay-key', KEY, '--key', file, '-L', '0:localhost:80'];
    expect(await runUnderpass(['client', ...flags])).toMatchObject({
      code: 3,
      lines: [`underpass: the key file ${file} is open to other users (mode 0644): run: chmod 600 ${file}`],
    });
  });

  it('for a relay, with the line of the config', async () => {
    const { config, relayKey } = setUpRelay([]);
    chmodSync(relayKey.file, 0o640);
    expect(await runUnderpass(['relay', '--config', config])).toMatchObject({
      code: 3,
      lines: [
        `${config}:2: private_key_file: the key file ${relayKey.file} is open to other users (mode 0640): run: chmod 600 ${relayKey.file}`,
      ],
    });
  });
});
