import { once } from 'node:events';
import {
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  ServerResponse,
} from 'node:http';
import { connect } from 'node:net';
import { type Log, monotonicMs, silentLog } from '@underpass/runtime';
import type { Snapshot } from '@underpass/trace';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  MAX_INSPECT_CONNECTIONS,
  MAX_INSPECT_HEAD_BYTES,
  MAX_INSPECT_VIEWERS,
  MAX_MISSED_SNAPSHOTS,
  MAX_SNAPSHOT_BYTES,
} from '../../src/inspect/inspect-limits.js';
import { InspectServer } from '../../src/inspect/inspect-server.js';
import { Inspector, type Viewer } from '../../src/inspect/inspector.js';
import { recordingLog } from '../commands/recording-log.js';
import { InspectedPair } from './inspected-pair.js';

const PAGE = { type: 'text/html', bytes: Buffer.from('the page') };

async function open(log: Log = silentLog) {
  const server = await InspectServer.open(0, log, (name) => (name === '' ? PAGE : undefined));
  onTestFinished(() => server.close());
  return server;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

async function ask(
  { port }: InspectServer,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
): Promise<IncomingMessage> {
  const request = httpRequest({ host: '127.0.0.1', port, path, headers, method });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  onTestFinished(() => void response.destroy());
  return response;
}

async function get(...parameters: Parameters<typeof ask>): Promise<Answer> {
  const response = await ask(...parameters);
  let text = '';
  for await (const piece of response.setEncoding('utf8')) text += piece;
  return { status: response.statusCode, headers: response.headers, text };
}

const tokenPath = ({ link, port }: InspectServer) => link.slice(`http://127.0.0.1:${port}`.length);

/** Uses the token. */
async function enter(server: InspectServer) {
  const { headers, text } = await get(server, tokenPath(server));
  const [setCookie = ''] = headers['set-cookie'] ?? [];
  const path = /url=(\/[\w-]+\/)/.exec(text)?.[1] ?? '';
  return { path, cookie: { cookie: setCookie.split(';')[0] as string }, setCookie };
}

/** Why an inspector cannot be opened at that port. */
const failureAt = (port: number) => InspectServer.open(port, silentLog).catch((error: unknown) => error);

/** Has the test play what makes the snapshots. */
function playInspector() {
  const viewers: Viewer[] = [];
  const ends: unknown[] = [];
  const add = vi.spyOn(Inspector.prototype, 'add').mockImplementation((viewer) => {
    viewers.push(viewer);
    return () => void ends.push(viewer);
  });
  onTestFinished(() => add.mockRestore());
  return { viewers, ends };
}

/** Shows the next viewer an empty snapshot, with which its answer begins. */
async function look(viewers: Viewer[], asked: Promise<IncomingMessage>): Promise<[Viewer, IncomingMessage]> {
  viewers.length = 0;
  const viewer = await vi.waitUntil(() => viewers[0]);
  viewer.onSnapshot('{}');
  return [viewer, await asked];
}

describe("the inspector's port", () => {
  it('is on loopback only', async () => {
    const server = await open();
    expect(server.link).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{43}$/);
    expect(await failureAt(server.port)).toMatchObject({
      code: 'address-in-use',
      message: expect.stringContaining(`TCP port 127.0.0.1:${server.port}`),
    });
    const elsewhere = connect({ host: '::1', port: server.port });
    const [error] = await once(elsewhere, 'error');
    expect(['ECONNREFUSED', 'EADDRNOTAVAIL']).toContain(error.code);
  });

  it('exchanges the link for a session, refuses it the second time, and says so in the log', async () => {
    const warnings: object[] = [];
    const log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) };
    const server = await open(log as typeof silentLog);
    const { path, cookie, setCookie } = await enter(server);
    expect(setCookie).toContain('HttpOnly; SameSite=Strict');
    expect(setCookie).toContain(`Path=${path}`);
    expect((await get(server, path, cookie)).text).toBe('the page');
    const again = await get(server, tokenPath(server));
    expect(again.status).toBe(403);
    expect(again.headers['set-cookie']).toBeUndefined();
    expect(again.text).toContain('this link was used before');
    expect(warnings).toEqual([{ event: 'inspect-refused' }]);
    expect((await get(server, path, cookie)).status).toBe(200);
  });

  it('takes the times of datagrams and those of its snapshots from one clock', async () => {
    const server = await open();
    const { sampler } = server;
    const { path, cookie } = await enter(server);
    const address = { address: '192.0.2.1', port: 1 };
    sampler.take([{ name: 'vps', keypairs: [], address }]);
    const clocks = [monotonicMs()];
    sampler.onReceived(new Uint8Array(148).fill(1, 0, 1), address);
    for (const { at } of sampler.take([]).get('vps') ?? []) clocks.push(at);
    server.serve(new InspectedPair().process);
    const viewer = await ask(server, `${path}snapshots`, cookie);
    const [piece] = await once(viewer.setEncoding('utf8'), 'data');
    clocks.push((JSON.parse(/\{.*\}/.exec(piece)?.[0] ?? '') as Snapshot).nowMs, monotonicMs());
    expect(clocks).toHaveLength(4);
    expect(clocks).toEqual(clocks.toSorted((a, b) => a - b));
  });

  it('says in the log where it is', async () => {
    const log = recordingLog();
    const server = await open(log);
    const { link, port } = server;
    expect(log.lines).toEqual([`info inspector at ${link} (the link works once)`]);
    expect(log.fields).toEqual([{ event: 'inspect', address: '127.0.0.1', port, link }]);
  });

  it('serves the files of its page, and no others', async () => {
    const server = await open();
    const { path, cookie } = await enter(server);
    const page = await get(server, path, cookie);
    expect([page.status, page.headers['content-type'], page.text]).toEqual([200, 'text/html', 'the page']);
    const other = await get(server, `${path}other.js`, cookie);
    expect([other.status, other.text]).toEqual([404, 'there is no such page\n']);
    expect((await get(server, '/?token=x')).text).toContain('this is not the link');
  });

  it('shows the peer that is asked for, until the page is gone', async () => {
    const { viewers, ends } = playInspector();
    const server = await open();
    const { path, cookie } = await enter(server);
    server.serve(new InspectedPair().process);
    const peers: unknown[] = [];
    for (const query of ['?peer=a%20b', '']) {
      const own = { ...cookie, 'sec-fetch-site': 'same-origin' };
      const [viewer, page] = await look(viewers, ask(server, `${path}snapshots${query}`, own));
      expect(String((await once(page, 'data'))[0])).toBe('data: {}\n\n');
      peers.push(viewer.peer);
      page.destroy();
      await vi.waitUntil(() => ends.includes(viewer));
    }
    expect(peers).toEqual(['a b', undefined]);
  });

  it('leaves out snapshots for a page that does not read, and ends it if that lasts', async () => {
    const { viewers } = playInspector();
    const server = await open();
    const { path, cookie } = await enter(server);
    server.serve(new InspectedPair().process);
    const [viewer, page] = await look(viewers, ask(server, `${path}snapshots`, cookie));
    const texts: string[] = [];
    page.on('error', () => undefined).on('data', (piece: Buffer) => void texts.push(String(piece)));
    let waiting = 0;
    const { prototype } = ServerResponse;
    Object.defineProperty(prototype, 'writableLength', { configurable: true, get: () => waiting });
    onTestFinished(() => void Reflect.deleteProperty(prototype, 'writableLength'));
    const show = (name: string, waitingBytes: number, times = 1) => {
      waiting = waitingBytes;
      for (let i = 0; i < times; i++) viewer.onSnapshot(name);
    };
    for (const name of ['first', 'second']) {
      show(`${name} missed`, MAX_SNAPSHOT_BYTES + 1, MAX_MISSED_SNAPSHOTS);
      show(name, MAX_SNAPSHOT_BYTES);
    }
    await vi.waitUntil(() => texts.join('').includes('second'));
    expect(texts.join('')).toBe('data: {}\n\ndata: first\n\ndata: second\n\n');
    show('lost', MAX_SNAPSHOT_BYTES + 1, MAX_MISSED_SNAPSHOTS);
    await new Promise(setImmediate);
    expect(page.destroyed).toBe(false);
    const closed = new Promise((resolve) => page.on('close', resolve));
    show('lost', MAX_SNAPSHOT_BYTES + 1);
    await closed;
    expect(texts.join('')).not.toContain('lost');
  });

  it('refuses everything without the session', async () => {
    const server = await open();
    const { path } = await enter(server);
    for (const asked of ['/', '/?token=', '/?token=x', path, `${path}snapshots`, '/snapshots', '/x']) {
      expect([asked, (await get(server, asked)).status]).toEqual([asked, 403]);
    }
  });

  it('is not opened by a browser that loads pages in advance', async () => {
    const server = await open();
    const early = await get(server, tokenPath(server), { 'sec-purpose': 'prefetch;prerender' });
    expect(early.status).toBe(503);
    const old = await get(server, tokenPath(server), { purpose: 'prefetch' });
    expect([old.status, old.text]).toEqual([503, 'this link works once, so it is not loaded in advance\n']);
    expect((await enter(server)).path).not.toBe('');
  });

  it('answers only to names of this machine', async () => {
    const server = await open();
    const { path, cookie } = await enter(server);
    for (const host of ['evil.example', 'localhost.evil.example', '192.0.2.1:80']) {
      const answer = await get(server, path, { ...cookie, host });
      expect([host, answer.status]).toEqual([host, 403]);
    }
    // As through ssh -L.
    expect((await get(server, path, { ...cookie, host: 'localhost:9999' })).status).toBe(200);
  });

  it('takes GET only, and heads of bounded length', async () => {
    const server = await open();
    expect((await get(server, tokenPath(server), {}, 'HEAD')).status).toBe(405);
    expect((await get(server, tokenPath(server), {}, 'POST')).status).toBe(405);
    const long = await get(server, '/', { 'x-long': 'x'.repeat(MAX_INSPECT_HEAD_BYTES) });
    expect(long.status).toBe(431);
    expect((await enter(server)).path).not.toBe('');
  });

  it('lets no other site read, embed or keep anything', async () => {
    const server = await open();
    const { path, cookie } = await enter(server);
    for (const { headers } of [await get(server, '/'), await get(server, path, cookie)]) {
      expect(headers['access-control-allow-origin']).toBeUndefined();
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
      });
      expect(headers['content-security-policy']).toMatch(/^default-src 'none'.*frame-ancestors 'none'$/);
    }
    server.serve(new InspectedPair().process);
    for (const site of ['same-site', 'cross-site', 'none']) {
      const { status } = await get(server, `${path}snapshots`, { ...cookie, 'sec-fetch-site': site });
      expect([site, status]).toEqual([site, 403]);
    }
  });

  it('streams snapshots to a few pages, once there is something to show', async () => {
    const server = await open();
    const { path, cookie } = await enter(server);
    expect((await get(server, `${path}snapshots`, cookie)).status).toBe(503);
    server.serve(new InspectedPair().process);
    const viewers: IncomingMessage[] = [];
    for (let i = 0; i < MAX_INSPECT_VIEWERS; i++) {
      viewers.push(await ask(server, `${path}snapshots?peer=vps`, cookie));
    }
    for (const viewer of viewers) {
      expect(viewer.headers['content-type']).toBe('text/event-stream');
      const [piece] = await once(viewer.setEncoding('utf8'), 'data');
      expect(piece).toMatch(/^data: \{"process":\{"kind":"client","name":"vps".*\}\n\n/);
    }
    const refused = await get(server, `${path}snapshots`, cookie);
    expect([refused.status, refused.text]).toEqual([503, '4 pages are open already: close one\n']);
    viewers[0]?.destroy();
    await expect.poll(async () => (await ask(server, `${path}snapshots`, cookie)).statusCode).toBe(200);
  });

  it('takes a bounded number of connections', async () => {
    const { port } = await open();
    const sockets = Array.from({ length: MAX_INSPECT_CONNECTIONS + 1 }, () => connect(port, '127.0.0.1'));
    for (const socket of sockets) onTestFinished(() => void socket.destroy());
    await once(sockets.at(-1) as never, 'close');
    expect(sockets.filter(({ destroyed }) => destroyed)).toHaveLength(1);
  });

  it('ends what is open when it closes', async () => {
    const server = await open();
    const { path, cookie } = await enter(server);
    server.serve(new InspectedPair().process);
    const viewer = await ask(server, `${path}snapshots`, cookie);
    const closed = new Promise((resolve) => viewer.on('close', resolve));
    viewer.on('error', () => {}).resume();
    server.close();
    await closed;
  });
});
