/** Real UDP programs through `-U`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Address } from '@underpass/protocol';
import { bindFlowSocket, type FlowSocket } from '@underpass/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import { installed } from './installed.js';
import { startUnderpass } from './running-program.js';
import { connect, readBytes } from './tcp.js';
import { clientArguments, type RunningClient, type RunningRelay, setUpRelay, startRelay } from './tunnel.js';

interface UdpTunnel {
  readonly relay: RunningRelay;
  readonly client: RunningClient['program'];
  readonly ports: readonly number[];
}

/** @param forwards  as arguments of `-U` */
async function startUdp(allow: readonly string[], forwards: readonly string[]): Promise<UdpTunnel> {
  const setup = setUpRelay(allow);
  const relay = await startRelay(setup, 0, ['--log-level', 'debug']);
  const options = forwards.flatMap((forward) => ['-U', forward]);
  const client = startUnderpass([...clientArguments(setup, relay.port, []), ...options]);
  const ports: number[] = [];
  for (const forward of forwards) {
    const listening = await client.event('listening', (event) => event.forward === forward);
    ports.push((listening.addresses as readonly { readonly port: number }[])[0]?.port ?? 0);
  }
  return { relay, client, ports };
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const socket: FlowSocket = await bindFlowSocket({ address: '127.0.0.1', port: 0 }, { onMessage: () => {} });
  const { port } = socket.address;
  socket.close();
  return port;
}

/** Starts a DNS server with a short answer (a.test), one of about 900 bytes (large.test) and one that no tunnel carries
 *  in one packet (huge.test). */
async function startDns(dnsmasq: string): Promise<number> {
  const port = await freePort();
  const text = (count: number) =>
    Array.from({ length: count }, (_, n) => String(n).padStart(200, 'x')).join();
  const child = spawn(
    dnsmasq,
    [
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      `--port=${port}`,
      '--listen-address=127.0.0.1',
      '--bind-interfaces',
      '--no-resolv',
      '--no-hosts',
      '--pid-file=',
      '--user=',
      '--log-facility=-',
      '--edns-packet-max=4096',
      '--address=/a.test/192.0.2.7',
      `--txt-record=large.test,${text(4)}`,
      `--txt-record=huge.test,${text(15)}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  // It logs that it has started once it listens.
  await once(child.stderr, 'data');
  return port;
}

/** Opens an association, and a local port whose messages go through it to one target: dig does not speak SOCKS.
 *  @param target  type, address and port, as SOCKS writes them */
async function startShim(proxy: number, target: Uint8Array): Promise<number> {
  const tcp = await connect(proxy);
  tcp.write(Uint8Array.of(5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0));
  const answer = await readBytes(tcp, 12);
  expect([...answer.subarray(0, 6)]).toEqual([5, 0, 5, 0, 0, 1]);
  const association = { address: '127.0.0.1', port: answer.readUInt16BE(10) };
  let program: Address | undefined;
  const socket: FlowSocket = await bindFlowSocket(
    { address: '127.0.0.1', port: 0 },
    {
      onMessage: (message, from) => {
        if (from.port !== association.port) {
          program = from;
          socket.send(Buffer.concat([new Uint8Array(3), target, message]), association);
        } else socket.send(message.subarray(10), program);
      },
    },
  );
  onTestFinished(() => socket.close());
  return socket.address.port;
}

async function dig(program: string, port: number | undefined, ...question: readonly string[]) {
  const child = spawn(program, ['@127.0.0.1', '-p', String(port), '+short', ...question]);
  onTestFinished(() => void child.kill('SIGKILL'));
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  const [code]: unknown[] = await once(child, 'close');
  return { code, output: Buffer.concat(output).toString() };
}

describe('UDP through the tunnel', () => {
  it('dig asks a DNS server, and gets short and large answers', async (context) => {
    const [digPath, dnsmasq] = [installed('dig'), installed('dnsmasq')];
    if (digPath === undefined || dnsmasq === undefined)
      return context.skip('dig or dnsmasq is not installed');
    const server = await startDns(dnsmasq);
    const { ports } = await startUdp([`127.0.0.1:${server}/udp`], [`0:127.0.0.1:${server}`]);
    const short = await dig(digPath, ports[0], '+tries=5', 'a.test');
    expect([short.code, short.output.trim()]).toEqual([0, '192.0.2.7']);
    const large = await dig(digPath, ports[0], '+tries=5', '+bufsize=1232', 'large.test', 'TXT');
    expect(large.code).toBe(0);
    expect(large.output.match(/x{190,}/g)).toHaveLength(4);
  });

  it('dig asks it through UDP ASSOCIATE of SOCKS 5 too, by number and by name', async (context) => {
    const [digPath, dnsmasq] = [installed('dig'), installed('dnsmasq')];
    if (digPath === undefined || dnsmasq === undefined)
      return context.skip('dig or dnsmasq is not installed');
    const server = await startDns(dnsmasq);
    const setup = setUpRelay([`localhost:${server}/udp`]);
    const relay = await startRelay(setup);
    const client = startUnderpass([...clientArguments(setup, relay.port, []), '-D', '0']);
    const { addresses } = await client.event('listening');
    const proxy = (addresses as readonly { readonly port: number }[])[0]?.port ?? 0;
    for (const target of [
      [1, 127, 0, 0, 1],
      [3, 9, ...Buffer.from('localhost')],
    ]) {
      const port = await startShim(proxy, Uint8Array.of(...target, server >>> 8, server & 255));
      const short = await dig(digPath, port, '+tries=5', 'a.test');
      expect([short.code, short.output.trim()]).toEqual([0, '192.0.2.7']);
      const large = await dig(digPath, port, '+tries=5', '+bufsize=1232', 'large.test', 'TXT');
      expect(large.output.match(/x{190,}/g)).toHaveLength(4);
    }
  });

  it('dig asks again over TCP for an answer that is too large, as in docs/guide/dns.md', async (context) => {
    const [digPath, dnsmasq] = [installed('dig'), installed('dnsmasq')];
    if (digPath === undefined || dnsmasq === undefined)
      return context.skip('dig or dnsmasq is not installed');
    const server = await startDns(dnsmasq);
    const setup = setUpRelay([`127.0.0.1:${server}/udp`, `127.0.0.1:${server}`]);
    const relay = await startRelay(setup);
    const port = await freePort();
    const forward = `${port}:127.0.0.1:${server}`;
    const client = startUnderpass([...clientArguments(setup, relay.port, [forward]), '-U', forward]);
    await client.event('listening', (event) => event.target === `127.0.0.1:${server}`);
    await client.event('listening', (event) => event.target === `127.0.0.1:${server}/udp`);
    const huge = await dig(digPath, port, '+tries=5', '+bufsize=1232', 'huge.test', 'TXT');
    expect(huge.code).toBe(0);
    expect(huge.output.match(/x{190,}/g)).toHaveLength(15);
  });

  it('an answer that is too large is dropped, and the relay says so once', async (context) => {
    const [digPath, dnsmasq] = [installed('dig'), installed('dnsmasq')];
    if (digPath === undefined || dnsmasq === undefined)
      return context.skip('dig or dnsmasq is not installed');
    const server = await startDns(dnsmasq);
    const { relay, ports } = await startUdp([`127.0.0.1:${server}/udp`], [`0:127.0.0.1:${server}`]);
    const huge = await dig(digPath, ports[0], '+tries=1', '+time=2', '+bufsize=4096', 'huge.test', 'TXT');
    expect(huge.code).toBe(9);
    const event = await relay.program.event('message-too-large');
    expect(event).toMatchObject({ peer: 'laptop', target: `127.0.0.1:${server}/udp` });
    expect(Number(event.bytes)).toBeGreaterThan(3000);
    expect(event.msg).toContain('have the program send smaller ones');
  });

  it('is refused without a rule that says /udp, and the relay names that rule', async () => {
    const { relay, client, ports } = await startUdp(['127.0.0.1:5353'], ['0:127.0.0.1:5353']);
    const socket = await bindFlowSocket({ address: '127.0.0.1', port: 0 }, { onMessage: () => {} });
    onTestFinished(() => socket.close());
    socket.send(Buffer.from('hello'), { address: '127.0.0.1', port: ports[0] ?? 0 });
    expect(await client.event('refused')).toMatchObject({ status: 'not-allowed' });
    expect((await relay.program.event('refused')).msg).toContain('add the rule 127.0.0.1:5353/udp');
  });
});
