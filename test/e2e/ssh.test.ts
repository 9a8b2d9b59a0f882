/** OpenSSH through the tunnel: logins, copies, and ssh's own forwards inside one connection. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DEADLINE_MS } from './deadline.js';
import { installed, run } from './installed.js';
import { PROGRAM, RunningProgram } from './running-program.js';
import { sshOptions, startSshServer } from './ssh-server.js';
import { body, closedPort, connect, readAll, sha256, startTarget } from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';
import { clientArguments, setUpRelay, startClient, startRelay, startTunnel } from './tunnel.js';

/** Several logins take their time on a busy machine. */
const TEST_LIMIT_MS = 120_000;

describe('ssh through the tunnel', { timeout: TEST_LIMIT_MS }, () => {
  it('ssh logs in and runs a command', async (context) => {
    const [ssh, sshd, sshKeygen] = ['ssh', 'sshd', 'ssh-keygen'].map(installed);
    if (ssh === undefined || sshd === undefined || sshKeygen === undefined) {
      return context.skip('ssh and sshd are not installed');
    }
    const port = await closedPort();
    const server = await startSshServer(sshd, sshKeygen, port);
    if (typeof server === 'string') return context.skip(`sshd does not run here: ${server}`);
    const { client } = await startTunnel({
      allow: [`127.0.0.1:${port}`],
      forwards: [`0:127.0.0.1:${port}`],
    });
    const options = [...sshOptions(server.key), '-p', String(client.ports[0])];
    const file = body(500_000, 7);
    const result = await run(ssh, [...options, '127.0.0.1', 'sha256sum'], file);
    expect(result.errors.split('\n').filter((line) => /denied|error|closed/i.test(line))).toEqual([]);
    expect([result.code, result.output.toString().split(' ')[0]]).toEqual([0, sha256(file)]);
  });

  it('ssh logs in over ProxyCommand, without a local port', async (context) => {
    const [ssh, sshd, sshKeygen] = ['ssh', 'sshd', 'ssh-keygen'].map(installed);
    if (ssh === undefined || sshd === undefined || sshKeygen === undefined) {
      return context.skip('ssh and sshd are not installed');
    }
    const port = await closedPort();
    const server = await startSshServer(sshd, sshKeygen, port);
    if (typeof server === 'string') return context.skip(`sshd does not run here: ${server}`);
    const setup = setUpRelay([`127.0.0.1:${port}`]);
    const relay = await startRelay(setup);
    const client = clientArguments(setup, relay.port, []).filter(
      (flag) => !/^(--log-level|debug)$/.test(flag),
    );
    const command = [process.execPath, PROGRAM, ...client, '-W', '%h:%p'].join(' ');
    const options = [...sshOptions(server.key), '-p', String(port), '-o', `ProxyCommand=${command}`];
    const file = body(500_000, 8);
    const result = await run(ssh, [...options, '127.0.0.1', 'sha256sum'], file);
    expect(result.errors.split('\n').filter((line) => /denied|error|closed|underpass/i.test(line))).toEqual(
      [],
    );
    expect([result.code, result.output.toString().split(' ')[0]]).toEqual([0, sha256(file)]);

    const refused = await run(ssh, [...options, '127.0.0.2', 'true']);
    expect(refused.code).toBe(255);
    expect(refused.errors).toContain(`underpass: the relay does not allow 127.0.0.2:${port}`);
  });
});

describe('ssh over a dynamic forward', { timeout: TEST_LIMIT_MS }, () => {
  it('logs in by SOCKS 4, SOCKS 5 and CONNECT', async (context) => {
    const [ssh, sshd, sshKeygen, nc] = ['ssh', 'sshd', 'ssh-keygen', 'nc'].map(installed);
    if (ssh === undefined || sshd === undefined || sshKeygen === undefined || nc === undefined) {
      return context.skip('ssh, sshd and nc are not installed');
    }
    if (!(await run(nc, ['-h'])).errors.includes('"connect"'))
      return context.skip('this nc knows no proxies');
    const port = await closedPort();
    const server = await startSshServer(sshd, sshKeygen, port);
    if (typeof server === 'string') return context.skip(`sshd does not run here: ${server}`);
    const setup = setUpRelay([`127.0.0.1:${port}`]);
    const relay = await startRelay(setup);
    const { program } = await startClient(setup, relay.port, [], ['-D', '127.0.0.1:0']);
    const listening = await program.event('listening', (event) => event.kind === 'dynamic');
    const [{ port: proxy }] = listening.addresses as readonly [{ readonly port: number }];
    const file = body(500_000, 11);
    for (const protocol of ['4', '5', 'connect']) {
      const command = `ProxyCommand=${nc} -X ${protocol} -x 127.0.0.1:${proxy} %h %p`;
      const options = [...sshOptions(server.key), '-p', String(port), '-o', command];
      const result = await run(ssh, [...options, '127.0.0.1', 'sha256sum'], file);
      expect([protocol, result.code, result.output.toString().split(' ')[0]]).toEqual([
        protocol,
        0,
        sha256(file),
      ]);
    }
  });
});

describe('ssh over ProxyCommand', { timeout: TEST_LIMIT_MS }, () => {
  it('copies 5 MB there with scp and back with sftp', async (context) => {
    const [scp, sftp] = ['scp', 'sftp'].map(installed);
    const server = await startBehindRelay();
    if (typeof server === 'string') return context.skip(server);
    if (scp === undefined || sftp === undefined) return context.skip('scp and sftp are not installed');
    const directory = temporaryDirectory();
    const [from, there, back] = ['from', 'there', 'back'].map((name) => path.join(directory, name)) as [
      string,
      string,
      string,
    ];
    const bytes = body(5_000_000, 12);
    writeFileSync(from, bytes);
    const sent = await run(scp, ['-q', ...server.options, from, `127.0.0.1:${there}`]);
    expect([sent.code, sha256(readFileSync(there))]).toEqual([0, sha256(bytes)]);
    const batch = `get ${there} ${back}\n`;
    const fetched = await run(sftp, ['-q', '-b', '-', ...server.options, '127.0.0.1'], batch);
    expect([fetched.code, sha256(readFileSync(back))]).toEqual([0, sha256(bytes)]);
  });

  it('carries forwards of its own, one inside the other, with both directions and each end', async (context) => {
    const server = await startBehindRelay();
    if (typeof server === 'string') return context.skip(server);
    const up = body(1_000_000, 13);
    const down = body(1_000_000, 14);
    const received: Promise<Buffer>[] = [];
    const { port: target } = await startTarget((socket) => {
      received.push(readAll(socket));
      socket.end(down); // all of it before the end, though nothing has been read yet
    });
    const [local, next, remote, dynamic] = await Promise.all([1, 2, 3, 4].map(() => closedPort()));
    const forwards = [
      ...['-L', `127.0.0.1:${local}:127.0.0.1:${target}`, '-L', `127.0.0.1:${next}:127.0.0.1:${local}`],
      ...['-R', `127.0.0.1:${remote}:127.0.0.1:${next}`, '-D', `127.0.0.1:${dynamic}`],
    ];
    const flags = ['-v', '-N', '-o', 'ExitOnForwardFailure=yes', ...forwards, ...server.options];
    const ssh = new RunningProgram(server.ssh, [...flags, '127.0.0.1']);
    const isReady = () => ['remote forward success', 'Entering interactive'].every(hasLine);
    const hasLine = (text: string) => ssh.plainLines.some((line) => line.includes(text));
    await ssh.until(() => isReady() || ssh.exit !== undefined, 'the forwards of ssh');
    expect(ssh.exit, ssh.transcript()).toBeUndefined();

    for (const port of [local, next, remote] as number[]) {
      const socket = await connect(port);
      expect(sha256(await readAll(socket))).toBe(sha256(down));
      socket.end(up);
      expect(sha256((await received.pop()) ?? new Uint8Array())).toBe(sha256(up));
    }
    const curl = installed('curl');
    if (curl !== undefined) {
      const { port: page } = await startTarget((socket) => void socket.resume().end(down));
      // The target speaks no HTTP: version 0.9 is bytes until the end.
      const way = ['--http0.9', '--socks5-hostname', `127.0.0.1:${dynamic}`, `http://127.0.0.1:${page}/`];
      const { code, output } = await run(curl, ['--silent', '--show-error', ...way]);
      expect([code, sha256(output)]).toEqual([0, sha256(down)]);
    }
    // ssh hangs up on its ProxyCommand, which a killed one cannot do.
    ssh.child.kill('SIGTERM');
    await ssh.ended();
  });

  it('passes on that a program left early', async (context) => {
    const server = await startBehindRelay();
    if (typeof server === 'string') return context.skip(server);
    let left: (() => void) | undefined;
    const hasLeft = new Promise<void>((resolve) => {
      left = resolve;
    });
    const { port: target } = await startTarget((socket) => {
      socket.on('data', () => socket.write(body(64_000, 15)));
      socket.on('end', () => left?.());
    });
    // ssh itself carries one connection to the target, and its reader goes away after the first bytes.
    const child = spawn(server.ssh, [...server.options, '-W', `127.0.0.1:${target}`, '127.0.0.1']);
    onTestFinished(() => void child.kill('SIGKILL'));
    child.stdin.on('error', () => undefined);
    child.stdin.write('a question');
    await once(child.stdout, 'data', { signal: AbortSignal.timeout(DEADLINE_MS) });
    child.kill('SIGTERM');
    await once(child, 'close');
    await hasLeft;
    expect(await server.relay.program.event('peer-disconnected')).toMatchObject({
      reason: 'the client was stopped',
    });
  });
});

/** Starts an sshd that is reached through a relay with `underpass client -W`.
 *  @returns the options of ssh, or why it does not run on this machine */
async function startBehindRelay() {
  const [ssh, sshd, sshKeygen] = ['ssh', 'sshd', 'ssh-keygen'].map(installed);
  if (ssh === undefined || sshd === undefined || sshKeygen === undefined) {
    return 'ssh and sshd are not installed';
  }
  const port = await closedPort();
  const server = await startSshServer(sshd, sshKeygen, port);
  if (typeof server === 'string') return `sshd does not run here: ${server}`;
  const setup = setUpRelay([`127.0.0.1:${port}`]);
  const relay = await startRelay(setup);
  const client = clientArguments(setup, relay.port, []).filter((flag) => !/^(--log-level|debug)$/.test(flag));
  const command = [process.execPath, PROGRAM, ...client, '-W', '%h:%p'].join(' ');
  const options = [...sshOptions(server.key), '-o', `Port=${port}`, '-o', `ProxyCommand=${command}`];
  return { ssh, port, relay, options };
}
