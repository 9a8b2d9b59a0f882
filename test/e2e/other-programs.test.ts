/** Common programs through the tunnel. */
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { installed, outputOf, run } from './installed.js';
import { PROGRAM, RunningProgram } from './running-program.js';
import { body, closedPort, connect, readBytes, sha256, startTarget } from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';
import { clientArguments, setUpRelay, startClient, startRelay, startTunnel } from './tunnel.js';

/** @param socket  the path of a unix socket, instead of a port that the system chooses */
async function startHttp(page: Uint8Array, socket?: string): Promise<number> {
  const server = createServer((request, response) => {
    request.resume();
    response.end(page);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  if (socket === undefined) server.listen(0, '127.0.0.1');
  else server.listen(socket);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('through the tunnel', () => {
  it('curl fetches a page, and sees a reset rather than an empty answer when it is refused', async (context) => {
    const curl = installed('curl');
    if (curl === undefined) return context.skip('curl is not installed');
    const page = body(1_000_000, 5);
    const port = await startHttp(page);
    const nobody = await closedPort();
    const { client } = await startTunnel({
      allow: ['127.0.0.1:*'],
      forwards: [`0:127.0.0.1:${port}`, `0:127.0.0.1:${nobody}`],
    });
    const fetch = (local: number | undefined) =>
      run(curl, ['--silent', '--show-error', '--max-time', '30', `http://127.0.0.1:${local}/`]);
    const good = await fetch(client.ports[0]);
    expect([good.code, good.errors]).toEqual([0, '']);
    expect(sha256(good.output)).toBe(sha256(page));
    const refused = await fetch(client.ports[1]);
    expect(refused.code).not.toBe(0);
    expect(refused.errors).toContain('reset');
  });

  it('nc -N sends a file, closes its side, and still receives the answer', async (context) => {
    const nc = installed('nc');
    if (nc === undefined) return context.skip('nc is not installed');
    if (!(await run(nc, ['-h'])).errors.includes('-N')) return context.skip('this nc has no -N');
    const file = body(300_000, 6);
    const { port } = await startTarget((socket) => {
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.on('end', () => socket.end(sha256(Buffer.concat(chunks))));
    });
    const { client } = await startTunnel({
      allow: [`127.0.0.1:${port}`],
      forwards: [`0:127.0.0.1:${port}`],
    });
    const { code, output } = await run(nc, ['-N', '127.0.0.1', String(client.ports[0])], file);
    expect([code, output.toString()]).toEqual([0, sha256(file)]);
  });

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

  it('curl --unix-socket fetches a page from a unix socket', async (context) => {
    const curl = installed('curl');
    if (curl === undefined) return context.skip('curl is not installed');
    const directory = temporaryDirectory();
    const [local, target] = [path.join(directory, 'local.sock'), path.join(directory, 'app.sock')];
    const page = body(1_000_000, 9);
    await startHttp(page, target);
    await startTunnel({ allow: [`unix:${target}`], forwards: [`${local}:${target}`] });
    const flags = ['--silent', '--show-error', '--max-time', '30', '--unix-socket', local];
    const { code, output, errors } = await run(curl, [...flags, 'http://app/']);
    expect([code, errors, sha256(output)]).toEqual([0, '', sha256(page)]);
  });
});

describe('a target that reads the PROXY protocol', () => {
  it('learns the address of the program: nginx and curl (spec forwarding 2.8)', async (context) => {
    const [nginx, curl] = ['nginx', 'curl'].map(installed);
    if (nginx === undefined || curl === undefined) return context.skip('nginx and curl are not installed');
    const directory = temporaryDirectory();
    const port = await closedPort();
    const config = path.join(directory, 'nginx.conf');
    writeFileSync(
      config,
      `daemon off;
pid ${directory}/nginx.pid;
error_log stderr notice;
events {}
http {
  access_log off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  server {
    listen 127.0.0.1:${port} proxy_protocol;
    location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port to $proxy_protocol_server_port"; }
  }
}
`,
    );
    const server = new RunningProgram(nginx, ['-p', directory, '-c', config, '-e', 'stderr']);
    await server.until(
      () => server.exit !== undefined || server.transcript().includes('start worker processes'),
      'nginx to listen',
    );
    if (server.exit !== undefined) return context.skip(`nginx does not run here: ${server.transcript()}`);
    const { client } = await startTunnel({
      allow: [`127.0.0.1:${port}`],
      forwards: [`127.0.0.1:0:127.0.0.1:${port},proxy-protocol`],
    });
    const url = `http://127.0.0.1:${client.ports[0]}/`;
    const { output } = await run(curl, ['--silent', '--write-out', ' from %{local_port}', url]);
    const [, seen, own] = /^127\.0\.0\.1:(\d+) to \d+ from (\d+)$/.exec(String(output)) ?? [];
    expect(String(output)).toContain(`to ${client.ports[0]} from`);
    expect(seen).toBe(own);
    server.child.kill('SIGTERM');
    await server.ended();
  });
});

describe('through a dynamic forward', () => {
  const flags = ['--silent', '--show-error', '--max-time', '30'];

  it('curl fetches a page by SOCKS and by CONNECT, and learns why a target fails', async (context) => {
    const curl = installed('curl');
    if (curl === undefined) return context.skip('curl is not installed');
    const page = body(1_000_000, 10);
    const port = await startHttp(page);
    const nobody = await closedPort();
    const setup = setUpRelay([`localhost:${port}`, `127.0.0.1:${nobody}`]);
    const relay = await startRelay(setup);
    const { program } = await startClient(setup, relay.port, [], ['-D', '0']);
    const listening = await program.event('listening', (event) => event.kind === 'dynamic');
    const [{ port: proxy }] = listening.addresses as readonly [{ readonly port: number }];

    const ways = [
      ['--socks4', `127.0.0.1:${proxy}`],
      ['--socks4a', `127.0.0.1:${proxy}`],
      ['--socks5', `127.0.0.1:${proxy}`],
      ['--socks5-hostname', `127.0.0.1:${proxy}`],
      ['--proxytunnel', '-x', `http://127.0.0.1:${proxy}`],
    ];
    for (const way of ways) {
      const { code, errors, output } = await run(curl, [...flags, ...way, `http://localhost:${port}/`]);
      expect([way[0], code, errors, sha256(output)]).toEqual([way[0], 0, '', sha256(page)]);
    }

    const refused = await run(curl, [
      ...flags,
      '--socks5',
      `127.0.0.1:${proxy}`,
      `http://127.0.0.1:${nobody}/`,
    ]);
    expect([refused.code, refused.errors]).toEqual([97, expect.stringContaining('(5)')]);
    const denied = await run(curl, [
      ...flags,
      '--socks5-hostname',
      `127.0.0.1:${proxy}`,
      'http://example.com/',
    ]);
    expect([denied.code, denied.errors]).toEqual([97, expect.stringContaining('(2)')]);
    const tunnel = ['--proxytunnel', '-x', `http://127.0.0.1:${proxy}`];
    const forbidden = await run(curl, [...flags, ...tunnel, 'http://example.com/']);
    expect([forbidden.code, forbidden.errors]).toEqual([56, expect.stringContaining('403')]);
    const plain = await run(curl, [...flags, '-x', `http://127.0.0.1:${proxy}`, 'http://example.com/']);
    expect(String(plain.output)).toContain('use SOCKS 5 (socks5h://), or CONNECT (curl: --proxytunnel)');
  });
});

describe('ssh over a dynamic forward', () => {
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

function sshOptions(key: string): string[] {
  return [
    ...['-F', 'none', '-i', key],
    ...['-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
  ];
}

/** Starts an sshd for the test, with one port on loopback and one key.
 *  @returns the client's key file, or why sshd cannot run on this machine */
async function startSshServer(
  sshd: string,
  sshKeygen: string,
  port: number,
): Promise<{ readonly key: string } | string> {
  const directory = temporaryDirectory();
  const at = (name: string): string => path.join(directory, name);
  for (const name of ['host', 'user']) {
    outputOf(sshKeygen, ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
  }
  mkdirSync(at('authorized'), { mode: 0o700 });
  copyFileSync(at('user.pub'), at('authorized/keys'));
  writeFileSync(
    at('sshd_config'),
    `Port ${port}
ListenAddress 127.0.0.1
HostKey ${at('host')}
AuthorizedKeysFile ${at('authorized/keys')}
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
`,
  );
  provideSeparationDirectory();
  const check = await run(sshd, ['-t', '-f', at('sshd_config')]);
  if (check.code !== 0) return check.errors.trim();
  const server = new RunningProgram(sshd, ['-D', '-e', '-f', at('sshd_config')]);
  await server.until(
    () => server.exit !== undefined || server.transcript().includes('listening'),
    'sshd to listen',
  );
  if (server.exit !== undefined) return server.transcript();
  const socket = await connect(port);
  expect(String(await readBytes(socket, 4))).toBe('SSH-');
  socket.destroy();
  return { key: at('user') };
}

/** As root, sshd needs an empty directory that its service would create at boot. */
function provideSeparationDirectory(): void {
  const directory = '/run/sshd';
  if (process.getuid?.() !== 0 || existsSync(directory)) return;
  mkdirSync(directory, { mode: 0o755 });
  onTestFinished(() => rmdirSync(directory));
}
