/** Ports of a relay that lead to a program with a tunnel. */
import { once } from 'node:events';
import http from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  body,
  connect as connectTo,
  howItEnds,
  readAll,
  sha256,
  startEcho,
} from '../../../../test/e2e/tcp.js';
import type { TunnelSocket } from '../../src/library/api.js';
import { open } from './pair.js';

describe('a tunnel', () => {
  it('listens at the relay, and says why it may not', async () => {
    const { port } = await startEcho();
    const { tunnel, relay } = await open({ allowListen: ['*'] });
    await using listener = await tunnel.listen(0, `127.0.0.1:${port}`);
    const socket = await connectTo(listener.port ?? 0);
    socket.end('hello');
    expect(String(await readAll(socket))).toBe('hello');
    expect(relay.status().peers[0]?.listeners).toHaveLength(1);
    await expect(tunnel.listen(0, `127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'address-in-use' });
    await expect(tunnel.listen('8080-8081', '1-2')).rejects.toMatchObject({ code: 'invalid-option' });
    const denied = await open();
    await expect(denied.tunnel.listen(0, port)).rejects.toMatchObject({ failure: 'not-allowed' });
  });

  it('gives each visitor to a function, and both directions arrive unchanged', async () => {
    const { tunnel } = await open({ allowListen: ['*'] });
    const visitors: TunnelSocket[] = [];
    const echo = (visitor: TunnelSocket) => {
      visitors.push(visitor);
      visitor.pipe(visitor);
    };
    await using listener = await tunnel.listen(0, echo, { allowHalfOpen: true });
    const up = body(300_000, 2);
    const socket = await connectTo(listener.port ?? 0);
    const { localPort } = socket;
    socket.end(up);
    expect(sha256(await readAll(socket))).toBe(sha256(up));
    const [visitor] = visitors;
    expect(visitor).toMatchObject({ connecting: false, remoteAddress: '127.0.0.1', bytesRead: up.length });
    expect(visitor?.remotePort).toBe(localPort);
  });

  it('serves HTTP at the relay without a local port', async () => {
    const { tunnel, relay } = await open({ allowListen: ['*'] });
    const server = http.createServer((request, response) => response.end(`this is ${request.url}`));
    onTestFinished(() => void server.close());
    await using listener = await tunnel.listen(0, (visitor) => server.emit('connection', visitor));
    const get = http.get({ host: '127.0.0.1', port: listener.port, path: '/page', agent: false });
    const [response] = await once(get, 'response');
    expect(String(await readAll(response))).toBe('this is /page');
    expect(relay.status().peers[0]?.listeners).toHaveLength(1);
  });

  it('tells a visitor and the program apart when one of them breaks off', async () => {
    const { tunnel } = await open({ allowListen: ['*'] });
    const visitors: TunnelSocket[] = [];
    await using listener = await tunnel.listen(0, (visitor) => {
      visitors.push(visitor);
      if (visitors.length === 1) visitor.destroy();
      else visitor.write('hello');
    });
    expect(await howItEnds(await connectTo(listener.port ?? 0))).toBe('ECONNRESET');
    const socket: Socket = await connectTo(listener.port ?? 0);
    await once(socket, 'data');
    socket.resetAndDestroy();
    const [error] = await once(visitors[1] as TunnelSocket, 'error');
    expect(error).toMatchObject({ failure: 'reset', code: 'ECONNRESET' });
    expect(String(error)).toMatch(/the visitor from 127\.0\.0\.1 port \d+ reset the connection$/);
  });
});
