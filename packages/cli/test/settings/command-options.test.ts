/** Each option of the commands that carry no traffic, from the command line to what it changes: a file that is written,
 *  a line that is printed, or what a longer task is given. A new option needs a row. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type AllowRule, parseInviteLink } from '@underpass/forward';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildProgram } from '../../src/commands/every-command.js';
import { writeKeyFile } from '../../src/key-file.js';
import { encodeKey } from '../../src/key-text.js';
import { publicKeyOf } from '../../src/public-key.js';
import { addInvite } from '../../src/store/store-changes.js';
import { loadStoredPeer } from '../../src/store/stored-peer.js';
import { invite, rules } from '../store/invites.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { declaredOptions, environmentOf } from './command-tree.js';

type Seen = Record<string, unknown>;

const stage = vi.hoisted(() => ({
  seen: {} as Record<string, unknown>,
  lines: [] as string[],
  isOutputAwaited: false,
}));

vi.mock('../../src/terminal.js', async (importOriginal) => ({
  ...(await importOriginal<typeof import('../../src/terminal.js')>()),
  printLine: (text: string) => void stage.lines.push(text),
  printErrorLine: () => undefined,
  requireOutput: () => {
    stage.isOutputAwaited = true;
    return Promise.resolve();
  },
  settleOutput: () => {
    stage.isOutputAwaited = true;
    return Promise.resolve(undefined);
  },
}));
// No relay of this user is asked or told.
vi.mock('../../src/control/ask-relay.js', () => ({
  runningRelay: () => Promise.resolve(undefined),
  reloadRunningRelay: () => Promise.resolve(undefined),
}));
vi.mock('../../src/control/collect-reports.js', () => ({
  collectReports: (name: string | undefined) => Promise.resolve({ reports: [name], problems: [] }),
}));
vi.mock('../../src/commands/status-output.js', () => ({
  requireSome: ({ reports }: { readonly reports: unknown }) => reports,
  jsonOf: () => '{}',
  textOf: () => 'text',
}));
vi.mock('../../src/commands/watch-status.js', () => ({
  watchStatus: (_name: unknown, isJson: boolean) => {
    stage.seen.watched = isJson ? 'json' : 'text';
  },
}));
vi.mock('../../src/doctor/examine.js', () => ({
  examine: async function* ({ config, targets, waitMs }: DoctorTask) {
    const { relay, relayPublicKey, privateKey, presharedKey } = config;
    Object.assign(stage.seen, { relay, waitMs, targets });
    stage.seen.keys = [relayPublicKey, privateKey, presharedKey].map((key) => key && shown(key));
  },
}));
vi.mock('../../src/service/install.js', () => ({
  install: ({ files }: { readonly files: readonly { text: string }[] }, task: ServiceTask) => {
    stage.seen = { dryRun: task.dryRun, isUser: task.isUser, unit: files.map(({ text }) => text).join('\n') };
  },
  uninstall: (_plan: unknown, task: ServiceTask) => {
    stage.seen = { dryRun: task.dryRun, isUser: task.isUser };
  },
}));
vi.mock('../../src/demo/run-demo.js', () => ({
  runDemo: (flags: object) => {
    Object.assign(stage.seen, flags);
    return Promise.resolve();
  },
}));
vi.mock('../../src/stop-signal.js', () => ({ untilStopSignal: () => new Promise(() => undefined) }));

interface DoctorTask {
  readonly config: {
    readonly relay: unknown;
    readonly relayPublicKey: Uint8Array;
    readonly privateKey: Uint8Array;
    readonly presharedKey: Uint8Array | undefined;
  };
  readonly targets: unknown;
  readonly waitMs: number;
}

interface ServiceTask {
  readonly dryRun: boolean;
  readonly isUser: boolean;
}

const shown = (key: Uint8Array): string => encodeKey(key).slice(0, 4);
const secret = (seed: number): Uint8Array => new Uint8Array(32).fill(seed);
const publicText = (seed: number): string => encodeKey(publicKeyOf(secret(seed)));

let directory = '';
const place = (name: string): string => path.join(directory, name);

function writeRelay(name: string, listen: number): void {
  mkdirSync(place(name));
  writeKeyFile(place(`${name}/relay.key`), secret(0x40 + 8 * listen));
  write(`${name}/relay.toml`, `listen = ${listen}\nprivate_key_file = "relay.key"\n`);
  // An invite, so that a command shows which store it has read.
  const open = { ...invite(Date.now() + 60_000), publicKey: publicKeyOf(secret(0x60 + listen)) };
  addInvite(place(`${name}/relay.d`), 'laptop', { allow: rules('old:1', 'old:2'), allowListen: [] }, open);
}

function write(name: string, text: string): void {
  writeFileSync(place(name), text, { mode: 0o600 });
}

beforeEach(() => {
  directory = temporaryDirectory();
  vi.stubEnv('XDG_CONFIG_HOME', place('home'));
  writeRelay('one', 1);
  writeRelay('two', 2);
  for (const seed of [0x48, 0x58]) writeKeyFile(place(`${seed}.key`), secret(seed));
  write(
    'client.toml',
    `relay = "file.example.org:1"\nrelay_public_key = "${publicText(0x42)}"\nprivate_key_file = "72.key"\n`,
  );
  write(
    'wg0.conf',
    `[Interface]\nPrivateKey = ${encodeKey(secret(0x48))}\nListenPort = 5\n[Peer]\nPublicKey = ${publicText(0x42)}\nAllowedIPs = 10.0.0.2/32\n`,
  );
  write(
    'home.conf',
    `[Interface]\nPrivateKey = ${encodeKey(secret(0x48))}\n[Peer]\nPublicKey = ${publicText(0x42)}\nEndpoint = 192.0.2.1:5\nAllowedIPs = 10.0.0.0/24\n`,
  );
});
afterEach(() => {
  vi.unstubAllEnvs();
  process.exitCode = undefined;
});

/** Runs one command. A name in angle brackets stands for a file of the test. */
async function run(argv: readonly string[]): Promise<Seen> {
  stage.seen = {};
  stage.lines.length = 0;
  stage.isOutputAwaited = false;
  const placed = argv.map((text) => text.replace(/<(.*)>/, (_, name: string) => place(name)));
  await buildProgram().parseAsync(placed, { from: 'user' });
  return { ...stage.seen, printed: [...stage.lines], ...stored() };
}

/** The peers in the stores of both relays after a command. */
function stored(): Seen {
  const peers = ['one', 'two'].flatMap((relay) =>
    ['laptop', 'desk'].map((name) => loadStoredPeer(place(`${relay}/relay.d`), name)),
  );
  const texts = (rules: readonly Pick<AllowRule, 'text'>[] = []) => rules.map(({ text }) => text).join(' ');
  return {
    allow: peers.map((peer) => peer && texts(peer.allow)),
    listen: peers.map((peer) => peer && texts(peer.allowListen)),
    maxRate: peers.map((peer) => peer?.maxRate?.text),
    minutesLeft: peers.map((peer) => peer && Math.round((peer.invite.expiresAtMs - Date.now()) / 60_000)),
  };
}

interface Row {
  /** The command with what it needs in any case. */
  readonly base: readonly string[];
  readonly option: string;
  readonly given: readonly string[];
  /** Picks what the option should have changed. */
  readonly look: (seen: Seen) => unknown;
  readonly is: unknown;
}

function rowsOf(base: readonly string[], ...rows: readonly Omit<Row, 'base'>[]): Row[] {
  return rows.map((row) => ({ base, ...row }));
}

const at =
  (name: string, index?: number) =>
  (seen: Seen): unknown =>
    index === undefined ? seen[name] : (seen[name] as readonly unknown[])[index];
const lines = (seen: Seen): readonly string[] => seen.printed as readonly string[];
const isJson = (seen: Seen): boolean => /^[[{]/.test(lines(seen)[0] ?? '');
const linkOf = (seen: Seen): unknown => {
  const link = parseInviteLink(lines(seen).at(-1) ?? '');
  return typeof link === 'string' ? link : 'endpoint' in link ? link.endpoint : link;
};

const CONFIG = ['--config', '<one/relay.toml>'];
const OTHER = ['--config', '<two/relay.toml>'];
const ENDPOINT = ['--endpoint', 'vpn.example.org:1'];
const INVITE = ['invite', 'desk', '--allow', 'db:1', ...ENDPOINT, ...CONFIG];
const DOCTOR = ['doctor', '--relay', '192.0.2.1:1', '--relay-key', publicText(0x42), '--key', '<72.key>'];

const ROWS: readonly Row[] = [
  ...rowsOf(
    INVITE,
    { option: '--allow', given: ['--allow', 'web:2'], look: at('allow', 1), is: 'db:1 web:2' },
    { option: '--allow-listen', given: ['--allow-listen', '80'], look: at('listen', 1), is: '80' },
    { option: '--max-rate', given: ['--max-rate', '3 MB/s'], look: at('maxRate', 1), is: '3 MB/s' },
    { option: '--expires', given: ['--expires', '7m'], look: at('minutesLeft', 1), is: 7 },
    {
      option: '--endpoint',
      given: ['--endpoint', '192.0.2.7:9'],
      look: linkOf,
      is: { host: '192.0.2.7', port: 9 },
    },
    { option: '--qr', given: ['--qr'], look: (seen) => lines(seen).length, is: 2 },
    { option: '--config', given: OTHER, look: at('allow', 3), is: 'db:1' },
  ),
  ...rowsOf(
    ['peers', ...CONFIG],
    { option: '--json', given: ['--json'], look: isJson, is: true },
    {
      option: '--config',
      given: ['--config', '<two/empty.toml>'],
      look: (seen) => lines(seen)[0]?.startsWith('nobody can connect yet'),
      is: true,
    },
  ),
  ...rowsOf(
    ['allow', 'laptop', 'new:3', ...CONFIG],
    { option: '--listen', given: ['--listen', '80'], look: at('listen', 0), is: '80' },
    { option: '--max-rate', given: ['--max-rate', '3 MB/s'], look: at('maxRate', 0), is: '3 MB/s' },
    { option: '--config', given: OTHER, look: at('allow', 2), is: 'old:1 old:2 new:3' },
  ),
  ...rowsOf(['revoke', 'laptop', 'old:1', ...CONFIG], {
    option: '--config',
    given: OTHER,
    look: at('allow', 2),
    is: 'old:2',
  }),
  ...rowsOf(
    ['status'],
    { option: '--json', given: ['--json'], look: isJson, is: true },
    { option: '--watch', given: ['--watch'], look: at('watched'), is: 'text' },
  ),
  ...rowsOf(
    DOCTOR,
    {
      option: '--relay',
      given: ['--relay', 'h:2'],
      look: at('relay'),
      is: { host: 'h', port: 2 },
    },
    {
      option: '--relay-key',
      given: ['--relay-key', publicText(0x43)],
      look: at('keys'),
      is: [publicText(0x43).slice(0, 4), shown(secret(0x48)), undefined],
    },
    {
      option: '--key',
      given: ['--key', '<88.key>'],
      look: at('keys'),
      is: [publicText(0x42).slice(0, 4), shown(secret(0x58)), undefined],
    },
    {
      option: '--preshared-key',
      given: ['--preshared-key', '<88.key>'],
      look: at('keys'),
      is: [publicText(0x42).slice(0, 4), shown(secret(0x48)), shown(secret(0x58))],
    },
    {
      option: '--target',
      given: ['--target', 'db:1', '--target', 'dns:53/udp'],
      look: (seen) => (seen.targets as unknown[]).length,
      is: 2,
    },
    { option: '--wait', given: ['--wait', '3'], look: at('waitMs'), is: 3_000 },
    { option: '--json', given: ['--json'], look: isJson, is: true },
  ),
  ...rowsOf(['check', ...CONFIG], {
    option: '--config',
    given: OTHER,
    look: (seen) => lines(seen).join('\n').includes('/two/'),
    is: true,
  }),
  ...rowsOf(['import', '<home.conf>'], {
    option: '--as',
    given: ['--as', 'vps'],
    look: (seen) => lines(seen)[0]?.includes('/relays/vps.toml'),
    is: true,
  }),
  ...rowsOf(['import', '<wg0.conf>'], {
    option: '--config',
    given: ['--config', '<new.toml>'],
    look: (seen) => lines(seen)[0]?.includes('/new.toml '),
    is: true,
  }),
  ...['install', 'uninstall'].flatMap((what) =>
    rowsOf(['service', what, 'relay'], {
      option: '--dry-run',
      given: ['--dry-run'],
      look: at('dryRun'),
      is: true,
    }),
  ),
  ...rowsOf(['service', 'install', 'relay', '--user'], {
    option: '--config',
    given: ['--config', '/etc/other.toml'],
    look: (seen) => String(seen.unit).includes('/etc/other.toml'),
    is: true,
  }),
  ...rowsOf(
    ['demo'],
    { option: '--capture', given: ['--capture', 'c'], look: at('capture'), is: 'c' },
    { option: '--qlog', given: ['--qlog', 'q'], look: at('qlog'), is: 'q' },
  ),
];

/** Those that need a test of their own, below. */
const OTHERWISE = [
  'revoke --listen',
  'service install --user',
  'service uninstall --user',
  'doctor --config',
];
const TRAFFIC = ['client', 'relay'];

const nameOf = ({ base: [command = '', sub = ''], option }: Row): string =>
  `${command === 'service' ? `service ${sub}` : command} ${option}`;

describe('the options of the other commands', () => {
  it('have a row each', () => {
    const declared = declaredOptions((name) => !TRAFFIC.includes(name));
    expect(new Set(declared)).toEqual(new Set([...ROWS.map(nameOf), ...OTHERWISE]));
  });

  beforeEach(() => {
    write('two/empty.toml', 'listen = 2\nprivate_key_file = "relay.key"\n');
  });

  it.each(ROWS.map((row) => [nameOf(row), row] as const))('%s has its effect', async (name, row) => {
    const { base, given, look, is } = row;
    // The option in place of the one that the command had in any case.
    const old = given[0] === undefined || given[0] === '--allow' ? -1 : base.indexOf(given[0]);
    const rest = old < 0 ? base : base.toSpliced(old, 2);
    const seen = await run([...rest, ...given]);
    expect(look(seen)).toEqual(is);
    // Without that, a command succeeds although nobody can read its result. The watch, which is replaced here, does it.
    expect(stage.isOutputAwaited).toBe(name !== 'status --watch');
    const variable = environmentOf(name);
    if (variable === undefined) return;
    forgetEffects();
    vi.stubEnv(
      variable,
      (given[1] ?? '').replace(/<(.*)>/, (_, file: string) => place(file)),
    );
    expect(look(await run(rest))).toEqual(is);
  });

  it.each(ROWS.map((row) => [nameOf(row), row] as const))('without %s there is none', async (_, row) => {
    expect(row.look(await run(row.base))).not.toEqual(row.is);
  });
});

/** Starts over with other files, because the first run has changed some. */
function forgetEffects(): void {
  for (const relay of ['one', 'two']) rmSync(place(relay), { recursive: true });
  writeRelay('one', 1);
  writeRelay('two', 2);
  write('two/empty.toml', 'listen = 2\nprivate_key_file = "relay.key"\n');
}

describe('options that need others', () => {
  it('revoke --listen removes that rule only', async () => {
    await run(['allow', 'laptop', '--listen', '80', '81', ...CONFIG]);
    const seen = await run(['revoke', 'laptop', '--listen', '80', ...CONFIG]);
    expect([at('listen', 0)(seen), at('allow', 0)(seen)]).toEqual(['81', 'old:1 old:2']);
  });

  it('allow --max-rate none removes the limit', async () => {
    await run(['allow', 'laptop', '--max-rate', '3 MB/s', ...CONFIG]);
    const seen = await run(['allow', 'laptop', '--max-rate', 'none', ...CONFIG]);
    expect(at('maxRate', 0)(seen)).toBeUndefined();
  });

  it('service uninstall writes no unit', async () => {
    expect((await run(['service', 'install', 'relay'])).unit).toContain('ExecStart=');
    expect((await run(['service', 'uninstall', 'relay'])).unit).toBeUndefined();
  });

  it.each(['install', 'uninstall'])('service %s --user is for this user, also for root', async (what) => {
    vi.spyOn(process, 'geteuid').mockReturnValue(0);
    expect((await run(['service', what, 'relay'])).isUser).toBe(false);
    expect((await run(['service', what, 'relay', '--user'])).isUser).toBe(true);
    vi.restoreAllMocks();
  });

  it('doctor --config examines the relay of that file', async () => {
    const seen = await run(['doctor', '--config', '<client.toml>']);
    expect(seen.relay).toEqual({ host: 'file.example.org', port: 1 });
  });

  it('status --watch --json is a stream of JSON', async () => {
    expect((await run(['status', '--watch', '--json'])).watched).toBe('json');
  });
});
