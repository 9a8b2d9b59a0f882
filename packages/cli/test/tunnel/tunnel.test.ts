/** A relay and clients in one process, as programs at both ends see them. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { MAX_STREAM_WINDOW_BYTES, SEND_BUFFER_BYTES } from '@underpass/protocol';
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
  startTarget,
} from '../../../../test/e2e/tcp.js';
import { at, newKeys, rules, runClient, runRelay, runTunnel } from './in-process.js';

const MIB = 1024 * 1024;

describe('a connection through the tunnel', () => {
  it('carries both directions at once without loss', async () => {
    const up = body(4 * MIB, 1);
    const down = body(4 * MIB + 7, 2);
    let arrived: Promise<Buffer> | undefined;
    const { port } = await startTarget((socket) => {
      arrived = readAll(socket);
      socket.end(down);
    });
    const tunnel = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [`0:127.0.0.1:${port}`] });
    const socket = await connect(tunnel.port);
    socket.end(up);
    expect(sha256(await readAll(socket))).toBe(sha256(down));
    expect(sha256((await arrived) ?? new Uint8Array())).toBe(sha256(up));
    expect(await tunnel.client.heard.next('stream-closed')).toMatchObject({
      bytesSent: up.length,
      bytesReceived: down.length,
      clean: true,
    });
    expect(await tunnel.relay.heard.next('stream-closed')).toMatchObject({
      peer: 'laptop',
      bytesSent: down.length,
      bytesReceived: up.length,
      clean: true,
    });
  });

  it('ends each direction independently: the program first (spec forwarding 4.1)', async () => {
    const { port } = await startTarget((socket) => {
      readAll(socket).then(
        (bytes) => socket.end(`${bytes} and an answer after the end`),
        () => undefined,
      );
    });
    const tunnel = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [`0:127.0.0.1:${port}`] });
    const socket = await connect(tunnel.port);
    socket.end('a question');
    expect(String(await readAll(socket))).toBe('a question and an answer after the end');
  });

  it('ends each direction independently: the target first (spec forwarding 4.1)', async () => {
    let arrived: Promise<Buffer> | undefined;
    const { port } = await startTarget((socket) => {
      arrived = readAll(socket);
      socket.end('that was all');
    });
    const tunnel = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [`0:127.0.0.1:${port}`] });
    const socket = await connect(tunnel.port);
    expect(String(await readAll(socket))).toBe('that was all');
    socket.end('and yet I speak');
    await tunnel.client.heard.next('stream-closed');
    expect(String(await arrived)).toBe('and yet I speak');
  });

  it('that the program resets is reset at the target, and vice versa (spec forwarding 4.2)', async () => {
    const targets: Socket[] = [];
    const { port } = await startTarget((socket) => {
      targets.push(socket);
      socket.write('x');
    });
    const tunnel = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [`0:127.0.0.1:${port}`] });
    const first = await connect(tunnel.port);
    await readBytes(first, 1);
    const ending = howItEnds(targets[0] as Socket);
    first.resetAndDestroy();
    expect(await ending).toBe('ECONNRESET');

    const second = await connect(tunnel.port);
    await readBytes(second, 1);
    targets[1]?.resetAndDestroy();
    expect(await howItEnds(second)).toBe('ECONNRESET');
    expect((await tunnel.client.heard.next('stream-closed', 2)).clean).toBe(false);
  });
});

describe('a connection that is refused', () => {
  it('by rule is reset, and both sides say what to do (spec forwarding 2.2)', async () => {
    let touched = false;
    const { port } = await startTarget(() => {
      touched = true;
    });
    const tunnel = await runTunnel({ allow: ['127.0.0.1:1'], forwards: [`0:127.0.0.1:${port}`] });
    expect(await howItEnds(startConnecting(tunnel.port))).toBe('ECONNRESET');
    expect(await tunnel.client.heard.next('refused')).toEqual({
      type: 'refused',
      id: 1,
      target: { host: '127.0.0.1', port },
      status: 'not-allowed',
      advice: `the relay does not allow 127.0.0.1:${port}: its log names the missing rule, and underpass allow NAME RULE adds it there`,
    });
    expect(await tunnel.relay.heard.next('refused')).toEqual({
      type: 'refused',
      peer: 'laptop',
      id: 0,
      target: { host: '127.0.0.1', port },
      status: 'not-allowed',
      advice: `laptop asked for 127.0.0.1:${port}: 127.0.0.1:${port} is a loopback address and needs an address rule within that block; to allow it, add the rule 127.0.0.1:${port}`,
    });
    expect(await tunnel.client.heard.next('stream-closed')).toMatchObject({ id: 1, clean: false });
    expect(touched).toBe(false);
  });

  it('by the target is reset', async () => {
    const port = await closedPort();
    const tunnel = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [`0:127.0.0.1:${port}`] });
    const socket = await connect(tunnel.port);
    socket.write('data that waits for nobody');
    expect(await howItEnds(socket)).toBe('ECONNRESET');
    expect(await tunnel.client.heard.next('refused')).toMatchObject({ status: 'connection-refused' });
    expect(await tunnel.relay.heard.next('refused')).toMatchObject({
      advice: `laptop asked for 127.0.0.1:${port}: 127.0.0.1:${port} refused the connection: nothing listens there`,
    });
  });

  it('because its name resolves to a private address is reset without any connection attempt (spec forwarding 3.4)', async () => {
    const resolved: string[] = [];
    const { port } = await startEcho();
    const tunnel = await runTunnel({
      allow: ['*:*', '*.example.com:*'],
      forwards: [`0:intranet.example.com:${port}`],
      resolve: async (name) => {
        resolved.push(name);
        return ['127.0.0.1'];
      },
    });
    expect(await howItEnds(startConnecting(tunnel.port))).toBe('ECONNRESET');
    expect(resolved).toEqual(['intranet.example.com']);
    expect((await tunnel.relay.heard.next('refused')).advice).toContain(
      'intranet.example.com resolves to 127.0.0.1, which is a loopback address',
    );
    expect(tunnel.relay.heard.of('stream-opened')).toEqual([]);
  });
});

describe('a reader that does not read', () => {
  it('stops its own writer within the windows, and no other (spec forwarding 4.4)', async () => {
    const chunk = body(MIB, 3);
    const total = 64;
    let source: Socket | undefined;
    const { port: sourcePort } = await startTarget((socket) => {
      source = socket;
      for (let i = 0; i < total; i++) socket.write(chunk);
      socket.end();
    });
    const { port: echoPort } = await startEcho();
    const { client, relay } = await runTunnel({
      allow: ['127.0.0.1:*'],
      forwards: [`0:127.0.0.1:${sourcePort}`, `0:127.0.0.1:${echoPort}`],
    });
    const lazy = await connect(client.ports[0] ?? 0);
    await readBytes(lazy, 1);

    // The source stops sending, and meanwhile the other connection works.
    const sent = body(2 * MIB, 4);
    const leftSource = (): number => (source?.bytesWritten ?? 0) - (source?.writableLength ?? 0);
    let before = -1;
    for (let round = 0; leftSource() > before; round++) {
      expect(round).toBeLessThan(50);
      before = leftSource();
      const quick = await connect(client.ports[1] ?? 0);
      quick.end(sent);
      expect(sha256(await readAll(quick))).toBe(sha256(sent));
    }
    expect(before).toBeLessThan(total * MIB);
    expect(client.client.status().relay.unreadBytes).toBeLessThanOrEqual(MAX_STREAM_WINDOW_BYTES);
    const [peer] = relay.relay.status().peers;
    expect(peer?.stats.unacknowledgedBytes).toBeLessThanOrEqual(SEND_BUFFER_BYTES);

    const rest = await readAll(lazy);
    expect(rest.length).toBe(total * MIB - 1);
    expect(sha256(rest.subarray(-MIB))).toBe(sha256(chunk));
  });
});

describe('a relay that restarts', () => {
  it('resets the old connections once, and serves new ones', async () => {
    const echo = await startEcho();
    const allow = [`127.0.0.1:${echo.port}`];
    const tunnel = await runTunnel({ allow, forwards: [`0:127.0.0.1:${echo.port}`] });
    const old = await connect(tunnel.port);
    old.write('x');
    await readBytes(old, 1);
    const ending = howItEnds(old);

    await tunnel.relay.relay.close();
    expect(await ending).toBe('ECONNRESET');
    expect(await tunnel.client.heard.next('disconnected')).toEqual({
      type: 'disconnected',
      cause: 'relay-stopped',
      reason: 'closed',
      lostStreams: 1,
    });
    const { port, host } = at(tunnel.relay);
    await runRelay({
      listen: { host, port },
      privateKey: tunnel.relayKeys.privateKey,
      peers: [{ name: 'laptop', publicKey: tunnel.clientKeys.publicKey, allow: rules(allow) }],
    });
    const fresh = await connect(tunnel.port);
    fresh.end('after');
    expect(String(await readAll(fresh))).toBe('after');
    expect(tunnel.client.heard.of('connected')).toHaveLength(2);
    expect(tunnel.client.heard.of('disconnected')).toHaveLength(1);
    expect(tunnel.client.heard.of('refused')).toEqual([]);
  });

  it('is awaited only up to the limit if it had closed its connections (spec outage 8)', async () => {
    const echo = await startEcho();
    const allow = [`127.0.0.1:${echo.port}`];
    const tunnel = await runTunnel({ allow, forwards: [`0:127.0.0.1:${echo.port}`], contactLimitMs: 20 });
    tunnel.client.client.connect();
    await tunnel.client.client.connected();
    await tunnel.relay.relay.close();
    await tunnel.client.heard.next('disconnected');
    expect(await howItEnds(startConnecting(tunnel.port))).toBe('ECONNRESET');
    expect(await tunnel.client.heard.next('given-up')).toMatchObject({ waitedMs: 20 });
  });

  it('receives a request that waited for it (spec forwarding 2.1, 4.5)', async () => {
    const { port } = await startEcho();
    const relayKeys = newKeys();
    const clientKeys = newKeys();
    const peers = [{ name: 'laptop', publicKey: clientKeys.publicKey, allow: rules([`127.0.0.1:${port}`]) }];
    const first = await runRelay({ privateKey: relayKeys.privateKey, peers });
    await first.relay.close();
    const client = await runClient([`0:127.0.0.1:${port}`], {
      privateKey: clientKeys.privateKey,
      relay: at(first),
      relayPublicKey: relayKeys.publicKey,
    });
    const socket = await connect(client.ports[0] ?? 0);
    socket.end('patience');
    while (client.client.status().relay.datagramsSent === 0)
      await new Promise((resolve) => setImmediate(resolve));
    await runRelay({ listen: at(first), privateKey: relayKeys.privateKey, peers });
    expect(String(await readAll(socket))).toBe('patience');
  });
});

describe('a relay that was never reached', () => {
  it('makes a program wait up to the limit, and then resets it (spec outage 8)', async () => {
    const client = await runClient(['0:localhost:80', '0:localhost:81'], {
      privateKey: newKeys().privateKey,
      relay: { host: '127.0.0.1', port: 9 },
      relayPublicKey: newKeys().publicKey,
      contactLimitMs: 20,
    });
    const socket = await connect(client.ports[0] ?? 0);
    expect(await howItEnds(socket)).toBe('ECONNRESET');
    expect(await client.heard.next('given-up')).toMatchObject({
      target: { host: 'localhost', port: 80 },
      waitedMs: 20,
    });
    expect(await client.heard.next('stream-closed')).toMatchObject({ clean: false });
  });

  it.each([
    ['EAI_AGAIN', true, 'listens'],
    ['ENOTFOUND', false, 'listens'],
    ['ENOTFOUND', true, 'name-not-found'],
  ])(
    'whose name has no address (%s, refused if unknown: %s) %s (spec outage 6)',
    async (code, refuseUnknownName, outcome) => {
      const started = runClient([], {
        privateKey: newKeys().privateKey,
        relay: { host: 'relay.example', port: 9 },
        relayPublicKey: newKeys().publicKey,
        refuseUnknownName,
        lookUp: () => Promise.reject(Object.assign(new Error('no'), { code })),
      });
      if (outcome !== 'listens') {
        await expect(started).rejects.toMatchObject({ code: outcome });
        return;
      }
      const { client, heard } = await started;
      expect(await heard.next('contact-problem')).toMatchObject({ problem: { kind: 'unresolved', code } });
      expect(client.status().relay.address).toBeUndefined();
    },
  );

  it('is found at the second address of its name when the first is dead (spec outage 7)', async () => {
    const relayKeys = newKeys();
    const clientKeys = newKeys();
    const relay = await runRelay({
      privateKey: relayKeys.privateKey,
      peers: [{ name: 'laptop', publicKey: clientKeys.publicKey, allow: [] }],
    });
    const { client } = await runClient([], {
      privateKey: clientKeys.privateKey,
      relay: { host: 'relay.example', port: relay.relay.address.port },
      relayPublicKey: relayKeys.publicKey,
      // The first is unused: RFC 6666 reserves it for packets to be discarded.
      lookUp: async () => ['100::1', '127.0.0.1'],
    });
    client.connect();
    await client.connected();
    expect(client.status().relay.address?.address).toBe('127.0.0.1');
  });
});

describe('setPeers', () => {
  it('keeps every connection that the new rules permit, and applies the new rules to new ones (spec forwarding 3.2)', async () => {
    const [{ port }, { port: other }] = await Promise.all([startEcho(), startEcho()]);
    const targets = [`127.0.0.1:${port}`, `127.0.0.1:${other}`];
    const tunnel = await runTunnel({ allow: targets, forwards: targets.map((target) => `0:${target}`) });
    const kept = await connect(tunnel.port);
    kept.write('1');
    await readBytes(kept, 1);
    const { publicKey } = tunnel.clientKeys;
    tunnel.relay.relay.setPeers([{ name: 'desktop', publicKey, allow: rules(targets.slice(0, 1)) }]);
    expect(await howItEnds(startConnecting(tunnel.client.ports[1] ?? 0))).toBe('ECONNRESET');
    expect(await tunnel.relay.heard.next('refused')).toMatchObject({
      peer: 'desktop',
      status: 'not-allowed',
    });
    kept.end('2');
    expect(String(await readAll(kept))).toBe('2');
    expect(tunnel.relay.heard.of('peer-disconnected')).toEqual([]);
  });

  it.each([
    ['is gone', 'removed from the config', () => []],
    [
      'has another preshared key',
      'its preshared key changed in the config',
      (publicKey: Uint8Array) => [
        { name: 'laptop', publicKey, presharedKey: new Uint8Array(32).fill(7), allow: [] },
      ],
    ],
  ])('disconnects a peer that %s', async (_what, reason, peersWith) => {
    const targets: Socket[] = [];
    const { port } = await startTarget((socket) => {
      targets.push(socket);
      socket.write('x');
    });
    const tunnel = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [`0:127.0.0.1:${port}`] });
    await readBytes(await connect(tunnel.port), 1);
    const ending = howItEnds(targets[0] as Socket);
    tunnel.relay.relay.setPeers(peersWith(tunnel.clientKeys.publicKey));
    expect(await ending).toBe('ECONNRESET');
    await tunnel.relay.heard.next('stream-closed');
    expect(tunnel.relay.heard.of('peer-disconnected')).toEqual([
      { type: 'peer-disconnected', peer: 'laptop', reason, lostStreams: 1 },
    ]);
    // spec streams 8.1: the client receives the reason
    expect(await tunnel.client.heard.next('disconnected')).toEqual({
      type: 'disconnected',
      cause: 'removed',
      reason,
      lostStreams: 1,
    });
  });

  it('refuses two peers with the same name or key, and changes nothing', async () => {
    const { relay, clientKeys } = await runTunnel({ allow: [], forwards: [] });
    const [one, two] = [newKeys().publicKey, newKeys().publicKey];
    expect(() =>
      relay.relay.setPeers([
        { name: 'a', publicKey: one, allow: [] },
        { name: 'a', publicKey: two, allow: [] },
      ]),
    ).toThrow('two peers are named a');
    expect(() =>
      relay.relay.setPeers([
        { name: 'a', publicKey: one, allow: [] },
        { name: 'b', publicKey: one, allow: [] },
      ]),
    ).toThrow('a and b have the same public key');
    expect(relay.relay.status().peers.map(({ publicKey }) => publicKey)).toEqual([clientKeys.publicKey]);
  });
});

describe('a limit', () => {
  it('on lookups of one peer makes its requests wait, and does not affect other peers (spec forwarding 2.5)', async () => {
    const { port } = await startEcho();
    const relayKeys = newKeys();
    const [greedy, modest] = [newKeys(), newKeys()];
    let resolving = 0;
    const relay = await runRelay({
      privateKey: relayKeys.privateKey,
      peers: [
        { name: 'greedy', publicKey: greedy.publicKey, allow: rules(['*:80']) },
        { name: 'modest', publicKey: modest.publicKey, allow: rules(['*:*', `127.0.0.1:${port}`]) },
      ],
      resolve: (name) => {
        if (name === 'echo.example') return Promise.resolve(['127.0.0.1']);
        resolving++;
        return new Promise(() => undefined);
      },
    });
    const to = { relay: at(relay), relayPublicKey: relayKeys.publicKey };
    const one = await runClient(['0:slow.example:80'], { ...to, privateKey: greedy.privateKey });
    const other = await runClient([`0:echo.example:${port}`], { ...to, privateKey: modest.privateKey });
    one.client.connect();
    await one.client.connected();
    await Promise.all(Array.from({ length: 70 }, () => connect(one.ports[0] ?? 0)));

    const socket = await connect(other.ports[0] ?? 0);
    socket.end('unharmed');
    expect(String(await readAll(socket))).toBe('unharmed');
    expect(resolving).toBeLessThanOrEqual(4);
    expect(one.heard.of('refused')).toEqual([]);
  });

  it('on streams makes further connections wait for their turn (spec forwarding 2.5)', async () => {
    const { port } = await startEcho();
    const relayKeys = newKeys();
    const clientKeys = newKeys();
    const relay = await runRelay({ privateKey: relayKeys.privateKey, peers: [] });
    const { client, heard, ports } = await runClient([`0:127.0.0.1:${port}`], {
      privateKey: clientKeys.privateKey,
      relay: at(relay),
      relayPublicKey: relayKeys.publicKey,
    });
    // Before the first HELLO of the relay, 128 streams may be opened.
    const sockets = await Promise.all(Array.from({ length: 200 }, () => connect(ports[0] ?? 0)));
    for (const socket of sockets) socket.end('hello');
    await heard.next('stream-opened', 200);
    expect([client.status().openStreams, client.status().relay.openStreams]).toEqual([200, 128]);
    const allow = rules([`127.0.0.1:${port}`]);
    relay.relay.setPeers([{ name: 'laptop', publicKey: clientKeys.publicKey, allow }]);
    const answers = await Promise.all(sockets.map(readAll));
    expect(answers.map(String)).toEqual(Array(200).fill('hello'));
    expect(heard.of('refused')).toEqual([]);
  });
});

describe('closing', () => {
  it('a client sends CLOSE to the relay, resets programs and stops listening', async () => {
    const { port } = await startEcho();
    const tunnel = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [`0:127.0.0.1:${port}`] });
    const socket = await connect(tunnel.port);
    socket.write('x');
    await readBytes(socket, 1);
    const ending = howItEnds(socket);
    await Promise.all([tunnel.client.client.close(), tunnel.client.client.close()]);
    expect(await ending).toBe('ECONNRESET');
    expect(tunnel.client.heard.of('stream-closed')).toMatchObject([{ clean: false }]);
    expect(await tunnel.relay.heard.next('peer-disconnected')).toEqual({
      type: 'peer-disconnected',
      peer: 'laptop',
      reason: 'the client was stopped',
      lostStreams: 1,
    });
    await expect(connect(tunnel.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(tunnel.client.client.connected()).rejects.toThrow('the client is closed');
  });

  it('a relay does not wait for a target that reads its last bytes slowly', async () => {
    const targets: Socket[] = [];
    const { port } = await startTarget((socket) => {
      targets.push(socket);
      socket.pause();
      socket.end('that was all');
    });
    const tunnel = await runTunnel({ allow: [`127.0.0.1:${port}`], forwards: [`0:127.0.0.1:${port}`] });
    const socket = await connect(tunnel.port);
    expect(String(await readAll(socket))).toBe('that was all');
    socket.end(body(6 * MIB, 5)); // more than the kernel buffers, less than the windows
    await once(socket, 'finish');
    await tunnel.relay.relay.close();
    // The event may come in the turn of the event loop after that.
    expect(await tunnel.relay.heard.next('stream-closed')).toMatchObject({ target: { port } });
  });

  it('a client that never reached its relay rejects a pending connected()', async () => {
    const client = await runClient([], {
      privateKey: newKeys().privateKey,
      relay: { host: '127.0.0.1', port: 9 },
      relayPublicKey: newKeys().publicKey,
    });
    const waiting = expect(client.client.connected()).rejects.toThrow('the client is closed');
    client.client.connect();
    await client.client.close();
    await waiting;
  });
});
