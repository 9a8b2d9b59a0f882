/** The demo with processes that only report: what it starts, what it shows, and that it leaves nothing behind. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { shortKey } from '@underpass/runtime';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { loadClientConfig } from '../../src/config/client-config.js';
import { loadRelayConfig } from '../../src/config/relay-config.js';
import { download } from '../../src/demo/download.js';
import { type DemoFlags, runDemo } from '../../src/demo/run-demo.js';
import { ExitCode } from '../../src/exit-code.js';
import { recordPrinted } from '../commands/printed.js';
import { temporaryDirectory } from '../temporary-directory.js';

type Events = Record<string, Record<string, unknown>>;
const stage = vi.hoisted(() => ({
  started: [] as string[][],
  stopped: [] as string[],
  events: {} as Record<string, Record<string, unknown>>,
  /** Called before an event is reported. */
  before: (_event: string): void | Promise<void> => undefined,
}));
vi.mock('../../src/demo/reporting-process.js', () => ({
  ReportingProcess: class {
    name: string;
    constructor(name: string, nodeArguments: readonly string[]) {
      this.name = name;
      stage.started.push([name, ...nodeArguments]);
    }
    async event(event: string): Promise<Record<string, unknown>> {
      await stage.before(event);
      const known = stage.events[`${this.name} ${event}`];
      if (known === undefined) throw new Error(`${this.name} has no ${event}`);
      return { event, ...known };
    }
    async stop(): Promise<void> {
      stage.stopped.push(this.name);
    }
  },
}));

const BODY = Buffer.alloc(100_000, 'underpass');
const SHA256 = createHash('sha256').update(BODY).digest('hex');
const NEVER = new Promise<never>(() => undefined);

/** Answers requests. @returns the port */
async function serverWith(answer: (response: ServerResponse) => void): Promise<number> {
  const server = createServer((_request, response) => answer(response));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

let directory = '';
let port = 0;
let printed: () => string[];
const text = () =>
  printed()
    .map((line) => line.slice(4).replaceAll(String(port), 'PORT'))
    .join('\n');
beforeEach(async () => {
  directory = temporaryDirectory();
  vi.stubEnv('TMPDIR', directory);
  onTestFinished(() => void vi.unstubAllEnvs());
  printed = recordPrinted(false);
  port = await serverWith((response) => response.end(BODY));
  const summary = {
    handshakes: 1,
    datagramsSent: 1000,
    datagramsReceived: 9000,
    bytesSent: 64_000,
    bytesReceived: 10_900_000,
    streamBytesSent: 100,
    streamBytesReceived: 10_485_760,
    packetsLost: 0,
  };
  const events: Events = {
    'the HTTP service listening': { port: 8000 },
    'the relay listening': { port: 51820 },
    'the client listening': { addresses: [{ address: '127.0.0.1', port }] },
    'the client connected': { handshakeRttMs: 1.25 },
    'the client stream-opened': { target: '127.0.0.1:8000' },
    'the HTTP service served': { bytes: BODY.length, sha256: SHA256 },
    'the client summary': summary,
    'the client captured': { file: '/tmp/a.pcapng', datagrams: 10_000 },
  };
  Object.assign(stage, { events, before: () => undefined });
  stage.started.length = 0;
  stage.stopped.length = 0;
});

/** Runs a demo that fails, and returns why. */
const failureOf = (flags: DemoFlags = {}, interrupted = NEVER): Promise<Error> =>
  runDemo(flags, interrupted).then(
    () => new Error('it did not fail'),
    (error: Error) => error,
  );

describe('the demo', () => {
  it('shows each step with its figures, and that both ends of the tunnel saw the same bytes', async () => {
    let configs: string[] = [];
    let keys: string[] = [];
    stage.before = (event) => {
      if (event !== 'connected') return;
      configs = stage.started.flatMap((words) => words.filter((word) => word.endsWith('.toml')));
      const [relay = '', client = ''] = configs;
      const { publicKey, peers } = loadRelayConfig(relay);
      const of = loadClientConfig(client);
      keys = [publicKey, of.publicKey].map((key) => shortKey(key));
      expect(peers.map(({ publicKey: key, allow }) => [key, allow.map((rule) => rule.text)])).toEqual([
        [of.publicKey, ['127.0.0.1:8000']],
      ]);
      expect([of.relay, of.relayPublicKey]).toEqual([{ host: '127.0.0.1', port: 51820 }, publicKey]);
      expect(of.forwards.map((forward) => forward.text)).toEqual(['127.0.0.1:0:127.0.0.1:8000']);
      expect(statSync(path.dirname(client)).mode & 0o777).toBe(0o700);
    };
    await runDemo({}, NEVER);
    expect(text().replace(/took +[\d.]+ s, [\d.]+ \S+\/s/, 'took SPEED')).toBe(
      [
        '\nUnderpass demo: one download through the tunnel, everything on this machine\n',
        '  1  HTTP service      http://127.0.0.1:8000/ has 10.0 MiB of pseudo-random bytes',
        `  2  relay             UDP 127.0.0.1:51820, public key ${keys[0]}`,
        '                       lets the client below reach 127.0.0.1:8000, and nothing else',
        `  3  client            TCP 127.0.0.1:PORT, public key ${keys[1]}`,
        '  4  handshake         done, round trip 1.3 ms: both sides proved that they hold their keys',
        '  5  download          http://127.0.0.1:PORT/ from here: client, relay, HTTP service, and back',
        '     stream            opened to 127.0.0.1:8000',
        `     sent              100,000 bytes, SHA-256 ${SHA256}`,
        `     received          100,000 bytes, SHA-256 ${SHA256}`,
        '                       equal',
        '     took SPEED',
        '  6  on the wire       client to relay   1,000 datagrams       92,000 bytes',
        '                       relay to client   9,000 datagrams   11,152,000 bytes',
        '     overhead          7.2 % over the body, both ways, IP and UDP headers counted',
        '\nEvery byte arrived as it was sent. All processes are stopped, all files removed.\n',
      ].join('\n'),
    );
    const [program, relay = '', client = ''] = [process.argv[1], ...configs];
    expect(stage.started).toEqual([
      ['the HTTP service', expect.stringMatching(/http-service\.js$/), '10485760'],
      ['the relay', program, 'relay', '--config', relay],
      ['the client', program, 'client', '--config', client, '--log-level', 'debug'],
    ]);
    // The client's summary comes when it stops; the others follow in reverse.
    expect(stage.stopped).toEqual(['the client', 'the client', 'the relay', 'the HTTP service']);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('records what is asked for, and says where the capture is', async () => {
    await runDemo({ capture: '/tmp/a.pcapng', qlog: '/tmp/b.qlog' }, NEVER);
    expect(stage.started[2]?.slice(-4)).toEqual(['--capture', '/tmp/a.pcapng', '--qlog', '/tmp/b.qlog']);
    const shown = text();
    expect(shown).toContain(
      '  7  capture           10,000 datagrams, with what opens them, in /tmp/a.pcapng\n',
    );
    expect(shown).toContain('look inside: tshark -r /tmp/a.pcapng, or open it in Wireshark\n');
    expect(shown).toContain('all files removed except the recordings.');
    await runDemo({ qlog: '/tmp/b.qlog' }, NEVER);
    expect(text()).toMatch(/^(?!.*tshark)(.*\n)*.*except the recordings\.\n$/);
  });

  it.each([
    ['bytes', { bytes: BODY.length, sha256: 'other' }],
    ['length', { bytes: BODY.length + 1, sha256: SHA256 }],
  ])('fails if the %s differ, and shows both', async (_what, served) => {
    stage.events['the HTTP service served'] = served;
    expect(await failureOf()).toMatchObject({
      exitCode: ExitCode.failure,
      message: 'what came out of the tunnel is not what went in',
    });
    expect(text()).toContain('DIFFERENT');
    expect([stage.stopped.length, readdirSync(directory)]).toEqual([3, []]);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['the relay listening', { port: 'x' }, "a report of 'listening' lacks the number port"],
    ['the client listening', { addresses: [] }, 'lacks the number port'],
    ['the client listening', { addresses: [null] }, 'lacks the number port'],
    ['the client listening', {}, 'lacks the number port'],
    ['the client summary', {}, "a report of 'summary' lacks the number handshakes"],
  ])('fails if %s reports %j, and cleans up', async (event, report, message) => {
    stage.events[event] = report;
    expect(await failureOf()).toMatchObject({ message: expect.stringContaining(message) });
    expect(readdirSync(directory)).toEqual([]);
  });

  it('ends when the user stops it, and starts nothing after that', async () => {
    let interrupt = (_error: Error): void => undefined;
    const interrupted = new Promise<never>((_, reject) => {
      interrupt = reject;
    });
    let goOn = (): void => undefined;
    stage.before = () => {
      interrupt(new Error('stopped by SIGINT'));
      return new Promise<void>((resolve) => {
        goOn = resolve;
      });
    };
    expect(await failureOf({}, interrupted)).toMatchObject({ message: 'stopped by SIGINT' });
    goOn();
    await new Promise(setImmediate);
    expect(stage.started.map(([name]) => name)).toEqual(['the HTTP service']);
    expect([stage.stopped, readdirSync(directory)]).toEqual([['the HTTP service'], []]);
  });

  it('says so if it can write no files', async () => {
    const missing = path.join(directory, 'missing');
    vi.stubEnv('TMPDIR', missing);
    expect(await failureOf()).toMatchObject({
      exitCode: ExitCode.failure,
      message: `cannot create a temporary directory in ${missing}: no such file or directory`,
      hint: 'set TMPDIR to a writable directory',
    });
    expect([stage.started, existsSync(missing)]).toEqual([[], false]);
  });
});

describe('a download', () => {
  it('has the length and the hash of what came', async () => {
    expect(await download(`http://127.0.0.1:${port}/`, 5000)).toMatchObject({
      bytes: BODY.length,
      sha256: SHA256,
    });
  });

  it.each<[string, (response: ServerResponse) => void, number, string]>([
    ['nothing comes', () => undefined, 20, 'nothing came for 0.02 s'],
    [
      'the answer breaks off',
      (response) => void response.write('x', () => response.destroy()),
      5000,
      'ECONNRESET',
    ],
    ['the connection ends', (response) => void response.destroy(), 5000, 'ECONNRESET'],
  ])('fails if %s', async (_what, answer, idleLimitMs, reason) => {
    const url = `http://127.0.0.1:${await serverWith(answer)}/`;
    await expect(download(url, idleLimitMs)).rejects.toMatchObject({
      exitCode: ExitCode.failure,
      message: `the download through the tunnel failed: ${reason}`,
    });
  });
});
