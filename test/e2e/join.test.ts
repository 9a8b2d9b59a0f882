/** A second `underpass client` with the same keys joins the one that runs. */
import { describe, expect, it } from 'vitest';
import { startUnderpass } from './running-program.js';
import { closedPort, connect, howItEnds, readAll, readBytes, startEcho, startTarget } from './tcp.js';
import { clientArguments, startClient, startTunnel, type Tunnel } from './tunnel.js';

/** Starts a tunnel, and a second client of the same user with the same keys. */
async function startTwo(): Promise<Tunnel & { readonly target: string; readonly other: string }> {
  const target = `127.0.0.1:${(await startEcho()).port}`;
  const other = `127.0.0.1:${(await startEcho()).port}`;
  const tunnel = await startTunnel({ allow: [target, other], forwards: [`0:${target}`] });
  await tunnel.client.program.event('connected');
  return { ...tunnel, target, other };
}

async function echoes(port: number, text: string): Promise<boolean> {
  const socket = await connect(port);
  socket.end(text);
  return String(await readAll(socket)) === text;
}

describe('a second client with the same keys', () => {
  it('has the first one run its forwards until it stops; connections through them go on', async () => {
    const { setup, relay, client, other } = await startTwo();
    const second = await startClient(setup, relay.port, [`0:${other}`]);
    expect(await second.program.event('joined')).toMatchObject({ pid: client.program.child.pid });
    expect(await echoes(second.ports[0] ?? 0, 'through the first')).toBe(true);
    expect(await echoes(client.ports[0] ?? 0, 'still there')).toBe(true);
    // No second connection to the relay was made, so the first one was not ended.
    expect(client.program.events.filter(({ event }) => event === 'disconnected')).toEqual([]);

    const open = await connect(second.ports[0] ?? 0);
    open.write('x');
    await readBytes(open, 1);
    second.program.child.kill('SIGTERM');
    expect(await second.program.ended()).toEqual({ code: 0, signal: null });
    expect(second.program.plainLines).toEqual([]);
    open.end('y');
    expect(String(await readAll(open))).toBe('y');
    for (;;) {
      const how = await connect(second.ports[0] ?? 0).then(howItEnds, () => 'refused');
      if (how === 'refused') break; // the first one closes the port as soon as it notices
    }
    expect(await echoes(client.ports[0] ?? 0, 'and still there')).toBe(true);
  });

  it('is told what happens to its connections', async () => {
    const { setup, relay } = await startTwo();
    const second = await startClient(setup, relay.port, ['0:127.0.0.1:9']);
    expect(await howItEnds(await connect(second.ports[0] ?? 0))).toBe('ECONNRESET');
    expect(await second.program.event('refused')).toMatchObject({ status: 'not-allowed', level: 'warn' });
  });

  it('fails if a port is in use, and leaves nothing behind', async () => {
    const { setup, relay, client, other } = await startTwo();
    const busy = client.ports[0] ?? 0;
    const forwards = [`0:${other}`, `127.0.0.1:${busy}:${other}`];
    const second = startUnderpass(clientArguments(setup, relay.port, forwards));
    expect(await second.ended()).toMatchObject({ code: 1 });
    expect(second.plainLines).toEqual([expect.stringContaining(`${busy} is in use`)]);
    const third = await startClient(setup, relay.port, [`0:${other}`]);
    await third.program.event('joined');
  });

  it('fails if all its forwards run already', async () => {
    const { setup, relay, client, target } = await startTwo();
    const second = startUnderpass(clientArguments(setup, relay.port, [`0:${target}`]));
    expect(await second.ended()).toMatchObject({ code: 1 });
    expect(second.plainLines).toEqual([
      expect.stringContaining(`running already (process ${client.program.child.pid})`),
    ]);
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'takes the place of the first one, on the same port, when that ends by %s',
    async (signal) => {
      const { setup, relay, client, other } = await startTwo();
      const port = await closedPort();
      const second = await startClient(setup, relay.port, [`127.0.0.1:${port}:${other}`]);
      await second.program.event('joined');
      client.program.child.kill(signal);
      await second.program.event('left');
      await second.program.event('connected');
      expect(await echoes(port, 'by itself')).toBe(true);
    },
  );
});

describe('underpass client -W beside a client with the same keys', () => {
  it('has that one carry its connection, with both ends of it', async () => {
    const { setup, relay, client, other } = await startTwo();
    const stdio = startUnderpass([...clientArguments(setup, relay.port, []), '-W', other]);
    stdio.child.stdin?.write('hello');
    await stdio.until(() => stdio.stdout === 'hello', 'the echo');
    stdio.child.stdin?.end(' and goodbye');
    expect(await stdio.ended()).toEqual({ code: 0, signal: null });
    expect(stdio.stdout).toBe('hello and goodbye');
    expect(client.program.events.filter(({ event }) => event === 'disconnected')).toEqual([]);
  });

  it('fails with the reason if the target is refused', async () => {
    const { setup, relay } = await startTwo();
    const stdio = startUnderpass([...clientArguments(setup, relay.port, []), '-W', '127.0.0.1:9']);
    expect(await stdio.ended()).toMatchObject({ code: 1 });
    expect(stdio.plainLines.at(-1)).toContain('does not allow 127.0.0.1:9');
  });

  it('fails if the target resets the connection, after what it sent', async () => {
    const target = await startTarget((socket) => {
      socket.write('half of it', () => socket.resetAndDestroy());
    });
    const { setup, relay } = await startTunnel({ allow: [`127.0.0.1:${target.port}`], forwards: ['0:x:1'] });
    const stdio = startUnderpass([
      ...clientArguments(setup, relay.port, []),
      '-W',
      `127.0.0.1:${target.port}`,
    ]);
    expect(await stdio.ended()).toMatchObject({ code: 1 });
  });

  it.each(['the end of its connection', 'SIGHUP'])(
    'goes on after %s while another one uses it, as with two ssh sessions',
    async (how) => {
      const { setup, relay, client, other } = await startTwo();
      client.program.child.kill('SIGTERM');
      await client.program.ended();
      const first = startUnderpass([...clientArguments(setup, relay.port, []), '-W', other]);
      first.child.stdin?.write('1');
      await first.until(() => first.stdout === '1', 'the echo');
      const second = startUnderpass([...clientArguments(setup, relay.port, []), '-W', other]);
      second.child.stdin?.write('2');
      await second.until(() => second.stdout === '2', 'the echo');
      if (how === 'SIGHUP') first.child.kill('SIGHUP');
      else first.child.stdin?.end();
      await first.event('stream-closed');
      second.child.stdin?.end('3');
      expect(await second.ended()).toEqual({ code: 0, signal: null });
      expect(second.stdout).toBe('23');
      expect(await first.ended()).toEqual({ code: 0, signal: null });
    },
  );

  it('is the one that others join if it came first', async () => {
    const { setup, relay, client, other } = await startTwo();
    client.program.child.kill('SIGTERM');
    await client.program.ended();
    const first = startUnderpass([...clientArguments(setup, relay.port, []), '-W', other]);
    first.child.stdin?.write('1');
    await first.until(() => first.stdout === '1', 'the echo');
    const second = startUnderpass([...clientArguments(setup, relay.port, []), '-W', other]);
    second.child.stdin?.end('2');
    expect(await second.ended()).toEqual({ code: 0, signal: null });
    expect(second.stdout).toBe('2');
    first.child.stdin?.end('3');
    expect(await first.ended()).toEqual({ code: 0, signal: null });
    expect(first.stdout).toBe('13');
  });
});
