import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { silentLog } from '@underpass/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  MAX_INSPECT_CONNECTIONS,
  MAX_INSPECT_HEAD_BYTES,
  MAX_INSPECT_VIEWERS,
} from '../../src/inspect/inspect-limits.js';
import { InspectServer } from '../../src/inspect/inspect-server.js';
import { InspectedPair } from './inspected-pair.js';

const PAGE = { type: 'text/html', bytes: Buffer.from('the page') };

async function open(log = silentLog) {
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

describe("the inspector's port", () => {
  it('is on loopback only', async () => {
    const server = await open();
    expect(server.link).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{43}$/);
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
