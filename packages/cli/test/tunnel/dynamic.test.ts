/** A dynamic forward, as programs see it: through a relay and a client in this process. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import path from 'node:path';
import { type Forward, MAX_PROXY_DIALOGUES, parseDynamicForward } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import {
  body,
  closedPort,
  connect,
  howItEnds,
  readAll,
  readBytes,
  sha256,
  startConnecting,
  startEcho,
} from '../../../../test/e2e/tcp.js';
import { temporaryDirectory } from '../../../../test/e2e/temporary-directory.js';
import { at, newKeys, rules, runClient, runRelay } from './in-process.js';

const GRANTED = Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);

async function runDynamic(allow: readonly string[], place = '0') {
  const relayKeys = newKeys();
  const clientKeys = newKeys();
  const resolved: string[] = [];
  const relay = await runRelay({
    privateKey: relayKeys.privateKey,
    peers: [{ name: 'laptop', publicKey: clientKeys.publicKey, allow: rules(allow) }],
    resolve: async (name) => {
      resolved.push(name);
      if (name === 'app.test') return ['127.0.0.1'];
      throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    },
  });
  const options = {
    privateKey: clientKeys.privateKey,
    relay: at(relay),
    relayPublicKey: relayKeys.publicKey,
  };
  const { client, heard } = await runClient([], { ...options, forwards: [dynamic(place)] });
  const bound = client.forwards[0];
  return { client, heard, resolved, port: bound?.addresses[0]?.port ?? 0 };
}

function dynamic(text: string): Forward {
  const parsed = parseDynamicForward(text);
  if ('reason' in parsed) throw new Error(parsed.reason);
  return parsed;
}

/** Speaks SOCKS 5 as far as the answer. */
async function ask(
  port: number,
  host: string,
  targetPort: number,
): Promise<{ socket: Socket; answer: Buffer }> {
  const socket = await connect(port);
  socket.write(Uint8Array.of(5, 1, 0));
  expect([...(await readBytes(socket, 2))]).toEqual([5, 0]);
  const name = Buffer.from(host);
  socket.write(Uint8Array.of(5, 1, 0, 3, name.length, ...name, targetPort >> 8, targetPort & 0xff));
  return { socket, answer: await readBytes(socket, GRANTED.length) };
}

describe('a dynamic forward', () => {
  it('carries a connection to a name that the relay resolves, without loss (spec proxy 5: "MUST NOT resolve names")', async () => {
    const { port: echo } = await startEcho();
    const { port, resolved, heard } = await runDynamic([`app.test:${echo}`, `127.0.0.1:${echo}`]);
    const { socket, answer } = await ask(port, 'app.test', echo);
    expect(answer.equals(GRANTED)).toBe(true);
    const bytes = body(1024 * 1024, 4);
    socket.end(bytes);
    expect(sha256(await readAll(socket))).toBe(sha256(bytes));
    expect(resolved).toEqual(['app.test']);
    expect(await heard.next('stream-closed')).toMatchObject({
      target: { host: 'app.test', port: echo },
      clean: true,
    });
  });

  it('passes on bytes that follow the request without waiting (spec proxy 7: "MUST reach the target")', async () => {
    const { port: echo } = await startEcho();
    const { port } = await runDynamic([`127.0.0.1:${echo}`]);
    const socket = await connect(port);
    socket.end(
      Buffer.concat([
        Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, echo >> 8, echo & 0xff]),
        Buffer.from('early bytes'),
      ]),
    );
    const answer = await readAll(socket);
    expect([...answer.subarray(0, 12)]).toEqual([5, 0, ...GRANTED]);
    expect(String(answer.subarray(12))).toBe('early bytes');
  });

  it.each([
    ['a target that no rule allows', 'other.test', 80, 2],
    ['a name that does not exist', 'missing.test', 80, 4],
  ])('answers %s with its code and closes (spec proxy 6)', async (_what, host, targetPort, code) => {
    const { port, heard } = await runDynamic(['missing.test:*']);
    const { socket, answer } = await ask(port, host, targetPort);
    expect([...answer]).toEqual([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
    expect((await readAll(socket)).length).toBe(0);
    socket.end();
    expect(await heard.next('refused')).toMatchObject({ target: { host, port: targetPort } });
    expect(await heard.next('stream-closed')).toMatchObject({ clean: false });
  });

  it('answers a target that refuses connections with that (spec proxy 6)', async () => {
    const nobody = await closedPort();
    const { port } = await runDynamic([`127.0.0.1:${nobody}`]);
    expect((await ask(port, '127.0.0.1', nobody)).answer[1]).toBe(5);
  });

  it('serves HTTP CONNECT on the same port, and says why it refuses other requests', async () => {
    const { port: echo } = await startEcho();
    const { port, heard } = await runDynamic([`127.0.0.1:${echo}`]);
    const socket = await connect(port);
    socket.end(`CONNECT 127.0.0.1:${echo} HTTP/1.1\r\n\r\nthrough`);
    expect(String(await readAll(socket))).toBe('HTTP/1.1 200 Connection established\r\n\r\nthrough');

    const denied = await connect(port);
    denied.end('CONNECT 127.0.0.1:9 HTTP/1.1\r\n\r\n');
    expect(String(await readAll(denied))).toMatch(
      /^HTTP\/1\.1 403 Forbidden\r\n[\s\S]*\r\n\r\nunderpass: the relay does not allow 127\.0\.0\.1:9: [^\n]+\n$/,
    );

    const plain = await connect(port);
    plain.end('GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n');
    expect(String(await readAll(plain))).toMatch(/^HTTP\/1\.1 405 /);
    expect((await heard.next('proxy-refused')).reason).toContain('not HTTP requests');
  });

  it('resets a connection that speaks neither (spec proxy 1: "MUST be reset")', async () => {
    const { port } = await runDynamic([]);
    const socket = startConnecting(port);
    socket.write(Uint8Array.of(0x16, 3, 1));
    expect(await howItEnds(socket)).toBe('ECONNRESET');
  });

  it('resets connections beyond the limit while the others have not asked (spec proxy 8)', async () => {
    const { port } = await runDynamic([]);
    const silent: Socket[] = [];
    for (let i = 0; i < MAX_PROXY_DIALOGUES; i++) silent.push(await connect(port));
    expect(await howItEnds(startConnecting(port))).toBe('ECONNRESET');
    const [first] = silent as [Socket];
    first.write(Uint8Array.of(5, 1, 0));
    expect([...(await readBytes(first, 2))]).toEqual([5, 0]);
    const gone = once(first, 'close');
    first.destroy();
    await gone;
  });

  it('may be a unix socket', async () => {
    const file = path.join(temporaryDirectory(), 'proxy.sock');
    const { client } = await runDynamic([], file);
    expect(client.forwards).toMatchObject([{ path: file, spec: { kind: 'dynamic' } }]);
  });

  it('closes connections that have not asked yet when it is removed', async () => {
    const { client, port } = await runDynamic([]);
    const socket = await connect(port);
    socket.write(Uint8Array.of(5, 1, 0));
    await readBytes(socket, 2);
    const ending = howItEnds(socket);
    await client.removeForward(dynamic('0'));
    expect(await ending).toBe('ECONNRESET');
  });
});
