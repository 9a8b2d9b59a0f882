/** Signals, restarts and reloads. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type LogEvent, runUnderpass, startUnderpass } from './running-program.js';
import { connect, howItEnds, readAll, readBytes, startConnecting, startEcho } from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';
import { newKey, setUpRelay, startClient, startRelay, startTunnel, writeRelayConfig } from './tunnel.js';

/** The limit that docs/cli.md promises ('Stopping'). */
const STOP_LIMIT_MS = 5_000;

describe('SIGTERM and SIGINT', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    '%s stops client and relay with code 0 within 5 s, with a connection open',
    async (signal) => {
      const { port } = await startEcho();
      const { client, relay } = await startTunnel({
        allow: [`127.0.0.1:${port}`],
        forwards: [`0:127.0.0.1:${port}`],
      });
      const socket = await connect(client.ports[0] ?? 0);
      socket.on('error', () => undefined);
      socket.write('x');
      await readBytes(socket, 1);
      for (const { program } of [client, relay]) {
        program.child.kill(signal);
        expect(await program.ended(STOP_LIMIT_MS)).toEqual({ code: 0, signal: null });
        expect(program.plainLines).toEqual([]);
        expect(await program.event('stopped')).toMatchObject({ signal });
      }
      expect(client.program.events.filter(({ level }) => level === 'warn')).toEqual([]);
      // The client left first, but what was carried for it still counts.
      for (const { program } of [client, relay]) {
        const { streamBytesSent, streamBytesReceived } = await program.event('summary');
        expect(streamBytesSent).toBeGreaterThan(0);
        expect(streamBytesReceived).toBeGreaterThan(0);
      }
    },
  );

  it('stop a client that never reached its relay', async () => {
    const setup = setUpRelay([]);
    const client = await startClient(setup, 9, ['0:localhost:80']);
    client.program.child.kill('SIGTERM');
    expect(await client.program.ended(STOP_LIMIT_MS)).toEqual({ code: 0, signal: null });
  });
});

describe('a relay that is killed and restarted', () => {
  it('resets the old streams soon after contact, and serves new ones of the same client', async () => {
    const echo = await startEcho();
    const allow = [`127.0.0.1:${echo.port}`];
    const { setup, relay, client } = await startTunnel({ allow, forwards: [`0:127.0.0.1:${echo.port}`] });
    const localPort = client.ports[0] ?? 0;
    const old = await connect(localPort);
    old.write('before');
    expect(String(await readBytes(old, 6))).toBe('before');

    relay.program.child.kill('SIGKILL');
    await relay.program.ended();
    const since = client.program.events.length;
    const restarted = await startRelay(setup, relay.port);

    const oldEnds = howItEnds(old);
    old.write('anybody there?');
    expect(await oldEnds).toBe('ECONNRESET');
    const fresh = await connect(localPort);
    fresh.end('after');
    expect(String(await readAll(fresh))).toBe('after');
    await client.program.event('connected', undefined, since);
    await restarted.program.event('peer-connected');
    expect(client.program.exit).toBeUndefined();
  });
});

describe('SIGHUP', () => {
  it('makes a relay reload its rules, which ends exactly the connections that they do not permit', async () => {
    const [first, second, third] = [await startEcho(), await startEcho(), await startEcho()];
    const { setup, relay, client } = await startTunnel({
      allow: [`127.0.0.1:${first.port}`, `127.0.0.1:${second.port}`],
      forwards: [first, second, third].map(({ port }) => `0:127.0.0.1:${port}`),
    });
    const [kept, lost] = [await connect(client.ports[0] ?? 0), await connect(client.ports[1] ?? 0)];
    for (const socket of [kept, lost]) {
      socket.write('1');
      await readBytes(socket, 1);
    }
    const end = howItEnds(lost);

    writeRelayConfig(setup, [`127.0.0.0/8:${first.port}`, `127.0.0.1:${third.port}`]);
    relay.program.child.kill('SIGHUP');
    await relay.program.event('reloaded');

    expect(await end).toBe('ECONNRESET');
    const refused = await client.program.event('refused');
    expect(refused.msg).toContain(`the relay no longer allows 127.0.0.1:${second.port}`);
    kept.write('2');
    expect(String(await readBytes(kept, 1))).toBe('2');
    const fresh = await connect(client.ports[2] ?? 0);
    fresh.end('now allowed');
    expect(String(await readAll(fresh))).toBe('now allowed');
    expect(await howItEnds(startConnecting(client.ports[1] ?? 0))).toBe('ECONNRESET');
  });

  it('never ends a relay, however early it arrives', async () => {
    const setup = setUpRelay([]);
    // The process sends itself the signal every few milliseconds, starting when its own code begins to run.
    const preload = path.join(setup.directory, 'preload.cjs');
    writeFileSync(
      preload,
      "let left = 500; const timer = setInterval(() => { if (left-- > 0) process.kill(process.pid, 'SIGHUP'); else clearInterval(timer); }, 1).unref();\n" +
        "setImmediate(() => process.kill(process.pid, 'SIGHUP'));\n",
    );
    const program = startUnderpass(['relay', '--config', setup.config], {
      NODE_OPTIONS: `--require ${preload}`,
    });
    await program.event('listening');
    await program.event('reloaded');
    expect(program.exit).toBeUndefined();
  });

  it('changes nothing if the config is invalid, and reports what is wrong', async () => {
    const setup = setUpRelay([]);
    const { program } = await startRelay(setup);
    writeRelayConfig(setup, ['nonsense']);
    program.child.kill('SIGHUP');
    const failed = await program.event('reload-failed');
    expect(failed.msg).toContain('relay.toml:7: peer.allow:');
    expect(program.exit).toBeUndefined();
  });
});

describe('a changed config', () => {
  it('takes effect without a signal, and one with mistakes only once they are corrected', async () => {
    const { port } = await startEcho();
    const { setup, relay, client } = await startTunnel({ allow: [], forwards: [`0:127.0.0.1:${port}`] });
    writeRelayConfig(setup, ['nonsense']);
    await relay.program.event('reload-failed');
    writeRelayConfig(setup, [`127.0.0.1:${port}`]);
    await relay.program.event('reloaded');
    const socket = await connect(client.ports[0] ?? 0);
    socket.end('now allowed');
    expect(String(await readAll(socket))).toBe('now allowed');
  });
});

describe('a changed config of a client', () => {
  it('opens and closes forwards, while their connections go on', async () => {
    const [first, second] = [await startEcho(), await startEcho()];
    const setup = setUpRelay([`127.0.0.1:${first.port}`, `127.0.0.1:${second.port}`]);
    const relay = await startRelay(setup);
    const config = path.join(setup.directory, 'client.toml');
    const write = (target: number): void =>
      writeFileSync(
        config,
        `relay = "127.0.0.1:${relay.port}"\nrelay_public_key = "${setup.relayKey.publicKey}"\nprivate_key_file = "client.key"\nlocal_forwards = ["0:127.0.0.1:${target}"]\n`,
      );
    write(first.port);
    const client = startUnderpass(['client', '--config', config]);
    const portOf = ({ addresses }: LogEvent): number => (addresses as { port: number }[])[0]?.port ?? 0;
    const kept = await connect(portOf(await client.event('listening')));
    kept.write('1');
    await readBytes(kept, 1);

    const since = client.events.length;
    write(second.port);
    const listening = await client.event('listening', undefined, since);
    const fresh = await connect(portOf(listening));
    fresh.end('through the new one');
    expect(String(await readAll(fresh))).toBe('through the new one');
    kept.end('2');
    expect(String(await readAll(kept))).toBe('2');
  });
});

describe('SIGUSR1', () => {
  it('opens no inspector', async () => {
    const { program } = await startRelay(setUpRelay([]));
    program.child.kill('SIGUSR1');
    program.child.kill('SIGHUP');
    await program.event('reloaded');
    program.child.kill('SIGTERM');
    expect(await program.ended()).toEqual({ code: 0, signal: null });
    expect(program.plainLines).toEqual([]);
  });
});

describe('the first underpass relay', () => {
  it('leaves no config behind if it cannot listen, only its key', async () => {
    const { port } = await startRelay(setUpRelay([]));
    const home = temporaryDirectory();
    const { code } = await runUnderpass(['relay', '--listen', `127.0.0.1:${port}`], {
      environment: { XDG_CONFIG_HOME: home },
    });
    expect(code).toBe(1);
    expect(readdirSync(path.join(home, 'underpass'))).toEqual(['relay.key']);
  });

  it('writes a private config and key, prints the next steps and runs, and the second run uses them', async () => {
    const home = temporaryDirectory();
    const environment = { XDG_CONFIG_HOME: home };
    const first = startUnderpass(['relay', '--listen', '127.0.0.1:0'], environment);
    await first.event('listening');
    await first.event('no-peers');
    first.child.kill('SIGTERM');
    expect(await first.ended()).toEqual({ code: 0, signal: null });

    const config = path.join(home, 'underpass', 'relay.toml');
    const keyFile = path.join(home, 'underpass', 'relay.key');
    expect([statSync(config).mode & 0o777, statSync(keyFile).mode & 0o777]).toEqual([0o600, 0o600]);
    const { stdout: publicKey } = await runUnderpass(['pubkey'], { stdin: readFileSync(keyFile, 'utf8') });
    expect(first.stdout).toContain(`public key:\n  ${publicKey}`);
    expect(first.stdout).toContain('underpass invite laptop --allow');
    expect(first.transcript()).not.toContain(readFileSync(keyFile, 'utf8').trim());

    const second = startUnderpass(['relay'], environment);
    const listening = await second.event('listening');
    expect(publicKey).toContain(String(listening.publicKey).slice(0, 8));
    second.child.kill('SIGTERM');
    await second.ended();
    expect(second.stdout).toBe('');
  });
});

describe('a start', () => {
  it('fails with one line and code 1 if the port of the relay is in use', async () => {
    const setup = setUpRelay([]);
    const { port } = await startRelay(setup);
    const { code, lines } = await runUnderpass([
      'relay',
      '--config',
      setup.config,
      '--listen',
      `127.0.0.1:${port}`,
    ]);
    expect(code).toBe(1);
    expect(lines).toEqual([expect.stringMatching(`^underpass: .*${port}.* in use`)]);
  });

  it('fails with one line and code 1 if a local port is in use', async () => {
    const { port } = await startEcho();
    const directory = temporaryDirectory();
    const { file } = newKey(directory, 'client');
    const { publicKey } = newKey(directory, 'relay');
    const flags = ['--relay', '127.0.0.1:9', '--relay-key', publicKey, '--key', file];
    const { code, lines } = await runUnderpass(['client', ...flags, '-L', `127.0.0.1:${port}:localhost:80`]);
    expect(code).toBe(1);
    expect(lines).toEqual([expect.stringMatching(`^underpass: .*${port}.* in use`)]);
  });

  it('without a terminal reports a name that does not resolve, and tries again', async () => {
    const directory = temporaryDirectory();
    const { file, publicKey } = newKey(directory, 'client');
    const other = newKey(directory, 'relay').publicKey;
    expect(other).not.toBe(publicKey);
    const flags = ['--relay', 'no-such-host.invalid:1', '--relay-key', other, '--key', file];
    const program = startUnderpass(['client', ...flags, '-L', '0:localhost:80']);
    const problem = await program.event('contact-problem');
    expect(problem).toMatchObject({ problem: 'unresolved', host: 'no-such-host.invalid' });
    expect(program.exit).toBeUndefined();
  });
});

describe('a reader of stderr that goes away', () => {
  it('does not stop the tunnel', async () => {
    const { port } = await startEcho();
    const { client, relay } = await startTunnel({
      allow: [`127.0.0.1:${port}`],
      forwards: [`0:127.0.0.1:${port}`],
    });
    for (const { program } of [client, relay]) {
      program.child.stderr?.destroy();
      program.child.stdout?.destroy();
    }
    for (let round = 0; round < 3; round++) {
      const socket = await connect(client.ports[0] ?? 0);
      socket.end('on and on');
      expect(String(await readAll(socket))).toBe('on and on');
    }
  });
});
