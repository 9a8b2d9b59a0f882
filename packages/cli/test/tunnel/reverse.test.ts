/** Reverse forwards: visitors of the relay reach what the client can reach. */

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, connect as netConnect } from 'node:net';
import path from 'node:path';
import {
  type ListenRule,
  parseListenRule,
  parseReverseForwards,
  type ReverseForward,
} from '@underpass/forward';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  body,
  closedPort,
  connect,
  howItEnds,
  readAll,
  sha256,
  startConnecting,
  startEcho,
  startTarget,
} from '../../../../test/e2e/tcp.js';
import { temporaryDirectory } from '../../../../test/e2e/temporary-directory.js';
import { at, newKeys, type RunningClient, type RunningRelay, runClient, runRelay } from './in-process.js';

const MIB = 1024 * 1024;

function listenRules(...texts: readonly string[]): ListenRule[] {
  return texts.map((text) => parseListenRule(text) as ListenRule);
}

function reverse(...texts: readonly string[]): ReverseForward[] {
  return texts.flatMap((text) => {
    const parsed = parseReverseForwards(text);
    if ('reason' in parsed) throw new Error(parsed.reason);
    return parsed;
  });
}

interface ReverseTunnel {
  readonly relay: RunningRelay;
  readonly client: RunningClient;
  /** The relay's ports, in order of the forwards. */
  readonly ports: readonly number[];
  readonly relayKeys: ReturnType<typeof newKeys>;
  readonly peer: { readonly name: string; readonly publicKey: Uint8Array; readonly allow: readonly [] };
}

async function runReverse(forwards: readonly string[], allowListen = ['*']): Promise<ReverseTunnel> {
  const relayKeys = newKeys();
  const clientKeys = newKeys();
  const peer = { name: 'laptop', publicKey: clientKeys.publicKey, allow: [] as const };
  const relay = await runRelay({
    privateKey: relayKeys.privateKey,
    peers: [{ ...peer, allowListen: listenRules(...allowListen) }],
  });
  const client = await runClient([], {
    forwards: reverse(...forwards),
    privateKey: clientKeys.privateKey,
    relay: at(relay),
    relayPublicKey: relayKeys.publicKey,
  });
  const ports: number[] = [];
  for (const [index] of forwards.entries()) {
    const listening = await client.heard.next('reverse-listening', index + 1);
    ports[forwards.indexOf(listening.forward)] = listening.place.port;
  }
  return { relay, client, ports, relayKeys, peer };
}

describe('a reverse forward', () => {
  it('carries both directions at once, unchanged, each with its own end', async () => {
    const [up, down] = [body(3 * MIB, 1), body(3 * MIB, 2)];
    let arrived: Promise<Buffer> | undefined;
    const target = await startTarget((socket) => {
      socket.write(down);
      arrived = readAll(socket);
      arrived.then(
        () => socket.end(),
        () => undefined,
      );
    });
    const { ports, client, relay } = await runReverse([`0:127.0.0.1:${target.port}`]);
    const visitor = await connect(ports[0] ?? 0);
    const from = `127.0.0.1 port ${visitor.localPort}`;
    visitor.end(up);
    expect(sha256(await readAll(visitor))).toBe(sha256(down));
    expect(sha256((await arrived) ?? new Uint8Array())).toBe(sha256(up));
    expect(await client.heard.next('visitor-opened')).toMatchObject({ from });
    expect(await client.heard.next('visitor-closed')).toMatchObject({
      from,
      bytesSent: down.length,
      bytesReceived: up.length,
      clean: true,
    });
    expect(await relay.heard.next('visitor-closed')).toMatchObject({ bytesSent: up.length, clean: true });
  });

  it('resets the visitor whose target refuses, and the target whose visitor resets', async () => {
    let reset: Promise<string> | undefined;
    const target = await startTarget((socket) => {
      reset = howItEnds(socket);
    });
    const refusing = await closedPort();
    const { ports, client, relay } = await runReverse([
      `0:127.0.0.1:${refusing}`,
      `0:localhost:${target.port}`,
    ]);
    expect(await howItEnds(startConnecting(ports[0] ?? 0))).toBe('ECONNRESET');
    expect((await client.heard.next('visitor-refused')).advice).toContain(
      `127.0.0.1:${refusing} refused the connection`,
    );
    expect((await relay.heard.next('visitor-refused')).advice).toContain('nothing listens');
    const visitor = await connect(ports[1] ?? 0);
    await client.heard.next('visitor-opened');
    visitor.resetAndDestroy();
    while (reset === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(await reset).toBe('ECONNRESET');
  });

  it('leads from a unix socket of the relay', async () => {
    const file = path.join(temporaryDirectory(), 'web.sock');
    const { port } = await startEcho();
    const { client } = await runReverse([`${file}:127.0.0.1:${port}`], [`unix:${file}`]);
    expect(client.client.forwards).toMatchObject([{ addresses: [], path: file }]);
    const visitor = netConnect({ path: file, allowHalfOpen: true });
    onTestFinished(() => void visitor.destroy());
    visitor.end('through a unix socket');
    expect(String(await readAll(visitor))).toBe('through a unix socket');
    expect(await client.heard.next('visitor-opened')).toMatchObject({ from: 'a program at the relay' });
    await client.client.close();
    while (existsSync(file)) await new Promise((resolve) => setImmediate(resolve));
  });

  it('leads to a unix socket of the client', async () => {
    const file = path.join(temporaryDirectory(), 'app.sock');
    const server = createServer((socket) => socket.end('from a unix socket')).listen(file);
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { ports } = await runReverse([`0:${file}`]);
    expect(String(await readAll(await connect(ports[0] ?? 0)))).toBe('from a unix socket');
    expect(existsSync(file)).toBe(true);
  });

  it('carries 200 visitors at once', async () => {
    const { port } = await startEcho();
    const { ports } = await runReverse([`0:127.0.0.1:${port}`]);
    const hashes = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const bytes = body(20_000, index);
        const visitor = await connect(ports[0] ?? 0);
        visitor.end(bytes);
        return sha256(await readAll(visitor)) === sha256(bytes);
      }),
    );
    expect(hashes.every(Boolean)).toBe(true);
  });

  it('comes back with the relay, on the same port (spec reverse 2)', async () => {
    const { port } = await startEcho();
    const { relay, client, ports, relayKeys, peer } = await runReverse([`0:127.0.0.1:${port}`]);
    const old = await connect(ports[0] ?? 0);
    await client.heard.next('visitor-opened');
    const udpPort = relay.relay.address.port;
    const oldEnd = howItEnds(old);
    await relay.relay.close();
    expect(await oldEnd).toBe('ECONNRESET');
    expect(client.client.forwards[0]?.addresses).toEqual([]);
    // One visitor. The stream that keeps the listener is not counted.
    expect(await client.heard.next('disconnected')).toMatchObject({ lostStreams: 1 });
    const again = await runRelay({
      privateKey: relayKeys.privateKey,
      listen: { host: '127.0.0.1', port: udpPort },
      peers: [{ ...peer, allowListen: listenRules('*') }],
    });
    const { place } = await client.heard.next('reverse-listening', 2);
    const visitor = await connect(place.port);
    visitor.end('again');
    expect(String(await readAll(visitor))).toBe('again');
    expect(again.relay.status().peers[0]?.listeners).toHaveLength(1);
  });

  it('ends when it is removed, and its visitors stay', async () => {
    const { port } = await startEcho();
    const { client, relay, ports } = await runReverse([`0:127.0.0.1:${port}`]);
    const visitor = await connect(ports[0] ?? 0);
    await client.heard.next('visitor-opened');
    expect(client.client.status()).toMatchObject({ openStreams: 1, streams: [{ id: 1 }] });
    const [forward] = client.client.forwards;
    expect(forward?.addresses).toEqual([{ address: 'localhost', port: ports[0] }]);
    expect(await client.client.removeForward(forward?.spec as ReverseForward)).toBe(true);
    await relay.heard.next('listener-closed');
    expect(await howItEnds(startConnecting(ports[0] ?? 0))).toBe('ECONNREFUSED');
    visitor.end('still here');
    expect(String(await readAll(visitor))).toBe('still here');
  });

  it('that no rule permits is refused, and the relay says which rule is missing', async () => {
    const { client, relay } = await runReverse([], ['8080']);
    const [forward] = reverse('*:8080:localhost:80');
    await client.client.addForward(forward as ReverseForward);
    expect(await client.heard.next('reverse-refused')).toMatchObject({
      status: 'not-allowed',
      advice:
        'the relay does not let this client listen on *:8080: run there: underpass allow NAME --listen "*:8080"',
    });
    expect((await relay.heard.next('listen-refused')).advice).toContain('add *:8080 to allow_listen');
  });

  it('cannot ask for the port of another one', async () => {
    const { client } = await runReverse([], []);
    const [first, second] = reverse('8080:localhost:80', 'localhost:8080:localhost:81');
    await client.client.addForward(first as ReverseForward);
    await expect(client.client.addForward(second as ReverseForward)).rejects.toThrow(
      'two reverse forwards ask the relay for localhost:8080',
    );
  });
});
