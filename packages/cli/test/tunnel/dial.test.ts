/** Connections through the tunnel without a local port, and forwards that come and go while a client runs. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { type Forward, parseLocalForwards } from '@underpass/forward';
import { describe, expect, it, onTestFinished } from 'vitest';
import { installed, outputOf } from '../../../../test/e2e/installed.js';
import {
  body,
  connect,
  howItEnds,
  readAll,
  readBytes,
  sha256,
  startEcho,
  startTarget,
} from '../../../../test/e2e/tcp.js';
import { temporaryDirectory } from '../../../../test/e2e/temporary-directory.js';
import { runTunnel } from './in-process.js';

const MIB = 1024 * 1024;

function forward(text: string): Forward {
  const parsed = parseLocalForwards(text);
  if ('reason' in parsed) throw new Error(parsed.reason);
  return parsed[0] as Forward;
}

async function startServer(prepare: (server: http.Server) => void): Promise<AddressInfo> {
  const server = http.createServer();
  prepare(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return server.address() as AddressInfo;
}

describe('a dialled connection', () => {
  it('carries both directions without loss and ends cleanly', async () => {
    const up = body(2 * MIB, 1);
    const down = body(2 * MIB + 7, 2);
    let arrived: Promise<Buffer> | undefined;
    const { port } = await startTarget((socket) => {
      arrived = readAll(socket);
      socket.end(down);
    });
    const { client } = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [] });
    const socket = client.client.dial({ host: '127.0.0.1', port }, { allowHalfOpen: true });
    socket.end(up);
    const chunks: Buffer[] = [];
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
    expect(sha256(Buffer.concat(chunks))).toBe(sha256(down));
    expect(sha256((await arrived) ?? new Uint8Array())).toBe(sha256(up));
    expect(await client.heard.next('stream-closed')).toMatchObject({
      bytesSent: up.length,
      bytesReceived: down.length,
      clean: true,
    });
    expect(client.client.status()).toMatchObject({ openStreams: 0, streams: [] });
  });

  it('serves http.request through an agent, with keep-alive', async () => {
    const { port } = await startServer((server) => {
      server.on('request', (request, response) => response.end(`you asked for ${request.url}`));
    });
    const { client } = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [] });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    agent.createConnection = () => client.client.dial({ host: '127.0.0.1', port }) as unknown as Socket;
    for (const path of ['/a', '/b']) {
      const request = http.get({ agent, host: 'somewhere', port, path });
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      expect(String(await readAll(response as unknown as Socket))).toBe(`you asked for ${path}`);
    }
    expect(client.heard.of('stream-opened').length).toBe(1);
  });

  it('fails with the code that a direct connection would have, and the advice', async () => {
    const { client } = await runTunnel({ allow: [], forwards: [] });
    const [error] = await once(client.client.dial({ host: '127.0.0.1', port: 9 }), 'error');
    expect(error).toMatchObject({
      name: 'TunnelError',
      failure: 'not-allowed',
      code: 'EACCES',
      message:
        'the relay does not allow 127.0.0.1:9: its log names the missing rule, and underpass allow NAME RULE adds it there',
    });
  });

  it('takes its target as text, and refuses what is none', async () => {
    const { port } = await startEcho();
    const { client } = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [] });
    const socket = client.client.dial(`127.0.0.1:${port}`);
    await once(socket, 'connect');
    socket.destroy();
    expect(() => client.client.dial('127.0.0.1')).toThrow(
      expect.objectContaining({ name: 'UnderpassError', code: 'invalid-option' }),
    );
  });

  it('is ended by its signal, on both sides', async () => {
    let ending: Promise<string> | undefined;
    const { port } = await startTarget((socket) => {
      ending = howItEnds(socket);
    });
    const { client } = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [] });
    const abort = new AbortController();
    const socket = client.client.dial(`127.0.0.1:${port}`, { signal: abort.signal });
    await once(socket, 'connect');
    const failed = once(socket, 'error');
    abort.abort();
    expect(((await failed)[0] as Error).name).toBe('AbortError');
    await client.heard.next('stream-closed');
    expect(await ending).toBe('ECONNRESET');
  });

  it('carries an upgrade of HTTP, as WebSocket uses it', async () => {
    const { port } = await startServer((server) => {
      server.on('upgrade', (_request, socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
        socket.pipe(socket);
      });
    });
    const { client } = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [] });
    const request = http.get({
      createConnection: () => client.client.dial(`127.0.0.1:${port}`) as unknown as Socket,
      headers: { connection: 'Upgrade', upgrade: 'echo' },
    });
    const [, socket] = (await once(request, 'upgrade')) as [unknown, Socket];
    socket.end('over the upgraded connection');
    expect(String(await readAll(socket))).toBe('over the upgraded connection');
  });

  it('carries TLS', async (context) => {
    const openssl = installed('openssl');
    if (openssl === undefined) return context.skip('openssl is not installed');
    const directory = temporaryDirectory();
    const [key, cert] = [path.join(directory, 'key.pem'), path.join(directory, 'cert.pem')];
    const subject = ['-subj', '/CN=app.test', '-addext', 'subjectAltName=DNS:app.test'];
    outputOf(openssl, [
      'req',
      '-x509',
      '-newkey',
      'ed25519',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      ...subject,
    ]);
    const server = tls.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (socket) => {
      socket.pipe(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { client } = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [] });
    const socket = tls.connect({
      socket: client.client.dial(`127.0.0.1:${port}`) as unknown as Socket,
      servername: 'app.test',
      ca: readFileSync(cert),
    });
    await once(socket, 'secureConnect');
    expect(socket.authorized).toBe(true);
    const bytes = body(300_000, 5);
    socket.end(bytes);
    expect(sha256(await readAll(socket))).toBe(sha256(bytes));
  });

  it('ends when the client closes', async () => {
    const { port } = await startEcho();
    const { client } = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [] });
    const socket = client.client.dial({ host: '127.0.0.1', port });
    await once(socket, 'connect');
    const failed = once(socket, 'error');
    await client.client.close();
    expect((await failed)[0]).toMatchObject({ failure: 'connection-lost' });
  });
});

describe('a forward', () => {
  it('can be added and removed while the client runs, and its connections go on', async () => {
    const { port } = await startEcho();
    const { client } = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [] });
    const spec = forward(`0:127.0.0.1:${port}`);
    const bound = await client.client.addForward(spec);
    expect(client.client.forwards).toEqual([bound]);
    const socket = await connect(bound.addresses[0]?.port ?? 0);
    socket.write('a');
    await readBytes(socket, 1);
    expect(client.client.status().streams).toMatchObject([{ id: 1, target: { host: '127.0.0.1', port } }]);

    expect(await client.client.removeForward(spec)).toBe(true);
    expect(await client.client.removeForward(spec)).toBe(false);
    expect(client.client.forwards).toEqual([]);
    socket.write('b');
    expect(String(await readBytes(socket, 1))).toBe('b');
    await expect(connect(bound.addresses[0]?.port ?? 0)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('that cannot start is reported and leaves the others alone', async () => {
    const { port } = await startEcho();
    const { client } = await runTunnel({ allow: [], forwards: [`0:127.0.0.1:${port}`] });
    const taken = client.ports[0] ?? 0;
    await expect(client.client.addForward(forward(`${taken}:127.0.0.1:${port}`))).rejects.toMatchObject({
      code: 'address-in-use',
    });
    expect(client.client.forwards.length).toBe(1);
  });
});
