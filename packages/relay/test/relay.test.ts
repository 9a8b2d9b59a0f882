import { Socket as UdpSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import { Acceptor } from '@underpass/forward';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { BareClient, newKeys, rules, runRelay } from './bare-client.js';
import { startTarget } from './start-target.js';

/** Resolves when the socket closes, with or without an error. */
function hasClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

const echo = (socket: Socket): void => void socket.pipe(socket);

describe('a relay', () => {
  it('connects a peer to targets that its rules allow, and reports them under its configured name', async () => {
    const port = await startTarget(echo);
    const keys = newKeys();
    const allow = rules(`127.0.0.1:${port}`);
    const relay = await runRelay([{ name: 'laptop', publicKey: keys.publicKey, allow }]);
    const client = await BareClient.connect(relay, keys);
    const answer = client.ask('127.0.0.1', port, 'hello');
    await answer.until(({ bytes }) => bytes().length === 5);
    expect([answer.status(), String(answer.bytes())]).toEqual(['opened', 'hello']);
    const streams = () => relay.relay.status().peers[0]?.streams.map(({ id }) => id);
    expect(streams()).toEqual([0]);
    answer.stream.finish();
    client.ask('127.0.0.1', port); // wakes it
    await answer.until(({ isOver }) => isOver);
    expect(await relay.next('peer-connected')).toMatchObject({ peer: 'laptop' });
    expect(await relay.next('stream-opened')).toMatchObject({
      peer: 'laptop',
      id: 0,
      target: { host: '127.0.0.1', port },
      address: '127.0.0.1',
    });
    expect(await relay.next('stream-closed')).toMatchObject({
      id: 0,
      bytesSent: 5,
      bytesReceived: 5,
      clean: true,
    });
    expect(streams()).not.toContain(0);
    expect(relay.relay.status()).toMatchObject({
      address: relay.relay.address,
      peers: [{ name: 'laptop', allow: [`127.0.0.1:${port}`], stats: { connected: true } }],
    });
  });

  it('has its own copy of the key of a peer', async () => {
    const publicKey = Uint8Array.from(newKeys().publicKey);
    const before = publicKey.slice();
    const { relay } = await runRelay([{ name: 'laptop', publicKey, allow: [] }]);
    publicKey.fill(0);
    expect(relay.status().peers[0]?.publicKey).toEqual(before);
  });

  it('refuses other targets, and reports the peer, the target and the rule that would allow it (spec forwarding 3.2)', async () => {
    const keys = newKeys();
    const relay = await runRelay([{ name: 'laptop', publicKey: keys.publicKey, allow: [] }]);
    const client = await BareClient.connect(relay, keys);
    const answer = client.ask('192.0.43.8', 443);
    await answer.until(({ isOver }) => isOver);
    expect(answer.status()).toBe('not-allowed');
    expect(await relay.next('refused')).toEqual({
      type: 'refused',
      peer: 'laptop',
      id: 0,
      target: { host: '192.0.43.8', port: 443 },
      status: 'not-allowed',
      advice:
        'laptop asked for 192.0.43.8:443: no rule allows 192.0.43.8:443; to allow it, add the rule 192.0.43.8:443',
    });
  });

  it('judges each peer by its own rules (spec forwarding 3.2)', async () => {
    const port = await startTarget(echo);
    const [one, other] = [newKeys(), newKeys()];
    const relay = await runRelay([
      { name: 'one', publicKey: one.publicKey, allow: rules(`127.0.0.1:${port}`) },
      { name: 'other', publicKey: other.publicKey, allow: rules('127.0.0.1:1') },
    ]);
    const answers = [];
    for (const keys of [one, other]) {
      const answer = (await BareClient.connect(relay, keys)).ask('127.0.0.1', port, 'x');
      await answer.until(({ status }) => status() !== undefined);
      answers.push(answer.status());
    }
    expect(answers).toEqual(['opened', 'not-allowed']);
  });

  it('does not connect a peer to addresses of this machine that no rule names (spec forwarding 3.5)', async () => {
    const keys = newKeys();
    const relay = await runRelay([{ name: 'laptop', publicKey: keys.publicKey, allow: rules('*:*') }], {
      resolve: async () => ['127.0.0.1', '::1'],
    });
    const client = await BareClient.connect(relay, keys);
    const answer = client.ask('relay.example', 22);
    await answer.until(({ isOver }) => isOver);
    expect(answer.status()).toBe('not-allowed');
    expect((await relay.next('refused')).advice).toContain('relay.example resolves to 127.0.0.1');
  });

  it('applies new rules to the next request, and keeps the streams that they permit', async () => {
    const port = await startTarget(echo);
    const keys = newKeys();
    const peer = (name: string, ...texts: string[]) => ({
      name,
      publicKey: keys.publicKey,
      allow: rules(...texts),
    });
    const relay = await runRelay([peer('laptop', `127.0.0.1:${port}`, '192.0.43.8:80')]);
    const client = await BareClient.connect(relay, keys);
    const answer = client.ask('127.0.0.1', port, 'before');
    await answer.until(({ bytes }) => bytes().length === 6);
    relay.relay.setPeers([peer('renamed', '127.0.0.0/8:*')]);
    const refused = client.ask('192.0.43.8', 80);
    answer.stream.write(Buffer.from(' and after'));
    await refused.until(({ isOver }) => isOver);
    expect([refused.status(), (await relay.next('refused')).peer]).toEqual(['not-allowed', 'renamed']);
    await answer.until(({ bytes }) => bytes().length === 16);
    expect(client.disconnects).toEqual([]);
  });

  it('closes exactly the streams that new rules do not permit (spec forwarding 3.9)', async () => {
    const ports = [await startTarget(echo), await startTarget(echo)] as const;
    const keys = newKeys();
    const peer = (...texts: string[]) => ({
      name: 'laptop',
      publicKey: keys.publicKey,
      allow: rules(...texts),
    });
    const relay = await runRelay([peer(...ports.map((port) => `127.0.0.1:${port}`))]);
    const client = await BareClient.connect(relay, keys);
    const answers = ports.map((port) => client.ask('127.0.0.1', port, 'x'));
    for (const answer of answers) await answer.until(({ bytes }) => bytes().length === 1);
    relay.relay.setPeers([peer(`127.0.0.1:${ports[1]}`)]);
    await answers[0]?.until(({ isOver }) => isOver);
    expect(await relay.next('stream-forbidden')).toEqual({
      type: 'stream-forbidden',
      peer: 'laptop',
      id: answers[0]?.stream.id,
      target: { host: '127.0.0.1', port: ports[0] },
      advice: expect.stringMatching(
        `^laptop lost its connection to 127.0.0.1:${ports[0]}: .*add the rule 127.0.0.1:${ports[0]}$`,
      ),
    });
    expect(await relay.next('stream-closed')).toMatchObject({ id: answers[0]?.stream.id, clean: false });
    answers[1]?.stream.write(Buffer.from('y'));
    client.ask('127.0.0.1', ports[1]); // wakes it
    await answers[1]?.until(({ bytes }) => bytes().length === 2);
    expect(client.disconnects).toEqual([]);
  });

  it.each([
    ['is gone from the config', () => []],
    [
      'has another preshared key',
      (publicKey: Uint8Array) => [
        { name: 'laptop', publicKey, presharedKey: new Uint8Array(32).fill(1), allow: [] },
      ],
    ],
  ])('disconnects a peer that %s, and resets its targets', async (_what, peers) => {
    let target: Socket | undefined;
    const port = await startTarget((socket) => {
      target = socket;
      echo(socket);
    });
    const keys = newKeys();
    const allow = rules(`127.0.0.1:${port}`);
    const relay = await runRelay([{ name: 'laptop', publicKey: keys.publicKey, allow }]);
    const client = await BareClient.connect(relay, keys);
    const answer = client.ask('127.0.0.1', port, 'x');
    await answer.until(({ bytes }) => bytes().length === 1);
    const closed = hasClosed(target as Socket);
    relay.relay.setPeers(peers(keys.publicKey));
    await Promise.all([closed, client.until(({ disconnects }) => disconnects.length > 0)]);
    expect(answer.isOver).toBe(true);
    expect(await relay.next('peer-disconnected')).toMatchObject({ peer: 'laptop', lostStreams: 1 });
    // Once, even if the config has another peer with the same key now.
    expect(relay.events.filter(({ type }) => type === 'peer-disconnected')).toHaveLength(1);
  });

  it('reports a client with an unknown key, which gets no answer', async () => {
    const relay = await runRelay([]);
    const stranger = newKeys();
    const client = await BareClient.connect(relay, stranger);
    const { publicKey, address } = await relay.next('unknown-key');
    expect([[...publicKey], address.address]).toEqual([[...stranger.publicKey], '127.0.0.1']);
    expect([client.isConnected, relay.relay.status().peers]).toEqual([false, []]);
  });

  it.each([
    ['removed from the config', false],
    ['its preshared key changed in the config', true],
  ])('disconnects a peer and says why: %s', async (reason, isKept) => {
    const port = await startTarget(echo);
    const keys = newKeys();
    const peer = { name: 'laptop', publicKey: keys.publicKey, allow: rules(`127.0.0.1:${port}`) };
    const relay = await runRelay([peer]);
    const client = await BareClient.connect(relay, keys);
    const answer = client.ask('127.0.0.1', port, 'hello');
    await answer.until(({ bytes }) => bytes().length === 5);
    const presharedKey = new Uint8Array(32).fill(5);
    relay.relay.setPeers(isKept ? [{ ...peer, presharedKey }] : []);
    expect(await relay.next('peer-disconnected')).toEqual({
      type: 'peer-disconnected',
      peer: 'laptop',
      reason,
      lostStreams: 1,
    });
    await client.until(({ disconnects }) => disconnects.length > 0);
    expect(relay.relay.status().peers.map(({ stats, streams }) => [stats.connected, streams])).toEqual(
      isKept ? [[false, []]] : [],
    );
  });

  it('accepts no new list when it closes, and closes once', async () => {
    const keys = newKeys();
    const relay = await runRelay([]);
    const closing = relay.relay.close();
    expect(relay.relay.close()).toBe(closing);
    relay.relay.setPeers([{ name: 'laptop', publicKey: keys.publicKey, allow: [] }]);
    expect(relay.relay.status().peers).toEqual([]);
    await closing;
  });

  it('changes nothing when the new list is invalid', async () => {
    const keys = newKeys();
    const peer = { name: 'laptop', publicKey: keys.publicKey, allow: [] };
    const relay = await runRelay([peer]);
    expect(() => relay.relay.setPeers([peer, { ...peer, name: 'copy' }])).toThrow('the same public key');
    expect(relay.relay.status().peers.map(({ name }) => name)).toEqual(['laptop']);
  });

  it('has freed its port when `close` resolves, also for a peer that does not answer', async () => {
    const keys = newKeys();
    const peers = [{ name: 'laptop', publicKey: keys.publicKey, allow: [] }];
    const relay = await runRelay(peers);
    const client = await BareClient.connect(relay, keys);
    await client.until(({ isConnected }) => isConnected);
    const { address, port } = relay.relay.address;
    await relay.relay.close();
    await runRelay(peers, { listen: { host: address, port } });
  });

  it('sends CLOSE to its peers when it closes, resets targets, and accepts no more peers', async () => {
    let target: Socket | undefined;
    const port = await startTarget((socket) => {
      target = socket;
      echo(socket);
    });
    const keys = newKeys();
    const allow = rules(`127.0.0.1:${port}`);
    const relay = await runRelay([{ name: 'laptop', publicKey: keys.publicKey, allow }]);
    const client = await BareClient.connect(relay, keys);
    const answer = client.ask('127.0.0.1', port, 'x');
    await answer.until(({ bytes }) => bytes().length === 1);
    const closed = hasClosed(target as Socket);
    await Promise.all([relay.relay.close(), relay.relay.close()]);
    await Promise.all([closed, client.until(({ disconnects }) => disconnects.length > 0)]);
    relay.relay.setPeers([]);
    expect(relay.relay.status().peers).toHaveLength(1);
  });

  it('waits on closing until targets that outlive their streams are reset', async () => {
    const keys = newKeys();
    const relay = await runRelay([{ name: 'laptop', publicKey: keys.publicKey, allow: [] }]);
    const client = await BareClient.connect(relay, keys);
    client.ask('127.0.0.1', 1);
    await relay.next('refused');
    let isReset = false;
    const close = vi.spyOn(Acceptor.prototype, 'close').mockImplementation(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      isReset = true;
    });
    onTestFinished(() => close.mockRestore());
    await relay.relay.close();
    expect(isReset).toBe(true);
  });

  it('gives up the streams of a peer that is silent for the configured time (spec outage 4)', async () => {
    const port = await startTarget(echo);
    const keys = newKeys();
    const allow = rules(`127.0.0.1:${port}`);
    const relay = await runRelay([{ name: 'laptop', publicKey: keys.publicKey, allow }], {
      maxOutageMs: 500,
    });
    const client = await BareClient.connect(relay, keys);
    const answer = client.ask('127.0.0.1', port, 'hello');
    await answer.until(({ bytes }) => bytes().length === 5);
    vi.spyOn(UdpSocket.prototype, 'send').mockImplementation(() => undefined);
    onTestFinished(() => void vi.restoreAllMocks());
    expect(await relay.next('peer-disconnected')).toMatchObject({ peer: 'laptop', lostStreams: 1 });
  });

  it('reports an error of sending once, however many datagrams meet it', async () => {
    const keys = newKeys();
    const relay = await runRelay([
      { name: 'laptop', publicKey: keys.publicKey, allow: rules('127.0.0.1:7') },
    ]);
    const client = await BareClient.connect(relay, keys);
    await client.until(({ isConnected }) => isConnected);
    onTestFinished(() => void vi.restoreAllMocks());
    const refused = Object.assign(new Error('send EPERM'), { code: 'EPERM' });
    const { port } = relay.relay.address;
    const { send } = UdpSocket.prototype;
    vi.spyOn(UdpSocket.prototype, 'send').mockImplementation(function (
      this: UdpSocket,
      ...parameters: unknown[]
    ) {
      if (this.address().port !== port) Reflect.apply(send, this, parameters);
      else (parameters.at(-1) as (error: Error, bytes: number) => void)(refused, 0);
    });
    client.ask('127.0.0.1', 9);
    await vi.waitUntil(() => (relay.relay.status().sendErrors.EPERM ?? 0) > 2, { timeout: 30_000 });
    expect(relay.events.filter(({ type }) => type === 'cannot-send')).toHaveLength(1);
  });

  it('fails to start when its port is taken', async () => {
    const { relay } = await runRelay([]);
    await expect(
      runRelay([], { listen: { host: '127.0.0.1', port: relay.address.port } }),
    ).rejects.toMatchObject({ code: 'address-in-use' });
  });
});
