/** What happens to a relay, a client and the path between them while 50 MB go in each direction: the transfer arrives
 *  intact, or is cut exactly where it should be, with an error at both ends. */
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Exchange, type Outcome } from './exchange.js';
import { Machine, startRelay as startMachineRelay } from './machine.js';
import { MovablePath } from './movable-path.js';
import { type RunningProgram, startUnderpass } from './running-program.js';
import { connect, readAll, startEcho } from './tcp.js';
import {
  clientArguments,
  setUpRelay,
  startClient,
  startRelay,
  startTunnel,
  writeRelayConfig,
} from './tunnel.js';

/** Moves 200 MB through two processes, and the test's own pieces of the path, on a machine that may be busy. */
const TIMEOUT_MS = 240_000;
const SLEEPY = new URL('./sleepy.mjs', import.meta.url).href;
/** Triggers are amounts of bytes, so that they come while the transfer is under way at any speed. */
const A_WHILE_BYTES = 5_000_000;
const MIN_BYTES = 50_000_000;

/** Each end has received exactly what the other sent, and both ended cleanly. */
function expectIntact([program, target]: readonly [Outcome, Outcome]): void {
  expect([program.how, target.how]).toEqual(['clean end', 'clean end']);
  expect([program.receivedBytes, target.receivedBytes]).toEqual([target.sentBytes, program.sentBytes]);
  expect(Math.min(program.receivedBytes, target.receivedBytes)).toBeGreaterThanOrEqual(MIN_BYTES);
}

/** Both ends got an error. What they had received until then was right, or `outcomes` would have thrown. */
function expectCut([program, target]: readonly [Outcome, Outcome]): void {
  expect([program.how, target.how]).toEqual(['ECONNRESET', 'ECONNRESET']);
}

function disconnections({ events }: RunningProgram): readonly unknown[] {
  return events.filter(({ event }) => event === 'disconnected' || event === 'peer-disconnected');
}

/** A client that reaches its relay over a path of the test, with a transfer under way. */
async function startOnPath(environment: NodeJS.ProcessEnv = {}) {
  const exchange = await Exchange.start(1);
  const setup = setUpRelay([exchange.target]);
  const relay = await startRelay(setup);
  const path = await MovablePath.start(relay.port);
  const client = await startClient(setup, path.port, [`0:${exchange.target}`], [], environment);
  await exchange.begin(client.ports[0] ?? 0);
  await exchange.carries(A_WHILE_BYTES);
  return { exchange, relay: relay.program, client: client.program, path };
}

describe('50 MB in each direction', { timeout: TIMEOUT_MS }, () => {
  it('arrive intact while the relay reloads, and only the connection that lost its rule is cut', async () => {
    const [kept, removed] = [await Exchange.start(1), await Exchange.start(2)];
    const targets = [kept.target, removed.target];
    const { setup, relay, client } = await startTunnel({
      allow: targets,
      forwards: targets.map((target) => `0:${target}`),
    });
    await Promise.all([kept, removed].map((exchange, i) => exchange.begin(client.ports[i] ?? 0)));
    await Promise.all([kept, removed].map((exchange) => exchange.carries(A_WHILE_BYTES)));

    // A reload that takes nothing away cuts nothing ...
    writeRelayConfig(setup, [...targets, 'localhost:80']);
    relay.program.child.kill('SIGHUP');
    await relay.program.event('reloaded');
    await Promise.all([kept, removed].map((exchange) => exchange.carries(A_WHILE_BYTES)));
    expect(relay.program.events.filter(({ event }) => event === 'stream-forbidden')).toEqual([]);

    // ... and one that takes a rule away cuts the connection that needed it, at once.
    writeRelayConfig(setup, [kept.target]);
    relay.program.child.kill('SIGHUP');
    expectCut(await removed.outcomes());
    expect(await client.program.event('refused')).toMatchObject({
      status: 'not-allowed',
      target: removed.target,
    });
    await kept.carries(A_WHILE_BYTES);
    expectIntact(await kept.finish());
    expect(relay.program.events.filter(({ event }) => event === 'stream-forbidden')).toMatchObject([
      { target: removed.target },
    ]);
    expect([...disconnections(relay.program), ...disconnections(client.program)]).toEqual([]);
  });

  it('are cut at once, with an error at both ends, when their peer is revoked; those of another peer are intact', async () => {
    const [laptop, desk] = [await Exchange.start(1), await Exchange.start(2)];
    const { server, relay, invite } = await startMachineRelay();
    const clients: RunningProgram[] = [];
    for (const [name, exchange] of Object.entries({ laptop, desk })) {
      const link = await invite(name, exchange.target);
      const client = new Machine().start('client', link, '-L', `0:${exchange.target}`);
      const { addresses } = await client.event('listening');
      await exchange.begin((addresses as readonly { readonly port: number }[])[0]?.port ?? 0);
      clients.push(client);
    }
    await Promise.all([laptop, desk].map((exchange) => exchange.carries(A_WHILE_BYTES)));

    expect((await server.run(['revoke', 'laptop'])).code).toBe(0);
    expectCut(await laptop.outcomes());
    expect(await clients[0]?.event('disconnected')).toMatchObject({ cause: 'removed', lost: 1 });
    expect(await relay.event('peer-disconnected')).toMatchObject({ peer: 'laptop', lost: 1 });
    await desk.carries(A_WHILE_BYTES);
    expectIntact(await desk.finish());
    expect(clients[1] && disconnections(clients[1])).toEqual([]);
  });

  it('arrive intact across new keys, three times, whenever the client has slept for two minutes (spec session 5.2)', async () => {
    const { exchange, client, path } = await startOnPath({ NODE_OPTIONS: `--import ${SLEEPY}` });
    for (let handshakes = 1; handshakes <= 3; handshakes++) {
      const before = path.initiations;
      client.child.kill('SIGUSR2');
      while (path.initiations === before) await exchange.carries(500_000);
      await exchange.carries(A_WHILE_BYTES);
    }
    expectIntact(await exchange.finish());
    client.child.kill('SIGTERM');
    const { handshakes } = await client.event('summary');
    expect(handshakes).toBeGreaterThanOrEqual(4);
    expect(disconnections(client)).toEqual([]);
  });

  it('arrive intact when the client gets another address, and yet another', async () => {
    const { exchange, relay, client, path } = await startOnPath();
    const to = await path.move('127.0.0.2');
    await exchange.carries(A_WHILE_BYTES); // nothing comes back before the relay knows the new address
    await relay.event('moved', (event) => isDeepStrictEqual(event.to, to));
    await path.move('127.0.0.3'); // perhaps not logged: at most one move a second is
    await exchange.carries(A_WHILE_BYTES);
    expectIntact(await exchange.finish());
    expect([...disconnections(relay), ...disconnections(client)]).toEqual([]);
  });

  it('arrive intact after a blackout that both sides have noticed', async () => {
    const { exchange, relay, client, path } = await startOnPath();
    path.isDead = true;
    await Promise.all([relay.event('waiting'), client.event('waiting')]);
    path.isDead = false;
    await Promise.all([relay.event('resumed'), client.event('resumed')]);
    expectIntact(await exchange.finish());
    expect([...disconnections(relay), ...disconnections(client)]).toEqual([]);
  });

  it('arrive intact while second clients with the same keys come and go, by a signal and by a kill', async () => {
    const exchange = await Exchange.start(1);
    const echo = `127.0.0.1:${(await startEcho()).port}`;
    const { setup, relay, client } = await startTunnel({
      allow: [exchange.target, echo],
      forwards: [`0:${exchange.target}`],
    });
    await exchange.begin(client.ports[0] ?? 0);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await exchange.carries(A_WHILE_BYTES);
      const second = await startClient(setup, relay.port, [`0:${echo}`]);
      await second.program.event('joined');
      const socket = await connect(second.ports[0] ?? 0);
      socket.end(signal);
      expect(String(await readAll(socket))).toBe(signal);
      second.program.child.kill(signal);
      await second.program.ended();
    }
    const stdio = startUnderpass([...clientArguments(setup, relay.port, []), '-W', echo]);
    stdio.child.stdin?.end('and by one connection');
    expect((await stdio.ended()).code).toBe(0);
    expect(stdio.stdout).toBe('and by one connection');
    expectIntact(await exchange.finish());
    expect([...disconnections(relay.program), ...disconnections(client.program)]).toEqual([]);
  });
});
