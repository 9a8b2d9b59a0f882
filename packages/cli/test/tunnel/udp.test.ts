/** Flows of UDP messages through a relay and a client in this process (spec forwarding 5). */
import { parseUdpForwards, type UdpForward } from '@underpass/forward';
import { describe, expect, it } from 'vitest';
import { newKeys, type RunningClient, type RunningRelay, rules, runClient, runRelay } from './in-process.js';
import { bytes, echo, Program, text } from './udp-program.js';

interface UdpTunnel {
  readonly relay: RunningRelay;
  readonly client: RunningClient;
  readonly setAllow: (allow: readonly string[]) => void;
  /** Starts the relay again, at the same address. */
  readonly restart: () => Promise<RunningRelay>;
}

async function runUdp(forwards: readonly string[], allow: readonly string[]): Promise<UdpTunnel> {
  const [relayKeys, clientKeys] = [newKeys(), newKeys()];
  const peer = (list: readonly string[]) => ({
    name: 'laptop',
    publicKey: clientKeys.publicKey,
    allow: rules(list),
  });
  const relay = await runRelay({ privateKey: relayKeys.privateKey, peers: [peer(allow)] });
  const client = await runClient([], {
    privateKey: clientKeys.privateKey,
    relayPublicKey: relayKeys.publicKey,
    relay: { host: '127.0.0.1', port: relay.relay.address.port },
  });
  for (const forward of forwards.flatMap((written) => parseUdpForwards(written) as UdpForward[])) {
    await client.client.addForward(forward);
  }
  const restart = () =>
    runRelay({
      privateKey: relayKeys.privateKey,
      peers: [peer(allow)],
      listen: { host: '127.0.0.1', port: relay.relay.address.port },
    });
  return { relay, client, setAllow: (list) => relay.relay.setPeers([peer(list)]), restart };
}

const portOf = ({ client }: RunningClient, index = 0) => client.forwards[index]?.addresses[0]?.port ?? 0;

describe('a UDP forward', () => {
  it('carries messages to the target and back, and each program gets its own answers (spec forwarding 5.1)', async () => {
    const server = await echo();
    const { client } = await runUdp([`0:127.0.0.1:${server.port}`], [`127.0.0.1:${server.port}/udp`]);
    const [first, second] = [await Program.start(), await Program.start()];
    expect(text(await first.ask(bytes('one'), portOf(client)))).toBe('<one>');
    expect(text(await second.ask(bytes('two'), portOf(client)))).toBe('<two>');
    expect(text(await first.ask(bytes('three'), portOf(client)))).toBe('<three>');
    // Each program is one address to the server, however often it sends.
    expect(new Set(server.received.map(({ port }) => port)).size).toBe(2);
    expect(second.received.every(({ message }) => text(message) === '<two>')).toBe(true);
  });

  it('needs a rule for UDP: one for TCP does not count (spec forwarding 3.8: "MUST NOT permit")', async () => {
    const server = await echo();
    const { client, relay } = await runUdp([`0:127.0.0.1:${server.port}`], [`127.0.0.1:${server.port}`]);
    const program = await Program.start();
    program.send(bytes('hello'), portOf(client));
    const refused = await client.heard.next('refused');
    expect(refused.status).toBe('not-allowed');
    expect((await relay.heard.next('refused')).advice).toContain(
      `to allow it, add the rule 127.0.0.1:${server.port}/udp`,
    );
    expect(server.received).toEqual([]);
  });

  it('ends when the rule is removed (spec forwarding 5.2: "MUST end the flow at once")', async () => {
    const server = await echo();
    const { client, relay, setAllow } = await runUdp(
      [`0:127.0.0.1:${server.port}`],
      [`127.0.0.1:${server.port}/udp`],
    );
    const program = await Program.start();
    await program.ask(bytes('one'), portOf(client));
    setAllow([]);
    const before = server.received.length;
    program.send(bytes('two'), portOf(client));
    await relay.heard.next('stream-closed');
    await client.heard.next('stream-closed');
    expect(server.received.slice(before)).toEqual([]);
  });

  it('drops a message that is too large, says so once, and goes on (spec forwarding 5.5)', async () => {
    const server = await Program.start((message) => new Uint8Array(text(message) === 'big' ? 5000 : 10));
    const { client, relay } = await runUdp([`0:127.0.0.1:${server.port}`], [`127.0.0.1:${server.port}/udp`]);
    const program = await Program.start();
    expect(await program.ask(bytes('small'), portOf(client))).toHaveLength(10);
    for (let n = 0; n < 3; n++) program.send(new Uint8Array(3000), portOf(client));
    expect(await client.heard.next('message-too-large')).toMatchObject({ bytes: 3000 });
    for (let n = 0; n < 3; n++) program.send(bytes('big'), portOf(client));
    expect(await relay.heard.next('message-too-large')).toMatchObject({ bytes: 5000, peer: 'laptop' });
    expect(await program.ask(bytes('small'), portOf(client))).toHaveLength(10);
    expect(client.heard.of('message-too-large')).toHaveLength(1);
    expect(relay.heard.of('message-too-large')).toHaveLength(1);
    expect(client.client.status().relay.flowDatagrams.tooLarge).toBeGreaterThan(0);
  });

  it('passes on no message of another address (spec forwarding 5.1: "MUST pass on only messages of the target")', async () => {
    const server = await echo();
    const { client } = await runUdp([`0:127.0.0.1:${server.port}`], [`127.0.0.1:${server.port}/udp`]);
    const [program, stranger] = [await Program.start(), await Program.start()];
    await program.ask(bytes('one'), portOf(client));
    const relayPort = server.received[0]?.port ?? 0;
    for (let n = 0; n < 5; n++) stranger.send(bytes('forged'), relayPort);
    await program.ask(bytes('two'), portOf(client));
    expect(program.received.map(({ message }) => text(message))).not.toContain('forged');
  });

  it('goes on after the relay was restarted, from the same address of the program', async () => {
    const server = await echo();
    const { client, relay, restart } = await runUdp(
      [`0:127.0.0.1:${server.port}`],
      [`127.0.0.1:${server.port}/udp`],
    );
    const program = await Program.start();
    await program.ask(bytes('one'), portOf(client));
    await relay.relay.close();
    await restart();
    expect(text(await program.ask(bytes('two'), portOf(client)))).toBe('<two>');
  });

  it('ends with the client, and the relay closes its sockets', async () => {
    const server = await echo();
    const { client, relay } = await runUdp([`0:127.0.0.1:${server.port}`], [`127.0.0.1:${server.port}/udp`]);
    await (await Program.start()).ask(bytes('one'), portOf(client));
    await client.client.close();
    await relay.heard.next('stream-closed');
    expect(relay.relay.status().peers[0]?.stats.openStreams).toBe(0);
  });
});
