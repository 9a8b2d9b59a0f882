import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import {
  decodeListenAnswer,
  decodeRequest,
  encodeStatus,
  type ListenRule,
  parseListenRule,
} from '@underpass/forward';
import { StreamErrorCode } from '@underpass/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Answer, BareClient, type Keys, newKeys, runRelay } from './bare-client.js';

function listenRules(...texts: readonly string[]): ListenRule[] {
  return texts.map((text) => parseListenRule(text) as ListenRule);
}

const laptop = ({ publicKey }: Keys, ...allowListen: readonly string[]) => ({
  name: 'laptop',
  publicKey,
  allow: [],
  allowListen: listenRules(...allowListen),
});

function visit(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Resolves with the code of the error that ends a connection, or 'clean end'. */
function howItEnds(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('end', () => resolve('clean end'));
    socket.resume();
  });
}

async function listen(client: BareClient, port = 0): Promise<{ answer: Answer; port: number }> {
  const answer = client.request({ kind: 'listen', bind: '127.0.0.1', port });
  await answer.until(({ bytes, isOver }) => isOver || bytes().length === 2);
  return { answer, port: decodeListenAnswer(answer.bytes()) ?? 0 };
}

describe('a relay that listens for a peer', () => {
  it('carries what visitors send, and reports all of it (spec reverse 5)', async () => {
    const keys = newKeys();
    const relay = await runRelay([laptop(keys, '*')]);
    const client = await BareClient.connect(relay, keys);
    const { answer, port } = await listen(client);
    const visitor = visit(port);
    visitor.end('hello');
    const incoming = await client.nextStream();
    const from = { address: '127.0.0.1', port: visitor.localPort };
    await incoming.until(({ isOver }) => isOver);
    const request = decodeRequest(Buffer.concat([Buffer.of(0x05), incoming.bytes()]));
    expect(request).toMatchObject({
      value: { kind: 'incoming', listener: answer.stream.id, host: from.address, port: from.port },
    });
    expect(String(incoming.bytes()).endsWith('hello')).toBe(true);
    incoming.stream.write(encodeStatus('opened'));
    incoming.stream.write(Buffer.from('welcome'));
    incoming.stream.finish();
    client.wake();
    expect(String((await once(visitor, 'data'))[0])).toBe('welcome');

    const listener = `127.0.0.1:${port}`;
    expect(await relay.next('listener-opened')).toMatchObject({ peer: 'laptop', listener });
    expect(await relay.next('visitor-opened')).toMatchObject({ peer: 'laptop', listener, from, id: 1 });
    expect(await relay.next('visitor-closed')).toMatchObject({
      peer: 'laptop',
      listener,
      bytesSent: 5,
      bytesReceived: 7,
      clean: true,
    });
    expect(relay.relay.status().peers[0]).toMatchObject({
      allowListen: ['*'],
      listeners: [{ listener, visitors: 0 }],
    });
  });

  it('listens nowhere without a rule, and reports which one is missing (spec reverse 3: "MUST NOT listen on anything")', async () => {
    const keys = newKeys();
    const relay = await runRelay([{ name: 'laptop', publicKey: keys.publicKey, allow: [] }]);
    const client = await BareClient.connect(relay, keys);
    const { answer } = await listen(client, 8080);
    expect(answer.status()).toBe('not-allowed');
    expect(await relay.next('listen-refused')).toEqual({
      type: 'listen-refused',
      peer: 'laptop',
      listener: '127.0.0.1:8080',
      status: 'not-allowed',
      advice:
        'laptop asked to listen on 127.0.0.1:8080: no listen rule allows 127.0.0.1:8080; to allow it, add 127.0.0.1:8080 to allow_listen',
    });
  });

  it('refuses INCOMING, which only relays send', async () => {
    const keys = newKeys();
    const relay = await runRelay([laptop(keys, '*')]);
    const client = await BareClient.connect(relay, keys);
    const answer = client.request({ kind: 'incoming', listener: 0, host: '127.0.0.1', port: 80 });
    await answer.until(({ isOver }) => isOver);
    expect(answer.status()).toBe('not-allowed');
  });

  it('gives a port to the next run of the client at once, though the last one is not known to be dead (spec reverse 4: "MUST close the listeners of an earlier run")', async () => {
    const keys = newKeys();
    const relay = await runRelay([laptop(keys, '*')]);
    const first = await BareClient.connect(relay, keys);
    const { port } = await listen(first);
    const old = howItEnds(visit(port));
    await first.nextStream();
    // The first run is still there, and knows nothing.
    const second = await BareClient.connect(relay, keys);
    const taken = await listen(second, port);
    expect([taken.answer.status(), taken.port]).toEqual(['opened', port]);
    expect(await old).toBe('ECONNRESET');
    visit(port).write('x');
    await second.nextStream();
    expect(await relay.next('listener-closed')).toMatchObject({ reason: 'its client is gone' });
    // One visitor. The stream that keeps the listener is not counted.
    expect(await relay.next('peer-disconnected')).toMatchObject({ lostStreams: 1 });
  });

  it('names the peer or the program that has a port already (spec reverse 2)', async () => {
    const [a, b] = [newKeys(), newKeys()];
    const relay = await runRelay([
      { ...laptop(a, '*'), name: 'a' },
      { ...laptop(b, '*'), name: 'b' },
    ]);
    const { port } = await listen(await BareClient.connect(relay, a));
    const { answer } = await listen(await BareClient.connect(relay, b), port);
    expect(answer.status()).toBe('address-in-use');
    expect((await relay.next('listen-refused')).advice).toContain(`${port} is in use by the peer a`);
  });

  it('closes a listener that lost its rule, and leaves others alone (spec reverse 8)', async () => {
    const keys = newKeys();
    const relay = await runRelay([laptop(keys, '*')]);
    const client = await BareClient.connect(relay, keys);
    const [lost, kept] = [await listen(client), await listen(client)];
    const visitor = howItEnds(visit(lost.port));
    await client.nextStream();
    relay.relay.setPeers([laptop(keys, `${kept.port}`)]);
    expect(await visitor).toBe('ECONNRESET');
    await lost.answer.until(({ isOver }) => isOver);
    expect(lost.answer.resetCode).toBe(StreamErrorCode.refused);
    expect(await howItEnds(visit(lost.port))).toBe('ECONNREFUSED');
    visit(kept.port).write('x');
    await client.nextStream();
  });

  it('closes the listeners of a peer that is removed, and its own when it stops', async () => {
    const [a, b] = [newKeys(), newKeys()];
    const peers = [
      { ...laptop(a, '*'), name: 'a' },
      { ...laptop(b, '*'), name: 'b' },
    ];
    const relay = await runRelay(peers);
    const client = await BareClient.connect(relay, a);
    const first = await listen(client);
    const second = await listen(await BareClient.connect(relay, b));
    const visitor = howItEnds(visit(first.port));
    await client.nextStream();
    relay.relay.setPeers(peers.slice(1));
    expect(await visitor).toBe('ECONNRESET');
    expect(await howItEnds(visit(first.port))).toBe('ECONNREFUSED');
    await relay.relay.close();
    expect(await howItEnds(visit(second.port))).toBe('ECONNREFUSED');
  });

  it('refuses a port of another program', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const keys = newKeys();
    const relay = await runRelay([laptop(keys, '*')]);
    const client = await BareClient.connect(relay, keys);
    const { port } = server.address() as { readonly port: number };
    expect((await listen(client, port)).answer.status()).toBe('address-in-use');
    expect((await relay.next('listen-refused')).advice).toContain('is in use by another program');
  });
});
