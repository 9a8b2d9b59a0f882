/** The library, as a program uses it: a relay and a tunnel in this process. */
import { getEventListeners, once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import path from 'node:path';
import { Agent, fetch } from 'undici';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { installed, outputOf } from '../../../../test/e2e/installed.js';
import {
  body,
  closedPort,
  howItEnds,
  readAll,
  sha256,
  startEcho,
  startTarget,
} from '../../../../test/e2e/tcp.js';
import { temporaryDirectory } from '../../../../test/e2e/temporary-directory.js';
import type { Connector } from '../../src/library/api.js';
import { connectorOf } from '../../src/library/connector.js';
import { connect, generateKeyPair } from '../../src/library/index.js';
import { createRelay } from '../../src/library/relay.js';
import { open } from './pair.js';

/** Answers every request with its method and path. */
async function startWebServer(): Promise<number> {
  const server = http.createServer((request, response) => response.end(`${request.method} ${request.url}`));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

function dispatcherFor(connector: Connector): Agent {
  const agent = new Agent({ connect: connector });
  onTestFinished(() => agent.destroy());
  return agent;
}

describe('a tunnel', () => {
  it('dials without a local port, and both directions arrive unchanged', async () => {
    const up = body(300_000, 1);
    const { port } = await startEcho();
    const { tunnel } = await open({ allow: [`127.0.0.1:${port}`] });
    for (const target of [`127.0.0.1:${port}`, { host: '127.0.0.1', port }]) {
      const socket = tunnel.dial(target, { allowHalfOpen: true });
      socket.end(up);
      expect(sha256(await readAll(socket as unknown as Socket))).toBe(sha256(up));
    }
  });

  it('refuses what is not a target, and fails with the reason of the relay', async () => {
    const port = await closedPort();
    const { tunnel } = await open({ allow: [`127.0.0.1:${port}`] });
    expect(() => tunnel.dial('db')).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    expect(() => tunnel.dial({ host: 'a b', port: 1 })).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    );
    const errors = await Promise.all(
      [`127.0.0.1:${port}`, '127.0.0.1:9'].map((target) => once(tunnel.dial(target), 'error')),
    );
    expect(errors.flat()).toMatchObject([
      { name: 'TunnelError', failure: 'connection-refused', code: 'ECONNREFUSED' },
      { name: 'TunnelError', failure: 'not-allowed', code: 'EACCES' },
    ]);
  });

  it('serves http.request through its agent', async () => {
    const port = await startWebServer();
    const { tunnel } = await open({ allow: [`127.0.0.1:${port}`] });
    const agent = tunnel.httpAgent({ keepAlive: true });
    for (const path of ['/a', '/b']) {
      const [response] = await once(http.get({ agent, host: '127.0.0.1', port, path }), 'response');
      expect(String(await readAll(response))).toBe(`GET ${path}`);
    }
    expect(tunnel.status().connections).toMatchObject([{ target: `127.0.0.1:${port}` }]);
    agent.destroy();
  });

  it('makes a request fail that its agent cannot serve', async () => {
    const { tunnel } = await open();
    const agent = tunnel.httpAgent();
    const [bySocket] = await once(http.get({ agent, socketPath: '/run/app.sock' }), 'error');
    expect(bySocket).toMatchObject({ code: 'invalid-option' });
    await tunnel.close();
    const [closed] = await once(http.get({ agent, host: 'app.test' }), 'error');
    expect(closed).toMatchObject({ code: 'closed' });
  });

  it('serves fetch through its connector', async () => {
    const port = await startWebServer();
    const { tunnel } = await open({ allow: [`127.0.0.1:${port}`] });
    const dispatcher = dispatcherFor(tunnel.connector);
    const get = (url: string) => fetch(url, { dispatcher });
    const response = await get(`http://127.0.0.1:${port}/page`);
    expect(await response.text()).toBe('GET /page');
    await expect(get('http://127.0.0.1:65000/')).rejects.toMatchObject({ cause: { failure: 'not-allowed' } });
    await expect(get('https://127.0.0.1/')).rejects.toMatchObject({ cause: { failure: 'not-allowed' } });
  });

  it('carries TLS between the program and the target, for https.request and fetch', async (context) => {
    const openssl = installed('openssl');
    if (openssl === undefined) return context.skip('openssl is not installed');
    const directory = temporaryDirectory();
    const [keyFile, certFile] = [path.join(directory, 'key.pem'), path.join(directory, 'cert.pem')];
    const subject = ['-subj', '/CN=app.test', '-addext', 'subjectAltName=DNS:app.test,IP:127.0.0.1'];
    const files = ['-keyout', keyFile, '-out', certFile];
    outputOf(openssl, ['req', '-x509', '-newkey', 'ed25519', '-nodes', ...files, ...subject]);
    const [key, ca] = [readFileSync(keyFile), readFileSync(certFile)];
    const server = https.createServer({ key, cert: ca }, (request, response) => response.end(request.url));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
    const { tunnel } = await open({ allow: [`127.0.0.1:${port}`] });

    const agent = tunnel.httpsAgent({ ca });
    const [response] = await once(https.get({ agent, host: '127.0.0.1', port, path: '/agent' }), 'response');
    expect(String(await readAll(response))).toBe('/agent');

    const trusting = dispatcherFor((options, done) => tunnel.connector({ ...options, ca }, done));
    const get = (dispatcher: Agent) =>
      fetch(`https://127.0.0.1:${port}/fetch`, { dispatcher }).then((got) => got.text());
    expect(await get(trusting)).toBe('/fetch');
    // The certificate is checked: without the authority, no request is sent.
    await expect(get(dispatcherFor(tunnel.connector))).rejects.toMatchObject({
      cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    });
  });

  it('gives up TLS with a target that does not speak it', async () => {
    const { port } = await startTarget((socket) => void socket.resume());
    const { tunnel } = await open({ allow: [`127.0.0.1:${port}`] });
    const connector = connectorOf((target) => tunnel.dial(target), 1);
    const error = await new Promise((resolve) => {
      connector({ hostname: '127.0.0.1', protocol: 'https:', port: String(port) }, (...result) =>
        resolve(result[0]),
      );
    });
    expect(error).toMatchObject({
      failure: 'timed-out',
      message:
        '127.0.0.1 did not complete the TLS handshake within 0.001 s: check that this port expects TLS',
    });
  });

  it('reports its state, and the relay reports the peer', async () => {
    const { tunnel, relay } = await open();
    expect(tunnel.status()).toMatchObject({ connected: true, waiting: false, connections: [] });
    expect(relay.status().peers).toMatchObject([{ name: 'program', connected: true, connections: [] }]);
    const ended = once(tunnel, 'disconnected');
    relay.setPeers([]);
    expect(await ended).toMatchObject([{ cause: 'removed', lostConnections: 0 }]);
    expect(tunnel.status().connected).toBe(false);
  });

  it('resets its connections when it closes, and opens no more', async () => {
    let ending: Promise<string> | undefined;
    const { port } = await startTarget((socket) => {
      ending = howItEnds(socket);
    });
    const { tunnel } = await open({ allow: [`127.0.0.1:${port}`] });
    const socket = tunnel.dial(`127.0.0.1:${port}`);
    await once(socket, 'connect');
    const [failed, closed] = [once(socket, 'error'), once(tunnel, 'close')];
    await tunnel[Symbol.asyncDispose]();
    await closed;
    expect(await failed).toMatchObject([{ failure: 'connection-lost' }]);
    expect(await ending).toBe('ECONNRESET');
    expect(() => tunnel.dial('app.test:80')).toThrow(expect.objectContaining({ code: 'closed' }));
    await expect(tunnel.listen(0, 80)).rejects.toMatchObject({ code: 'closed' });
  });

  it('closes when its signal aborts, and so does a relay', async () => {
    const abort = new AbortController();
    const { tunnel } = await open({}, { signal: abort.signal });
    const relay = await createRelay({
      listen: '127.0.0.1:0',
      privateKey: generateKeyPair().privateKey,
      peers: [],
      signal: abort.signal,
    });
    const closed = Promise.all([once(tunnel, 'close'), once(relay, 'close')]);
    abort.abort();
    await closed;
    expect(() => relay.setPeers([])).toThrow(expect.objectContaining({ code: 'closed' }));
  });
});

describe('connect', () => {
  const stranger = async () => {
    const relay = await createRelay({
      listen: '127.0.0.1:0',
      privateKey: generateKeyPair().privateKey,
      peers: [],
    });
    onTestFinished(() => relay.close());
    const { privateKey } = generateKeyPair();
    return { relay: relay.address, relayPublicKey: relay.publicKey, privateKey };
  };

  it('says when the relay does not answer', async () => {
    const access = await stranger();
    await expect(connect(access, { connectTimeoutMs: 1 })).rejects.toMatchObject({
      name: 'UnderpassError',
      code: 'relay-not-reached',
      message: `the relay ${access.relay} did not answer within 0.001 s`,
    });
  });

  it('is given up by its signal', async () => {
    const abort = new AbortController();
    const opening = connect(await stranger(), { connectTimeoutMs: 0, signal: abort.signal });
    const reason = new Error('enough');
    abort.abort(reason);
    await expect(opening).rejects.toBe(reason);
    await expect(connect(await stranger(), { signal: abort.signal })).rejects.toBe(reason);
  });

  it.each([
    ['it has reached the relay', true],
    ['its signal has given it up', false],
  ])('leaves no timer behind when %s', async (_, isReached) => {
    const [set, clear] = [vi.spyOn(globalThis, 'setTimeout'), vi.spyOn(globalThis, 'clearTimeout')];
    onTestFinished(() => void vi.restoreAllMocks());
    const connectTimeoutMs = 3_456_789; // nothing else waits as long as this
    if (isReached) await open({}, { connectTimeoutMs });
    else {
      const abort = new AbortController();
      const opening = connect(await stranger(), { connectTimeoutMs, signal: abort.signal });
      await vi.waitUntil(() => set.mock.calls.some(([, delayMs]) => delayMs === connectTimeoutMs));
      abort.abort();
      await expect(opening).rejects.toThrow();
      expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
    }
    const timers = set.mock.results.filter((_result, i) => set.mock.calls[i]?.[1] === connectTimeoutMs);
    expect(timers.length).toBeGreaterThan(0);
    for (const { value } of timers) expect(clear).toHaveBeenCalledWith(value);
  });

  it('takes keys as bytes, leaves them alone, and never shows them', async () => {
    const [relayKeys, keys] = [generateKeyPair(), generateKeyPair()];
    const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
    const privateKey = bytes(keys.privateKey);
    const presharedKey = bytes(generateKeyPair().privateKey);
    const relay = await createRelay({
      listen: '127.0.0.1:0',
      privateKey: bytes(relayKeys.privateKey),
      peers: [{ name: 'program', publicKey: bytes(keys.publicKey), presharedKey, allow: [] }],
    });
    onTestFinished(() => relay.close());
    expect(relay.publicKey).toBe(relayKeys.publicKey);
    const access = { relay: relay.address, relayPublicKey: bytes(relay.publicKey), privateKey, presharedKey };
    await (await connect(access, { connectTimeoutMs: 0 })).close();
    expect(Buffer.from(privateKey).toString('base64')).toBe(keys.privateKey);

    for (const [change, message] of [
      [{ privateKey: `${keys.privateKey}x` }, 'privateKey is not a key'],
      [{ presharedKey: new Uint8Array(31) }, 'presharedKey is not a key'],
      [{ relayPublicKey: keys.publicKey }, "relayPublicKey is this program's own key"],
      [{ relay: 'vpn' }, "relay: 'vpn' is not a host and a port"],
    ] as const) {
      await expect(connect({ ...access, ...change })).rejects.toMatchObject({
        code: 'invalid-option',
        message,
      });
    }
  });
});
