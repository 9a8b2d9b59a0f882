/** Unix sockets at either end of a forward. */
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { body, howItEnds, readAll, sha256, startConnecting, startEcho } from '../../../../test/e2e/tcp.js';
import { temporaryDirectory } from '../../../../test/e2e/temporary-directory.js';
import { runTunnel } from './in-process.js';

const MIB = 1024 * 1024;

/** Answers each connection with what it sent, once that has ended. */
async function listen(file: string): Promise<void> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    readAll(socket).then(
      (bytes) => socket.end(bytes),
      () => undefined,
    );
  }).listen(file);
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(server, 'listening');
}

function connectTo(file: string): Socket {
  const socket = connect({ path: file, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  return socket;
}

describe('a forward', () => {
  it('leads from a unix socket to a unix socket, without loss and with half-close', async () => {
    const directory = temporaryDirectory();
    const [local, target] = [path.join(directory, 'local.sock'), path.join(directory, 'app.sock')];
    await listen(target);
    const { client, relay } = await runTunnel({
      allow: [`unix:${target}`],
      forwards: [`${local}:${target}`],
    });
    expect(statSync(local).mode & 0o777).toBe(0o600);
    expect(client.client.forwards).toMatchObject([{ addresses: [], path: local }]);
    const bytes = body(2 * MIB, 3);
    const socket = connectTo(local);
    socket.end(bytes);
    expect(sha256(await readAll(socket))).toBe(sha256(bytes));
    expect(await client.heard.next('stream-opened')).toMatchObject({
      target: { path: target },
      from: `unix:${local}`,
    });
    expect(await client.heard.next('stream-closed')).toMatchObject({ clean: true });
    expect(await relay.heard.next('stream-opened')).toMatchObject({ address: `unix:${target}` });
    await client.client.close();
    expect(existsSync(local)).toBe(false);
  });

  it('leads from a port to a unix socket, and from a unix socket to a port', async () => {
    const directory = temporaryDirectory();
    const [local, target] = [path.join(directory, 'local.sock'), path.join(directory, 'app.sock')];
    await listen(target);
    const { port } = await startEcho();
    const tunnel = await runTunnel({
      allow: [`unix:${target}`, `127.0.0.1:${port}`],
      forwards: [`0:${target}`, `${local}:127.0.0.1:${port}`],
    });
    for (const socket of [startConnecting(tunnel.port), connectTo(local)]) {
      socket.end('hello');
      expect(String(await readAll(socket))).toBe('hello');
    }
  });

  it('to a unix socket that no rule names is refused, under * too', async () => {
    const target = path.join(temporaryDirectory(), 'app.sock');
    await listen(target);
    const { client, port } = await runTunnel({
      allow: ['*:*', 'localhost:*', 'unix:/run/other.sock'],
      forwards: [`0:${target}`],
    });
    expect(await howItEnds(startConnecting(port))).toBe('ECONNRESET');
    expect(await client.heard.next('refused')).toMatchObject({
      status: 'not-allowed',
      advice: `the relay does not allow unix:${target}: its log names the missing rule, and underpass allow NAME RULE adds it there`,
    });
  });

  it('to a unix socket that does not exist says so', async () => {
    const target = path.join(temporaryDirectory(), 'none.sock');
    const { client, port } = await runTunnel({ allow: [`unix:${target}`], forwards: [`0:${target}`] });
    expect(await howItEnds(startConnecting(port))).toBe('ECONNRESET');
    expect((await client.heard.next('refused')).advice).toBe(
      `there is no unix:${target} on the relay's machine: check the path`,
    );
  });

  it('from a unix socket ends without a byte when the target is refused', async () => {
    const local = path.join(temporaryDirectory(), 'local.sock');
    await runTunnel({ allow: [], forwards: [`${local}:127.0.0.1:9`] });
    const socket = connectTo(local);
    expect((await readAll(socket)).length).toBe(0);
  });
});
