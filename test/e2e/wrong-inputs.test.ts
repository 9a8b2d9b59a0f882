/** What the program says about mistakes, all in one list: wrong-inputs.txt. Each message says what is wrong and what to do
 *  about it, and none shows a stack trace or a key. A changed message shows up here as a changed line.
 *
 *  To accept changed messages: npx vitest run --project program test/e2e/wrong-inputs.test.ts --update */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Machine, startRelay as startMachineRelay } from './machine.js';
import { runUnderpass } from './running-program.js';
import { closedPort, howItEnds, startConnecting, startTarget } from './tcp.js';
import { type KeyPair, newKey, setUpRelay, startClient, startRelay } from './tunnel.js';

const LIST = new URL('./wrong-inputs.txt', import.meta.url).pathname;
/** Some sixty processes, a few at a time, on a machine that may be busy. */
const TIMEOUT_MS = 600_000;
const AT_ONCE = 3;
const KEY = 'Igge9KzRytKNwrgkzDE/8hrLu6Ly0OqVdvOPWhA5KR4=';
const CLOCK = new URL('./shifted-clock.mjs', import.meta.url).href;
const HOUR_SECONDS = 3600;

/** What the user sees. */
interface Seen {
  /** Undefined if the program runs on. */
  readonly code: number | null | undefined;
  readonly lines: readonly string[];
}

interface Mistake {
  readonly what: string;
  /** As the user types it, without `underpass`. */
  readonly command: string;
  readonly see: () => Promise<Seen>;
}

const directory = mkdtempSync(path.join(tmpdir(), 'underpass-e2e-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const mistakes: Mistake[] = [];
let files = 0;

/** A command that ends by itself. The words of the command line are separated by spaces. */
function wrong(
  what: string,
  command: string,
  options: { stdin?: string; environment?: NodeJS.ProcessEnv } = {},
) {
  const environment = { XDG_CONFIG_HOME: path.join(directory, 'config'), ...options.environment };
  mistakes.push({ what, command, see: () => runUnderpass(command.split(' '), { ...options, environment }) });
}

/** A mistake that shows only while something runs. */
function later(what: string, command: string, see: Mistake['see']) {
  mistakes.push({ what, command, see });
}

function file(content: string, mode = 0o600): string {
  const name = path.join(directory, `file${++files}.toml`);
  writeFileSync(name, content, { mode });
  chmodSync(name, mode);
  return name;
}

/** Lines of the log of a program that runs on. */
function logged(event: Readonly<Record<string, unknown>>): Seen {
  return { code: undefined, lines: [`${String(event.level)}: ${String(event.msg)}`] };
}

const key: KeyPair = newKey(directory, 'client');
const own = readFileSync(key.file, 'utf8').trim();
const client = `client --relay localhost:1 --relay-key ${KEY} --key ${key.file}`;
const relayConfig = (peers: string, head = 'listen = "51820"') =>
  file(`${head}\nprivate_key_file = "${key.file}"\n\n${peers}`);
const peer = (lines: string) => `[[peer]]\nname = "laptop"\npublic_key = "${KEY}"\n${lines}\n`;

// --- the command line
wrong('an unknown command', 'clint');
wrong('an unknown option', 'relay --lisen 1');
wrong('an impossible port', 'relay --listen 99999');
wrong('no relay', 'client');
wrong('a forward without a target port', 'client -L 8080:localhost');
wrong('ranges of different lengths', 'client -L 8000-8010:db:5432');
wrong('a URL for a port', 'client -D socks5://127.0.0.1:1080');
wrong('a target without a port', 'client -W db');
wrong('a relay without anything to forward', client);
wrong('the same place twice', `${client} -L 8080:db:80 -D 8080`);
wrong('-W with another forward', `${client} -W db:22 -D 1080`);
wrong('a key on the command line', `client --key ${KEY}`);
wrong(
  'a private key for the public one',
  `client --relay localhost:1 --relay-key ${own} --key ${key.file} -D 1080`,
);
wrong('half of a public key', 'client --relay-key short');
wrong('too many workers', 'relay --workers 99');
wrong('an unknown suite', 'relay --suite rot13');
wrong('an unknown shell', 'completion tcsh');
wrong('an invite without rules', 'invite laptop');
wrong('an invite for an impossible name', 'invite my/laptop --allow localhost:80');
wrong('a rule without a port', 'invite laptop --allow localhost');
wrong('an invite that expires at once', 'invite laptop --allow localhost:80 --expires 1s');

// --- names
wrong('an unknown saved relay', 'client nowhere -D 1080');
wrong('a relay that nobody is enrolled at', 'doctor nowhere');
wrong('the status of a program that does not run', 'status nowhere');
wrong('a peer that does not exist', `revoke nobody --config ${relayConfig('')}`);
wrong('rules for a peer that does not exist', `allow nobody localhost:80 --config ${relayConfig('')}`);

// --- config files
wrong('a config that is missing', 'relay --config /nowhere/relay.toml');
wrong('a config that is a directory', `relay --config ${directory}`);
wrong('a config that is not TOML', `relay --config ${file('listen = 51820"\n')}`);
wrong('an unknown key', `relay --config ${relayConfig('', 'listen = "51820"\nlisten_adress = "::"')}`);
wrong('a value of the wrong kind', `relay --config ${relayConfig('', 'listen = true')}`);
wrong('a peer that may reach nothing', `check --config ${relayConfig(peer(''))}`);
wrong('a rule that is none', `check --config ${relayConfig(peer('allow = ["localhost:http"]'))}`);
wrong(
  'two peers of one name',
  `check --config ${relayConfig(`${peer('allow = ["a:1"]')}${peer('allow = ["a:1"]')}`)}`,
);
wrong('a peer key that is none', `check --config ${relayConfig(peer('allow = ["a:1"]').replace(KEY, 'x'))}`);
wrong(
  'a client without a port',
  `client --config ${file(`relay = "example.org"\nrelay_public_key = "${KEY}"\n`)}`,
);
wrong('a config that others may change', `relay --config ${file('listen = "51820"\n', 0o666)}`);
wrong('a file of WireGuard that is missing', 'import /nowhere/wg0.conf');
wrong('a file of WireGuard without a key', `import ${file('[Interface]\nAddress = 10.0.0.1/24\n')}`);

// --- keys
const openKey = newKey(directory, 'open');
chmodSync(openKey.file, 0o644);
wrong('a key that is missing', `client --relay a:1 --relay-key ${KEY} --key /nowhere/key -D 1080`);
wrong('a key that others can read', `client --relay a:1 --relay-key ${KEY} --key ${openKey.file} -D 1080`);
wrong(
  'a key file with something else',
  `client --relay a:1 --relay-key ${KEY} --key ${file('hello\n')} -D 1080`,
);
wrong('a key on stdin that is none', 'pubkey', { stdin: 'hello\n' });

// --- links
const LINK = `underpass://vpn.example.org:51820/${'A'.repeat(92)}`;
wrong('a link of something else', 'client https://example.org/x -D 1080');
wrong('a link without its end', 'client - -D 1080', { stdin: LINK.slice(0, -10) });
wrong('a link with a wrong character', 'client - -D 1080', { stdin: LINK });

later('a link that was used', 'client LINK', async () => {
  const { invite } = await startMachineRelay();
  const link = await invite('laptop', 'localhost:80');
  await new Machine().run(['client', link]);
  return new Machine().run(['client', link]);
});
later('a link that has expired', 'client LINK', async () => {
  const { server, endpoint } = await startMachineRelay();
  const made = await runUnderpass(['invite', 'laptop', '--allow', 'localhost:80', '--endpoint', endpoint], {
    environment: {
      ...server.environment,
      NODE_OPTIONS: `--import ${CLOCK}`,
      CLOCK_SHIFT_SECONDS: String(-25 * HOUR_SECONDS),
    },
  });
  return new Machine().run(['client', made.stdout.trim()]);
});
later('a link for a relay that does not run', 'client LINK', async () => {
  const { relay, invite } = await startMachineRelay();
  const link = await invite('laptop', 'localhost:80');
  relay.child.kill('SIGKILL');
  await relay.ended();
  return new Machine().run(['client', link]);
});
later('a second link for a relay', 'client LINK', async () => {
  const { invite } = await startMachineRelay();
  const laptop = new Machine();
  await laptop.run(['client', await invite('laptop', 'localhost:80'), '--as', 'vps']);
  return laptop.run(['client', await invite('again', 'localhost:80')]);
});
later('an invite of a name that is taken', 'invite laptop --allow localhost:80', async () => {
  const { server, endpoint, invite } = await startMachineRelay();
  await invite('laptop', 'localhost:80');
  return server.run(['invite', 'laptop', '--allow', 'localhost:80', '--endpoint', endpoint]);
});

// --- ports and addresses
later('a UDP port in use', 'relay --listen PORT', async () => {
  const setup = setUpRelay([]);
  const { port } = await startRelay(setup);
  return runUnderpass(['relay', '--config', setup.config, '--listen', `127.0.0.1:${port}`]);
});
later('a TCP port in use', 'client … -L PORT:localhost:80', async () => {
  const { port } = await startTarget(() => undefined);
  const other = client.replace(key.file, newKey(directory, 'other').file);
  return runUnderpass([...other.split(' '), '-L', `127.0.0.1:${port}:localhost:80`]);
});
wrong('an address of another machine', `relay --config ${relayConfig('')} --listen 192.0.2.1:51820`);
wrong(
  'a relay whose name does not exist',
  `${client.replace('localhost:1', 'relay.invalid:1')} --connect-timeout 10 -W db:22`,
);
wrong('a capture where nothing can be written', `${client} -D 0 --capture /nowhere/x.pcapng`);

// --- while it runs
later('a target that is not allowed', 'client … -L 0:127.0.0.1:9', async () => {
  const setup = setUpRelay(['localhost:80']);
  const relay = await startRelay(setup);
  const { program, ports } = await startClient(setup, relay.port, ['0:127.0.0.1:9']);
  await howItEnds(startConnecting(ports[0] ?? 0));
  return logged(await program.event('refused'));
});
later('a target where nothing listens', 'client … -L 0:127.0.0.1:PORT', async () => {
  const target = `127.0.0.1:${await closedPort()}`;
  const setup = setUpRelay([target]);
  const relay = await startRelay(setup);
  const { program, ports } = await startClient(setup, relay.port, [`0:${target}`]);
  await howItEnds(startConnecting(ports[0] ?? 0));
  return logged(await program.event('refused'));
});
later('a client whose key the relay does not know (its log)', 'client …', async () => {
  const setup = setUpRelay([]);
  const relay = await startRelay(setup);
  await startClient({ ...setup, clientKey: newKey(setup.directory, 'stranger') }, relay.port, [
    '0:localhost:80',
  ]);
  return logged(await relay.program.event('unknown-key'));
});
later('a client whose clock went back (the log of the relay)', 'client …', async () => {
  const setup = setUpRelay(['localhost:80']);
  const relay = await startRelay(setup);
  const first = await startClient(setup, relay.port, ['0:localhost:80']);
  await first.program.event('connected');
  first.program.child.kill('SIGTERM');
  await first.program.ended();
  const behind = { NODE_OPTIONS: `--import ${CLOCK}`, CLOCK_SHIFT_SECONDS: String(-HOUR_SECONDS) };
  await startClient(setup, relay.port, ['0:localhost:80'], [], behind);
  return logged(await relay.program.event('clock-behind'));
});
later('a config with a mistake, while the relay runs', 'relay …, then SIGHUP', async () => {
  const setup = setUpRelay([]);
  const relay = await startRelay(setup);
  writeFileSync(setup.config, 'listen = "51820"\n');
  relay.program.child.kill('SIGHUP');
  return logged(await relay.program.event('reload-failed'));
});

/** Without what differs from run to run. */
function normalised(line: string): string {
  return (
    line
      .replace(/\/[^\s'"]*underpass-e2e-[^\s/'":]+/g, 'DIR')
      .replace(/127\.0\.0\.1:\d{4,5}\b/g, '127.0.0.1:PORT')
      .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?/g, 'TIME')
      .replace(/\bUDP (port )?\d{4,5}(?= on 127\.|: start)/g, 'UDP $1PORT')
      .replace(/[A-Za-z0-9+/]{43}=/g, 'KEY')
      // A machine without a network cannot tell whether a name exists.
      .replace('does not resolve yet (EAI_AGAIN)', 'does not exist (ENOTFOUND)')
      .replace(/(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{8}…/g, 'KEY…')
  );
}

async function seeAll(): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  // Those that wait for something come last in the list, and are started first.
  const rest = [...mistakes.entries()].reverse().values();
  const work = async (): Promise<void> => {
    for (const [i, { see }] of rest) seen[i] = await see();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return seen;
}

it.skipIf(process.platform !== 'linux')(
  'says what is wrong and what to do, without a stack trace or a key',
  { timeout: TIMEOUT_MS },
  async () => {
    const seen = await seeAll();
    expect(seen.length).toBeGreaterThanOrEqual(40);
    const entries = seen.map(({ code, lines }, i) => {
      const { what, command } = mistakes[i] as Mistake;
      const text = lines.join('\n');
      expect({ what, text }).toEqual({
        what,
        text: expect.not.stringMatching(/^\s+at |node:internal|undefined/m),
      });
      expect({ what, text: text.includes(own) }).toEqual({ what, text: false });
      expect({ what, lines: lines.length }).not.toEqual({ what, lines: 0 });
      // What is wrong, then what was expected or what to do.
      for (const line of lines)
        expect({ what, line }).toEqual({ what, line: expect.stringMatching(/.: .+[:,;(] .+/) });
      const exit = code === undefined ? 'runs on' : `code ${code}`;
      return [`# ${what} (${exit})`, normalised(`$ underpass ${command}`), ...lines.map(normalised)].join(
        '\n',
      );
    });
    await expect(`${entries.join('\n\n')}\n`).toMatchFileSnapshot(LIST);
  },
);
