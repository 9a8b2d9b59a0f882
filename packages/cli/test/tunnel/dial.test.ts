/** Connections through the tunnel without a local port, and forwards that come and go while a client runs. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Forward, parseLocalForwards } from '@underpass/forward';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  body,
  connect,
  readAll,
  readBytes,
  sha256,
  startEcho,
  startTarget,
} from '../../../../test/e2e/tcp.js';
import { runTunnel } from './in-process.js';

const MIB = 1024 * 1024;

function forward(text: string): Forward {
  const parsed = parseLocalForwards(text);
  if ('reason' in parsed) throw new Error(parsed.reason);
  return parsed[0] as Forward;
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
    const server = http.createServer((request, response) => response.end(`you asked for ${request.url}`));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
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
      message: 'the relay does not allow 127.0.0.1:9: its log names the rule to add to your allow list there',
    });
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
