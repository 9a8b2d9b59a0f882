/** Common programs through the tunnel. ssh, databases, mail and others have files of their own. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { installed, run } from './installed.js';
import { RunningProgram } from './running-program.js';
import { body, closedPort, sha256, startTarget } from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';
import { setUpRelay, startClient, startRelay, startTunnel } from './tunnel.js';

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
