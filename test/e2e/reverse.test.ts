/** Reverse forwards (-R): programs at the relay reach what a client can reach. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { installed } from './installed.js';
import { Machine, startRelay } from './machine.js';
import type { LogEvent, RunningProgram } from './running-program.js';
import { body, closedPort, connect, howItEnds, readAll, sha256, startConnecting, startEcho } from './tcp.js';

const curl = installed('curl');
const PAGE = body(2_000_000, 7);

/** A web server that only the client can reach. */
async function startWeb(): Promise<number> {
  const server = createServer((_request, response) => void response.end(PAGE)).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return (server.address() as AddressInfo).port;
}

const portIn = (event: LogEvent): number => Number(/:(\d+)$/.exec(String(event.listener))?.[1]);

/** A relay, and a client that enrolled there with these listen rules. */
async function setUp(listen: readonly string[], forwards: readonly string[]) {
  const relay = await startRelay();
  const link = await relay.invite('laptop', 'localhost:1', '--allow-listen', ...listen);
  const laptop = new Machine();
  const flags = forwards.flatMap((forward) => ['-R', forward]);
  const client = laptop.start('client', link, '--as', 'vps', ...flags);
  const startAgain = (): RunningProgram => laptop.start('client', 'vps', ...flags);
  return { ...relay, client, startAgain };
}

describe('a reverse forward', () => {
  it.skipIf(curl === undefined)('publishes a web server of the client at the relay, for curl', async () => {
    const web = await startWeb();
    const { relay, client } = await setUp(['*'], [`0:localhost:${web}`]);
    const listening = await client.event('reverse-listening');
    expect(listening).toMatchObject({ level: 'info', target: `localhost:${web}` });
    const { stdout } = await promisify(execFile)(
      curl as string,
      ['-sS', '--fail', `http://localhost:${portIn(listening)}/`],
      { encoding: 'buffer', maxBuffer: 10_000_000 },
    );
    expect(sha256(stdout)).toBe(sha256(PAGE));
    expect(await relay.event('listener-opened')).toMatchObject({ peer: 'laptop' });
    expect(await relay.event('visitor-opened')).toMatchObject({
      level: 'info',
      peer: 'laptop',
      listener: listening.listener,
    });
  });

  it('gets its port back at once after kill -9 (spec reverse 4)', async () => {
    const { port: echo } = await startEcho();
    const port = await closedPort();
    const { relay, client, startAgain } = await setUp([`${port}`], [`${port}:127.0.0.1:${echo}`]);
    await client.event('reverse-listening');
    const old = await connect(port);
    old.write('x');
    await relay.event('visitor-opened');
    const oldEnd = howItEnds(old);
    client.child.kill('SIGKILL');
    await client.ended();
    const again = startAgain();
    expect(portIn(await again.event('reverse-listening'))).toBe(port);
    expect(await oldEnd).toBe('ECONNRESET');
    expect(again.events.map(({ event }) => event)).not.toContain('reverse-refused');
    const visitor = await connect(port);
    visitor.end('the next run');
    expect(String(await readAll(visitor))).toBe('the next run');
  });

  it('closes when its rule is revoked, and leaves the others alone', async () => {
    const { port: echo } = await startEcho();
    const [first, second] = [await closedPort(), await closedPort()];
    const { relay, server, client } = await setUp(
      [`${first}`, `${second}`],
      [`${first}:127.0.0.1:${echo}`, `${second}:127.0.0.1:${echo}`],
    );
    for (const port of [first, second]) {
      await client.event('reverse-listening', (event) => portIn(event) === port);
    }
    const [lost, kept] = [await connect(first), await connect(second)];
    await relay.event('visitor-opened', (event) => portIn(event) === first);
    const lostEnd = howItEnds(lost);
    const { stdout } = await server.run(['revoke', 'laptop', '--listen', `${first}`]);
    expect(stdout).toBe(`laptop may reach localhost:1, and may listen on ${second}\n`);
    expect(await lostEnd).toBe('ECONNRESET');
    expect(await howItEnds(startConnecting(first))).toBe('ECONNREFUSED');
    expect(await client.event('reverse-refused')).toMatchObject({
      level: 'warn',
      listener: `localhost:${first}`,
      status: 'not-allowed',
      retryMs: 5000,
    });
    kept.end('not touched');
    expect(String(await readAll(kept))).toBe('not touched');

    // A rule that comes back is used without a restart, and `allow` keeps the listen rules.
    await server.run(['allow', 'laptop', 'localhost:2']);
    expect((await server.run(['allow', 'laptop', '--listen', `${first}`])).stdout).toBe(
      `laptop may reach localhost:1, localhost:2, and may listen on ${second}, ${first}\n`,
    );
    const since = client.events.length;
    await client.event('reverse-listening', (event) => portIn(event) === first, since);
    expect((await server.run(['peers'])).stdout).toContain(
      `localhost:1, localhost:2; may listen on ${second}, ${first}\n`,
    );
  });
});
