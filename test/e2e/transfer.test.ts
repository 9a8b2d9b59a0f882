/** Transfers through real processes arrive intact. */
import { describe, expect, it } from 'vitest';
import { body, connect, readAll, readBytes, sha256, startEcho, startTarget } from './tcp.js';
import { startTunnel } from './tunnel.js';

const BODY_BYTES = 8 * 1024 * 1024;

describe('a forwarded port', () => {
  it('carries both directions at once, with equal hashes at both ends', async () => {
    const up = body(BODY_BYTES, 1);
    const down = body(BODY_BYTES + 12_345, 2);
    let arrived: Promise<Buffer> | undefined;
    const { port } = await startTarget((socket) => {
      socket.write(down);
      arrived = readAll(socket);
      arrived.then(
        () => socket.end(),
        () => undefined,
      );
    });
    const { client } = await startTunnel({
      allow: [`127.0.0.1:${port}`],
      forwards: [`0:127.0.0.1:${port}`],
    });
    const socket = await connect(client.ports[0] ?? 0);
    socket.end(up);
    const received = await readAll(socket);
    expect(sha256(received)).toBe(sha256(down));
    expect(sha256((await arrived) ?? new Uint8Array())).toBe(sha256(up));
  });

  it('closes each direction independently: the target answers after it has seen FIN', async () => {
    const { port } = await startTarget((socket) => {
      readAll(socket).then(
        (bytes) => socket.end(`${bytes.length} bytes, and this after your FIN`),
        () => undefined,
      );
    });
    const { client } = await startTunnel({
      allow: [`127.0.0.1:${port}`],
      forwards: [`0:127.0.0.1:${port}`],
    });
    const socket = await connect(client.ports[0] ?? 0);
    socket.end('question');
    expect(String(await readAll(socket))).toBe('8 bytes, and this after your FIN');
  });

  it('can be one of several, each with its own target', async () => {
    const targets = await Promise.all(
      ['one', 'two', 'three'].map((name) => startTarget((socket) => void socket.end(name))),
    );
    const { client } = await startTunnel({
      allow: ['localhost:*'],
      forwards: targets.map(({ port }) => `127.0.0.1:0:localhost:${port}`),
    });
    const answers = await Promise.all(
      client.ports.map(async (port) => String(await readAll(await connect(port)))),
    );
    expect(answers).toEqual(['one', 'two', 'three']);
  });

  it('listens on IPv6 and reaches a target on IPv6', async () => {
    const { port } = await startEcho('::1');
    const { client } = await startTunnel({
      allow: [`[::1]:${port}`],
      forwards: [`[::1]:0:[::1]:${port}`],
    });
    const socket = await connect(client.ports[0] ?? 0, '::1');
    socket.end('over six');
    expect(String(await readAll(socket))).toBe('over six');
  });

  it('serves many connections at once', async () => {
    const { port } = await startEcho();
    const { client } = await startTunnel({
      allow: [`127.0.0.1:${port}`],
      forwards: [`0:127.0.0.1:${port}`],
    });
    const hashes = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const sent = body(50_000 + index, index);
        const socket = await connect(client.ports[0] ?? 0);
        socket.end(sent);
        return sha256(await readAll(socket)) === sha256(sent);
      }),
    );
    expect(hashes).toEqual(Array.from({ length: 40 }, () => true));
  });

  it('delivers a few bytes immediately, without waiting for more', async () => {
    const { port } = await startEcho();
    const { client } = await startTunnel({
      allow: [`127.0.0.1:${port}`],
      forwards: [`0:127.0.0.1:${port}`],
    });
    const socket = await connect(client.ports[0] ?? 0);
    for (const word of ['a', 'bc', 'def']) {
      socket.write(word);
      expect(String(await readBytes(socket, word.length))).toBe(word);
    }
  });
});
