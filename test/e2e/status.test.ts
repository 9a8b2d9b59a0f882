/** `underpass status` and the control sockets that it asks. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { installed } from './installed.js';
import { PROGRAM, RunningProgram, runUnderpass, startUnderpass } from './running-program.js';
import { connect, readBytes, startEcho } from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';
import { setUpRelay, startRelay, startTunnel, writeRelayConfig } from './tunnel.js';

function controlSocketsOf(program: RunningProgram): string[] {
  const directory = path.join(program.runtimeDirectory, 'underpass');
  return readdirSync(directory).map((name) => path.join(directory, name));
}

describe('underpass status', () => {
  it('shows both ends of a tunnel with the connection that is open, as text and as JSON', async () => {
    const echo = await startEcho();
    const target = `127.0.0.1:${echo.port}`;
    const { client, relay } = await startTunnel({ allow: [target], forwards: [`0:${target}`] });
    const socket = await connect(client.ports[0] ?? 0);
    socket.write('hello');
    await readBytes(socket, 5);

    const text = await runUnderpass(['status']);
    expect(text.code).toBe(0);
    expect(text.lines).toEqual([]);
    expect(text.stdout).toContain(`listening on UDP 127.0.0.1:${relay.port}, 1 of 1 peers connected`);
    expect(text.stdout).toMatch(/laptop +connected +127\.0\.0\.1:\d+/);
    expect(text.stdout).toContain(`laptop → ${target}`);
    expect(text.stdout).toContain(`client 127.0.0.1: relay 127.0.0.1:${relay.port}`);

    const { code, stdout } = await runUnderpass(['status', '--json']);
    expect(code).toBe(0);
    const { relays, clients } = JSON.parse(stdout);
    expect(relays).toMatchObject([
      {
        kind: 'relay',
        pid: relay.program.child.pid,
        listen: `127.0.0.1:${relay.port}`,
        peers: [{ name: 'laptop', connected: true, openStreams: 1, rates: { sentBytesPerSecond: 0 } }],
        streams: [{ peer: 'laptop', target, address: target }],
      },
    ]);
    expect(clients).toMatchObject([
      { pid: client.program.child.pid, relay: { connected: true, streamBytesSent: expect.any(Number) } },
    ]);
    expect(clients[0].forwards[0].text).toBe(`0:${target}`);
    expect(clients[0].streams[0].target).toBe(target);
    expect(stdout).not.toContain('undefined');
  });

  it('shows one process by name, and says so if there is none', async () => {
    const { client } = await startTunnel({ allow: [], forwards: ['0:localhost:80'] });
    await client.program.event('connected');
    expect((await runUnderpass(['status', '127.0.0.1'])).stdout).not.toContain('listening on UDP');
    const { code, lines } = await runUnderpass(['status', 'elsewhere']);
    expect(code).toBe(1);
    expect(lines).toEqual([expect.stringContaining('no relay or client named elsewhere is running')]);
  });

  it('fails with one line if nothing runs', async () => {
    const { code, lines } = await runUnderpass(['status']);
    expect(code).toBe(1);
    expect(lines).toEqual([expect.stringContaining('no relay or client of this user is running')]);
  });

  it('shows a relay that was killed and started again', async () => {
    const setup = setUpRelay([]);
    const first = await startRelay(setup);
    first.program.child.kill('SIGKILL');
    await first.program.ended();
    expect(controlSocketsOf(first.program)).toHaveLength(1);
    const second = await startRelay(setup);
    const { stdout } = await runUnderpass(['status', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ relays: [{ pid: second.program.child.pid }] });
  });
});

describe.skipIf(installed('jq') === undefined)('the recipe for scripts in docs/guide/monitoring.md', () => {
  it('prints the peers that the relay waits for', async () => {
    const page = readFileSync(new URL('../../docs/guide/monitoring.md', import.meta.url), 'utf8');
    const [, filter = ''] = /status --json \| jq -r '([^']+)'/.exec(page) ?? [];
    const { relay } = await startTunnel({ allow: ['127.0.0.1:9'], forwards: ['0:127.0.0.1:9'] });
    await relay.program.event('peer-connected');
    const status = JSON.parse((await runUnderpass(['status', '--json'])).stdout);
    const peersIn = (value: unknown): string =>
      execFileSync('jq', ['-r', filter], { input: JSON.stringify(value), encoding: 'utf8' });
    expect(peersIn(status)).toBe('');
    status.relays[0].peers[0].waitingMs = 5000;
    expect(peersIn(status)).toBe('laptop\n');
  });
});

describe('underpass status --watch', () => {
  it('without a terminal prints a report each second, until a signal stops it', async () => {
    const relay = await startRelay(setUpRelay([]));
    const watch = startUnderpass(['status', '--watch', '--json']);
    await watch.until(() => watch.stdout.split('\n').length > 2, 'two reports');
    watch.child.kill('SIGINT');
    expect(await watch.ended()).toEqual({ code: 0, signal: null });
    const reports = watch.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(reports[1]).toMatchObject({ relays: [{ pid: relay.program.child.pid }], clients: [] });
  });

  it.skipIf(installed('script') === undefined)(
    'on a terminal shows a view of its own, and restores the terminal when q is pressed',
    async () => {
      await startRelay(setUpRelay([]));
      const command = `exec '${process.execPath}' '${PROGRAM}' status --watch`;
      const terminal = new RunningProgram('script', ['-qec', command, '/dev/null'], { TERM: 'xterm' });
      await terminal.until(() => terminal.stdout.includes('1 peers connected'), 'the view');
      terminal.child.stdin?.write('q');
      expect(await terminal.ended()).toEqual({ code: 0, signal: null });
      expect(terminal.stdout.indexOf('[?1049h')).toBeGreaterThanOrEqual(0);
      expect(terminal.stdout.indexOf('[?1049l')).toBeGreaterThan(terminal.stdout.indexOf('[?1049h'));
    },
  );
});

describe('the control socket', () => {
  it('is removed when the process stops', async () => {
    const { program } = await startRelay(setUpRelay([]));
    const [socket = ''] = controlSocketsOf(program);
    expect(existsSync(socket)).toBe(true);
    program.child.kill('SIGTERM');
    expect(await program.ended()).toEqual({ code: 0, signal: null });
    expect(existsSync(socket)).toBe(false);
  });

  it('makes a relay reload, and answers with what is wrong with the config', async () => {
    const setup = setUpRelay([]);
    const { program } = await startRelay(setup);
    const [socket = ''] = controlSocketsOf(program);
    const reload = (): string =>
      execFileSync('curl', ['-s', '--unix-socket', socket, '-X', 'POST', 'http://relay/reload'], {
        encoding: 'utf8',
      });
    writeRelayConfig(setup, ['localhost:80']);
    expect(JSON.parse(reload())).toEqual({ peers: 1, restartNeeded: [] });
    await program.event('reloaded');
    writeRelayConfig(setup, ['nonsense']);
    expect(JSON.parse(reload()).error).toContain('relay.toml:7: peer.allow:');
    await program.event('reload-failed');
    expect(program.exit).toBeUndefined();
  });

  it('reports what happens, line by line', async () => {
    const echo = await startEcho();
    const target = `127.0.0.1:${echo.port}`;
    const { client, relay } = await startTunnel({ allow: [target], forwards: [`0:${target}`] });
    const followers = controlSocketsOf(relay.program).map(
      (socket) => new RunningProgram('curl', ['-sN', '--unix-socket', socket, 'http://relay/events']),
    );
    for (const follower of followers) {
      await follower.until(() => follower.stdout.includes('"following"'), 'the first line');
    }
    (await connect(client.ports[0] ?? 0)).end('x');
    for (const follower of followers) {
      await follower.until(() => follower.stdout.includes('"stream-closed"'), 'the end of the connection');
      const lines = follower.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { type: string });
      expect(lines.map(({ type }) => type)).toEqual(
        expect.arrayContaining(['stream-opened', 'stream-closed']),
      );
    }
  });

  it('is missing, and the log says why, if others could reach its directory; the relay runs', async () => {
    const runtime = temporaryDirectory();
    const directory = path.join(runtime, 'underpass');
    mkdirSync(directory);
    chmodSync(directory, 0o755);
    const program = startUnderpass(['relay', '--config', setUpRelay([]).config], {
      XDG_RUNTIME_DIR: runtime,
    });
    await program.event('listening');
    const { msg } = await program.event('no-control');
    expect(msg).toContain(`chmod 700 ${directory}`);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('is missing if its path would be too long; the relay runs', async () => {
    const runtime = path.join(temporaryDirectory(), 'x'.repeat(100));
    mkdirSync(runtime);
    const program = startUnderpass(['relay', '--config', setUpRelay([]).config], {
      XDG_RUNTIME_DIR: runtime,
    });
    await program.event('listening');
    expect((await program.event('no-control')).msg).toContain('shorter path');
  });

  it('of a second relay with the same config is missing; the first keeps its own', async () => {
    const setup = setUpRelay([]);
    const first = await startRelay(setup);
    const second = await startRelay(setup);
    expect((await second.program.event('no-control')).msg).toMatch(
      /another process answers at the control socket [^ ]+: it was started with the same config or keys: stop one of them$/,
    );
    const { stdout } = await runUnderpass(['status', '--json']);
    expect(JSON.parse(stdout).relays).toMatchObject([{ pid: first.program.child.pid }]);
  });
});
