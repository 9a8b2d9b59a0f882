/** `--metrics`: metrics and a health probe. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type RunningProgram, runUnderpass } from './running-program.js';
import { connect, readAll, startEcho } from './tcp.js';
import { setUpRelay, startClient, startRelay, writeRelayConfig } from './tunnel.js';

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

async function fetchFrom(program: RunningProgram, path: string): Promise<Response> {
  const { port } = await program.event('metrics');
  return fetch(`http://127.0.0.1:${Number(port)}${path}`);
}

describe('a relay and a client with --metrics', () => {
  it('serve what docs/cli.md lists, and the dashboard asks for nothing else', async () => {
    const { port } = await startEcho();
    const setup = setUpRelay([`127.0.0.1:${port}`]);
    const relay = await startRelay(setup, 0, ['--metrics', '0']);
    const forwards = [`0:127.0.0.1:${port}`, '0:127.0.0.1:9'];
    const client = await startClient(setup, relay.port, forwards, ['--metrics', '127.0.0.1:0']);
    const socket = await connect(client.ports[0] ?? 0);
    socket.end('hello');
    await readAll(socket);
    const refused = await connect(client.ports[1] ?? 0);
    refused.resume();
    await relay.program.event('refused');

    const text = await (await fetchFrom(relay.program, '/metrics')).text();
    expect(text).toContain('underpass_peer_connected{peer="laptop"} 1');
    expect(text).toContain('underpass_streams_opened_total 1');
    expect(text).toContain('underpass_streams_refused_total{status="not-allowed"} 1');
    expect((await fetchFrom(client.program, '/healthz')).status).toBe(200);
    expect(await (await fetchFrom(client.program, '/metrics')).text()).toContain(
      'underpass_info{kind="client"',
    );

    const served = new Set(Array.from(text.matchAll(/^# TYPE (\w+)/gm), ([, name]) => name as string));
    const own = [...served].filter((name) => name.startsWith('underpass_'));
    const documented = new Set(read('cli.md').match(/\bunderpass_[a-z_]+\b/g));
    expect(documented).toEqual(new Set(own));
    const users = read('grafana-dashboard.json') + read('guide/monitoring.md');
    const asked = users.match(/\b(?:underpass|process|nodejs)_[a-z_]+\b/g);
    expect([...new Set(asked)].filter((name) => !served.has(name))).toEqual([]);
  });

  it('can be scraped through the tunnel, as docs/guide/monitoring.md says', async () => {
    const setup = setUpRelay([]);
    const relay = await startRelay(setup, 0, ['--metrics', '0']);
    const { port } = await relay.program.event('metrics');
    writeRelayConfig(setup, [`localhost:${Number(port)}`]);
    relay.program.child.kill('SIGHUP');
    await relay.program.event('reloaded');
    const client = await startClient(setup, relay.port, [`0:localhost:${Number(port)}`]);
    const response = await fetch(`http://localhost:${client.ports[0] ?? 0}/metrics`);
    expect(await response.text()).toContain('underpass_peer_connected{peer="laptop"} 1');
  });

  it('are not healthy while the client cannot reach the relay', async () => {
    const setup = setUpRelay([]);
    const client = await startClient(setup, 9, ['0:localhost:80'], ['--metrics', '0']);
    const response = await fetchFrom(client.program, '/healthz');
    expect(response.status).toBe(503);
    expect(await response.text()).toBe('not connected to the relay\n');
  });

  it('do not start if the port is in use', async () => {
    const { port } = await startEcho();
    const arguments_ = ['relay', '--config', setUpRelay([]).config, '--metrics', `127.0.0.1:${port}`];
    const { code, lines } = await runUnderpass(arguments_);
    expect(code).toBe(1);
    expect(lines).toEqual([expect.stringContaining(`${port} is in use`)]);
  });
});
