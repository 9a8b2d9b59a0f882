/** The library as the package offers it: the examples of docs/guide/library.md run, programs end by themselves, and the
 *  declarations stand alone. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { generateKeyPair } from '../../packages/cli/src/library/index.js';
import { createRelay } from '../../packages/cli/src/library/relay.js';
import { newKeys, rules, runRelay } from '../../packages/cli/test/tunnel/in-process.js';
import { parseListenRule } from '../../packages/forward/src/reverse/listen-rules.js';
import { DEADLINE_MS } from './deadline.js';
import { temporaryDirectory } from './temporary-directory.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const GUIDE = readFileSync(path.join(ROOT, 'docs', 'guide', 'library.md'), 'utf8');
/** The programs of the guide, in order. */
const EXAMPLES = [...GUIDE.matchAll(/^```js\n(.*?)^```/gms)].map(([, code = '']) => code);
const run = promisify(execFile);

/** A project in which the package and undici are installed. */
let project = '';
beforeEach(() => {
  project = temporaryDirectory();
  mkdirSync(path.join(project, 'node_modules', '@types'), { recursive: true });
  for (const name of ['underpass', 'undici', '@types/node']) {
    symlinkSync(path.join(ROOT, 'node_modules', name), path.join(project, 'node_modules', name));
  }
});

/** Runs a program until it ends by itself. */
async function output(code: string, environment: NodeJS.ProcessEnv = {}): Promise<string> {
  const file = path.join(project, 'program.mjs');
  writeFileSync(file, code);
  const env = { ...process.env, XDG_RUNTIME_DIR: project, ...environment };
  const { stdout, stderr } = await run(process.execPath, [file], { env, cwd: project, timeout: DEADLINE_MS });
  expect(stderr).toBe('');
  return stdout;
}

/** A relay that this user has enrolled at, as `my-relay`, and a web server that it reaches as app.internal. */
async function setUp() {
  const web = http.createServer((request, response) => response.end(`this is ${request.url}\n`));
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  onTestFinished(() => void web.close());
  const { port } = web.address() as AddressInfo;
  const [relayKeys, keys] = [newKeys(), newKeys()];
  const anyPort = parseListenRule('*');
  if ('reason' in anyPort) throw new Error(anyPort.reason);
  const { relay } = await runRelay({
    privateKey: relayKeys.privateKey,
    peers: [
      {
        name: 'my-program',
        publicKey: keys.publicKey,
        allow: rules([`app.internal:${port}`, `127.0.0.1:${port}`]),
        allowListen: [anyPort],
      },
    ],
    resolve: async () => ['127.0.0.1'],
  });
  const relays = path.join(project, 'config', 'underpass', 'relays');
  mkdirSync(relays, { recursive: true, mode: 0o700 });
  const text = (key: Uint8Array) => Buffer.from(key).toString('base64');
  const clamped = Uint8Array.from(keys.privateKey);
  clamped[0] = (clamped[0] ?? 0) & 248;
  clamped[31] = ((clamped[31] ?? 0) & 127) | 64;
  writeFileSync(path.join(relays, 'my-relay.key'), `${text(clamped)}\n`, { mode: 0o600 });
  writeFileSync(
    path.join(relays, 'my-relay.toml'),
    `relay = "127.0.0.1:${relay.address.port}"\nrelay_public_key = "${text(relayKeys.publicKey)}"\nprivate_key_file = "my-relay.key"\n`,
    { mode: 0o600 },
  );
  return { port, environment: { XDG_CONFIG_HOME: path.join(project, 'config'), LINK: await newLink() } };
}

/** The link of an invite of another relay. */
async function newLink(): Promise<string> {
  const { privateKey } = generateKeyPair();
  const relay = await createRelay({ listen: '127.0.0.1:0', privateKey, peers: [], onEnrol: () => {} });
  onTestFinished(() => relay.close());
  return relay.invite('my-program', { allow: [] }).link;
}

describe('the examples of docs/guide/library.md', () => {
  it.each([
    [0, /^enrolled as my-program\n$/],
    [1, /^HTTP\/1\.1 200 OK\r\n.*this is \/status\n$/s],
    [2, /^this is \/status\n$/],
    [3, /^this is \/status\n\n$/],
    [4, /^the relay listens on port \d+\n$/],
    [5, /^the relay listens on port \d+\n$/],
    [6, /^not-allowed EACCES\nthe tunnel goes on\n$/],
    [7, /^true\n$/],
    [8, /^underpass client underpass:\/\/127\.0\.0\.1:\d+\/\S{92}\nworks once, for 24 hours\n$/],
  ])('number %i prints what it should, and ends by itself', async (index, expected) => {
    const { port, environment } = await setUp();
    const code = (EXAMPLES[index] ?? '').replaceAll('internal:8080', `internal:${port}`).replace('9000', '0');
    expect(await output(code, environment)).toMatch(expected);
  });

  it('are all tried', () => {
    expect(EXAMPLES).toHaveLength(9);
  });
});

describe('a program', () => {
  it('that could not connect ends by itself, and says why', async () => {
    const { environment } = await setUp();
    const code = `
      import { connect, generateKeyPair, UnderpassError } from 'underpass';
      const keys = { relayPublicKey: generateKeyPair().publicKey, privateKey: generateKeyPair().privateKey };
      const codes = [];
      for (const [relay, options] of [
        ['my-rely', {}],
        [{ config: 'missing.toml' }, {}],
        [{ relay: '127.0.0.1:9', ...keys }, { connectTimeoutMs: 1 }],
        [{ relay: '127.0.0.1:9', ...keys }, { signal: AbortSignal.timeout(1), connectTimeoutMs: 0 }],
      ]) {
        await connect(relay, options).catch((error) => {
          codes.push(error instanceof UnderpassError ? error.code + ': ' + error.hint.split(':')[0] : error.name);
        });
      }
      console.log(codes.join('\\n'));`;
    const lines = (await output(code, environment)).trimEnd().split('\n');
    expect(lines[0]).toBe('invalid-config: did you mean my-relay?');
    expect(lines[1]).toMatch(/^invalid-config: /);
    expect(lines[2]).toMatch(/^relay-not-reached: /);
    expect(lines[3]).toBe('TimeoutError');
  });

  it('cannot use the keys that another tunnel uses', async () => {
    const { environment } = await setUp();
    const code = `
      import { connect } from 'underpass';
      const first = await connect('my-relay');
      await connect('my-relay').catch((error) => console.log(error.code));
      await first.close();
      await (await connect('my-relay')).close();`;
    expect(await output(code, environment)).toBe('client-running\n');
  });
});

describe('the declarations', () => {
  it('import nothing that the package does not contain', () => {
    for (const name of ['api', 'relay-api']) {
      const text = readFileSync(path.join(ROOT, 'packages', 'cli', 'bundle', `${name}.d.ts`), 'utf8');
      const imported = [...text.matchAll(/^(?:import|export|\}).*? from '([^']+)'/gm)].map(
        ([, from]) => from,
      );
      expect(imported).toContain('node:events');
      expect(imported.filter((from) => from !== './api.js' && !from?.startsWith('node:'))).toEqual([]);
    }
  });

  it('fit a program with strict types, and undici', async () => {
    const file = path.join(project, 'program.mts');
    writeFileSync(
      file,
      `import type { Duplex } from 'node:stream';
       import { Agent } from 'undici';
       import { connect, type Tunnel, UnderpassError } from 'underpass';
       import { createRelay } from 'underpass/relay';
       const tunnel: Tunnel = await connect('my-relay', { signal: AbortSignal.timeout(1) });
       const duplex: Duplex = tunnel.dial({ host: 'db', port: 5432 });
       new Agent({ connect: tunnel.connector });
       tunnel.on('disconnected', ({ cause }) => cause satisfies string);
       await tunnel.listen(0, (visitor) => visitor.end(visitor.remoteAddress), { allowHalfOpen: true });
       duplex.on('error', (error) => error instanceof UnderpassError && error.code === 'closed');
       // @ts-expect-error: a peer needs a list of what it may reach
       await createRelay({ listen: '0', privateKey: '', peers: [{ name: 'a', publicKey: '' }] });\n`,
    );
    const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--types', 'node'];
    const modules = ['--target', 'es2023', '--module', 'nodenext'];
    const tsc = path.join(ROOT, 'node_modules', '.bin', 'tsc');
    await expect(run(tsc, [...options, ...modules, file], { cwd: project })).resolves.toMatchObject({
      stdout: '',
    });
  });
});
