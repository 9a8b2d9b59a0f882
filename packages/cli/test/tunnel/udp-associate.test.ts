/** SOCKS 5 UDP ASSOCIATE at a dynamic forward (spec proxy 9, forwarding 5.7). */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { DynamicForward } from '@underpass/forward';
import { describe, expect, it, onTestFinished } from 'vitest';
import { newKeys, type RunningClient, type RunningRelay, rules, runClient, runRelay } from './in-process.js';
import { bytes, echo, Program, text } from './udp-program.js';

const FORWARD: DynamicForward = {
  kind: 'dynamic',
  text: '0',
  place: { bind: { kind: 'host', host: '127.0.0.1' }, port: 0 },
};

interface Running {
  readonly relay: RunningRelay;
  readonly client: RunningClient;
  readonly port: number;
  readonly setAllow: (allow: readonly string[]) => void;
}

async function runProxy(
  allow: readonly string[],
  resolve?: (name: string) => Promise<string[]>,
): Promise<Running> {
  const [relayKeys, clientKeys] = [newKeys(), newKeys()];
  const peer = (list: readonly string[]) => ({
    name: 'laptop',
    publicKey: clientKeys.publicKey,
    allow: rules(list),
  });
  const relay = await runRelay({
    privateKey: relayKeys.privateKey,
    peers: [peer(allow)],
    ...(resolve && { resolve }),
  });
  const client = await runClient([], {
    privateKey: clientKeys.privateKey,
    relayPublicKey: relayKeys.publicKey,
    relay: { host: '127.0.0.1', port: relay.relay.address.port },
  });
  const bound = await client.client.addForward(FORWARD);
  const port = bound.addresses[0]?.port ?? 0;
  return { relay, client, port, setAllow: (list) => relay.relay.setPeers([peer(list)]) };
}

interface Association {
  readonly tcp: Socket;
  /** What the proxy answered to the request. */
  readonly reply: Buffer;
  /** The port to send to. */
  readonly port: number;
}

/** @param fromPort  the port from which the program says that it will send */
async function associate(proxyPort: number, fromPort = 0): Promise<Association> {
  const tcp = connect(proxyPort, '127.0.0.1');
  onTestFinished(() => void tcp.destroy());
  tcp.on('error', () => {});
  tcp.write(Uint8Array.of(5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, fromPort >>> 8, fromPort & 255));
  let received = Buffer.alloc(0);
  while (received.length < 12) {
    const [chunk] = (await once(tcp, 'data')) as [Buffer];
    received = Buffer.concat([received, chunk]);
  }
  const reply = received.subarray(2);
  return { tcp, reply, port: reply.readUInt16BE(8) };
}

const closeOf = ({ tcp }: Association) => new Promise<void>((resolve) => tcp.on('close', () => resolve()));

function toAddress(port: number, payload: string, fragment = 0): Uint8Array {
  return Buffer.concat([
    Uint8Array.of(0, 0, fragment, 1, 127, 0, 0, 1, port >>> 8, port & 255),
    bytes(payload),
  ]);
}

function toName(name: string, port: number, payload: string): Uint8Array {
  return Buffer.concat([
    Uint8Array.of(0, 0, 0, 3, name.length),
    bytes(name),
    Uint8Array.of(port >>> 8, port & 255),
    bytes(payload),
  ]);
}

/** The port that a message says it came from, and its payload. */
const read = (message: Uint8Array) => [Buffer.from(message).readUInt16BE(8), text(message.subarray(10))];

describe('UDP ASSOCIATE', () => {
  it('carries messages to many targets, to which the program has one address (spec forwarding 5.7: "MUST send all messages of a flow from one socket")', async () => {
    const servers = [await echo(), await echo()];
    const { port } = await runProxy(servers.map((server) => `127.0.0.1:${server.port}/udp`));
    const association = await associate(port);
    expect([...association.reply.subarray(0, 8)]).toEqual([5, 0, 0, 1, 127, 0, 0, 1]);
    const program = await Program.start();
    for (const server of servers) {
      const answer = await program.ask(toAddress(server.port, `to ${server.port}`), association.port);
      expect(read(answer)).toEqual([server.port, `<to ${server.port}>`]);
    }
    const sources = servers.flatMap(({ received }) => received.map((message) => message.port));
    expect(new Set(sources).size).toBe(1);
  });

  it('resolves names at the relay', async () => {
    const server = await echo();
    const { port } = await runProxy(
      [`dns.test:${server.port}/udp`, `127.0.0.1:${server.port}/udp`],
      async () => ['127.0.0.1'],
    );
    const association = await associate(port);
    const answer = await (await Program.start()).ask(
      toName('dns.test', server.port, 'hello'),
      association.port,
    );
    expect(read(answer)).toEqual([server.port, '<hello>']);
  });

  it('drops fragments, messages of another port, and what no rule permits (spec proxy 9: "MUST drop fragments", "MUST take messages only from", spec forwarding 5.7: "MUST drop a message")', async () => {
    const [server, forbidden] = [await echo(), await echo()];
    const { port, relay } = await runProxy([`127.0.0.1:${server.port}/udp`]);
    const association = await associate(port);
    const [program, stranger] = [await Program.start(), await Program.start()];
    await program.ask(toAddress(server.port, 'first'), association.port);
    program.send(toAddress(server.port, 'fragment', 1), association.port);
    program.send(bytes('no'), association.port);
    stranger.send(toAddress(server.port, 'strange'), association.port);
    program.send(toAddress(forbidden.port, 'forbidden'), association.port);
    expect((await relay.heard.next('refused')).advice).toContain(`127.0.0.1:${forbidden.port}/udp`);
    await program.ask(toAddress(server.port, 'last'), association.port);
    const heard = new Set(server.received.map(({ message }) => text(message)));
    expect(heard).toEqual(new Set(['first', 'last']));
    expect([forbidden.received, stranger.received]).toEqual([[], []]);
  });

  it('takes messages only from the port that the program has announced', async () => {
    const server = await echo();
    const { port } = await runProxy([`127.0.0.1:${server.port}/udp`]);
    const [program, stranger] = [await Program.start(), await Program.start()];
    const association = await associate(port, program.port);
    stranger.send(toAddress(server.port, 'strange'), association.port);
    await program.ask(toAddress(server.port, 'mine'), association.port);
    expect(server.received.map(({ message }) => text(message))).not.toContain('strange');
  });

  it('passes on no message of an address to which nothing was sent (spec forwarding 5.7: "MUST pass on only messages")', async () => {
    const server = await echo();
    const { port } = await runProxy(['127.0.0.1:*/udp']);
    const association = await associate(port);
    const [program, stranger] = [await Program.start(), await Program.start()];
    await program.ask(toAddress(server.port, 'one'), association.port);
    const relayPort = server.received[0]?.port ?? 0;
    for (let n = 0; n < 5; n++) stranger.send(bytes('forged'), relayPort);
    await program.ask(toAddress(server.port, 'two'), association.port);
    expect(program.received.map(({ message }) => read(message)[1])).not.toContain('forged');
  });

  it('ends with its TCP connection, also at the relay (spec proxy 9: "MUST end the association")', async () => {
    const server = await echo();
    const { port, relay } = await runProxy([`127.0.0.1:${server.port}/udp`]);
    const association = await associate(port);
    await (await Program.start()).ask(toAddress(server.port, 'one'), association.port);
    const closed = closeOf(association);
    association.tcp.end();
    await relay.heard.next('stream-closed');
    await closed;
  });

  it('is refused when no rule allows UDP, and ends when the last one is taken away', async () => {
    const server = await echo();
    const { port, setAllow } = await runProxy([`127.0.0.1:${server.port}`]);
    const refused = await associate(port);
    expect(refused.reply[1]).toBe(2);
    setAllow([`127.0.0.1:${server.port}/udp`]);
    const association = await associate(port);
    const program = await Program.start();
    await program.ask(toAddress(server.port, 'one'), association.port);
    setAllow([]);
    const closed = closeOf(association);
    const timer = setInterval(() => program.send(toAddress(server.port, 'two'), association.port), 100);
    await closed;
    clearInterval(timer);
    expect(server.received.map(({ message }) => text(message))).not.toContain('two');
  });
});
