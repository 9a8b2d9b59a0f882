/** `underpass doctor` on a healthy relay, and on faults. */
import { copyFileSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { runUnderpass } from './running-program.js';
import { closedPort, startEcho } from './tcp.js';
import { temporaryDirectory } from './temporary-directory.js';
import { newKey, type RelaySetup, setUpRelay, startClient, startRelay } from './tunnel.js';

/** Writes a client config beside the relay's. */
function clientConfig(setup: RelaySetup, relay: string, more = '', key = 'client.key'): string {
  const file = path.join(setup.directory, 'client.toml');
  writeFileSync(
    file,
    `relay = "${relay}"
relay_public_key = "${setup.relayKey.publicKey}"
private_key_file = "${key}"
${more}
`,
  );
  return file;
}

interface Step {
  readonly step: string;
  readonly status: string;
  readonly text: string;
  readonly finding?: string;
  readonly advice?: string;
}

async function examine(config: string, ...more: readonly string[]) {
  const { code, stdout, lines } = await runUnderpass(['doctor', '--config', config, '--json', ...more]);
  expect(lines).toEqual([]);
  const results = stdout.trim().split('\n');
  const outcome = JSON.parse(results.pop() ?? '') as { readonly outcome: string };
  const steps = results.map((line) => JSON.parse(line) as Step);
  expect(code).toBe(outcome.outcome === 'ok' ? 0 : 1);
  return { outcome: outcome.outcome, steps, last: steps.at(-1) };
}

const ALL = ['config', 'clock', 'name', 'udp', 'answer', 'relay', 'target', 'throughput', 'round trip'];

describe('underpass doctor on a healthy relay', () => {
  it('passes every step, and says what it measured', async () => {
    const echo = await startEcho();
    const target = `127.0.0.1:${echo.port}`;
    const setup = setUpRelay([target]);
    const { port } = await startRelay(setup);
    const config = clientConfig(setup, `127.0.0.1:${port}`, `local_forwards = ["0:${target}"]`);
    const { outcome, steps } = await examine(config);
    expect(steps.map(({ step }) => step)).toEqual([...ALL, 'loss', 'path MTU']);
    expect(outcome).toBe('ok');
    const textOf = (name: string) => steps.find(({ step }) => step === name)?.text;
    expect(textOf('relay')).toMatch(/^the relay calls this client laptop and sees it at 127\.0\.0\.1:\d+/);
    expect(textOf('target')).toBe(`${target} is allowed and answers`);
    expect(textOf('throughput')).toMatch(/ to the relay, .* from it$/);
  });

  it('asks the client that runs with the same keys, and leaves it alone', async () => {
    const echo = await startEcho();
    const target = `127.0.0.1:${echo.port}`;
    const setup = setUpRelay([target]);
    const { port } = await startRelay(setup);
    const { program } = await startClient(setup, port, [`0:${target}`]);
    await program.event('connected');
    const config = clientConfig(setup, `127.0.0.1:${port}`);
    const { outcome, steps } = await examine(config, '--target', target);
    expect(outcome).toBe('ok');
    expect(steps.find(({ step }) => step === 'answer')?.text).toContain(`process ${program.child.pid}`);
    expect(steps.some(({ text }) => text === `${target} is allowed and answers`)).toBe(true);
    expect(program.events.filter(({ event }) => event === 'disconnected')).toEqual([]);
  });

  it('finds the relay by the name under which it is saved', async () => {
    const setup = setUpRelay([]);
    const { port } = await startRelay(setup);
    const home = temporaryDirectory();
    const relays = path.join(home, 'underpass', 'relays');
    mkdirSync(relays, { recursive: true });
    for (const name of ['client.toml', 'client.key']) {
      if (name === 'client.toml') clientConfig(setup, `127.0.0.1:${port}`);
      copyFileSync(
        path.join(setup.directory, name),
        path.join(relays, name.replace('client.toml', 'vps.toml')),
      );
    }
    const environment = { XDG_CONFIG_HOME: home };
    const { code, stdout } = await runUnderpass(['doctor', 'vps'], { environment });
    expect(code).toBe(0);
    expect(stdout).toContain('vps.toml is valid');
    const other = await runUnderpass(['doctor', 'vpn'], { environment });
    expect(other.code).toBe(3);
    expect(other.lines).toEqual([expect.stringContaining('did you mean vps?')]);
  });

  it('prints a line for each step, for a person', async () => {
    const setup = setUpRelay([]);
    const { port } = await startRelay(setup);
    const config = clientConfig(setup, `127.0.0.1:${port}`);
    const { code, stdout } = await runUnderpass(['doctor', '--config', config]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok {6}config {5}.*client\.toml is valid\n/);
    expect(stdout).toMatch(
      /\nok {6}answer {5}the relay answers and accepts this client's key \(handshake \d+ ms\)\n/,
    );
    expect(stdout).not.toContain('\u001b');
  });
});

describe('underpass doctor', () => {
  it('says what is wrong with a config, and what to do', async () => {
    const setup = setUpRelay([]);
    const { last } = await examine(clientConfig(setup, 'nonsense'));
    expect(last).toMatchObject({ step: 'config', status: 'failed', finding: 'config-wrong' });
    expect(last?.text).toContain('client.toml:1: relay:');
    expect(last?.advice).toBeDefined();
  });

  it('recognises a name that does not exist', async () => {
    const { last } = await examine(clientConfig(setUpRelay([]), 'no-such-host.invalid:51820'));
    expect(last).toMatchObject({ step: 'name', status: 'failed' });
    expect(last?.finding).toMatch(/^name-(not-found|lookup-failed)$/); // as the system's resolver puts it
  });

  it('recognises that this machine cannot send', async () => {
    const { last } = await examine(clientConfig(setUpRelay([]), '255.255.255.255:51820'));
    expect(last).toMatchObject({ step: 'udp', status: 'failed', finding: 'cannot-send' });
  });

  it('recognises a port without a relay', async () => {
    const port = await closedPort();
    const { last } = await examine(clientConfig(setUpRelay([]), `127.0.0.1:${port}`), '--wait', '1');
    expect(last).toMatchObject({ step: 'answer', status: 'failed', finding: 'port-closed' });
  });

  it('recognises silence, and says what to look for at the relay', async () => {
    const setup = setUpRelay([]);
    const { port, program } = await startRelay(setup);
    newKey(setup.directory, 'stranger');
    const config = clientConfig(setup, `127.0.0.1:${port}`, '', 'stranger.key');
    const { last } = await examine(config, '--wait', '2');
    expect(last).toMatchObject({ step: 'answer', status: 'failed', finding: 'no-answer' });
    expect(last?.advice).toContain('a line about an unknown key');
    const { publicKey } = await program.event('unknown-key');
    expect(last?.text).toContain(String(publicKey).slice(0, 8));
  });

  it('recognises another preshared key', async () => {
    const setup = setUpRelay([]);
    newKey(setup.directory, 'psk');
    const { port } = await startRelay(setup);
    const config = clientConfig(setup, `127.0.0.1:${port}`, 'preshared_key_file = "psk.key"');
    const { last } = await examine(config);
    expect(last).toMatchObject({ step: 'answer', status: 'failed', finding: 'preshared-keys-differ' });
  });

  it('recognises a target that is not allowed, and one that refuses', async () => {
    const closed = await closedPort();
    const setup = setUpRelay([`127.0.0.1:${closed}`]);
    const { port } = await startRelay(setup);
    const config = clientConfig(setup, `127.0.0.1:${port}`);
    const targets = ['--target', '127.0.0.1:9', '--target', `127.0.0.1:${closed}`];
    const { steps } = await examine(config, ...targets);
    expect(steps.slice(-2)).toMatchObject([
      {
        step: 'target',
        status: 'failed',
        finding: 'target-not-allowed',
        text: expect.stringContaining('127.0.0.1:9'),
      },
      { step: 'target', status: 'failed', finding: 'target-refused' },
    ]);
  });

  it('asks for the targets of UDP forwards, without and with a client that runs', async () => {
    const setup = setUpRelay(['127.0.0.1:53/udp']);
    const { port } = await startRelay(setup);
    const config = clientConfig(setup, `127.0.0.1:${port}`, 'udp_forwards = ["0:127.0.0.1:53"]');
    const known =
      '127.0.0.1:53/udp is allowed; whether it answers is unknown, because UDP has no connections';
    const healthy = await examine(config);
    expect(healthy.steps.find(({ step }) => step === 'target')?.text).toBe(known);
    const { program } = await startClient(setup, port, ['0:127.0.0.1:1']);
    await program.event('connected');
    const { steps } = await examine(config, '--target', '127.0.0.1:54/udp');
    expect(steps.filter(({ step }) => step === 'target')).toMatchObject([
      { status: 'failed', finding: 'target-not-allowed', text: expect.stringContaining('127.0.0.1:54/udp') },
      { status: 'ok', text: known },
    ]);
  });

  it('recognises a clock that is behind, and goes on', async () => {
    const setup = setUpRelay([]);
    const { port } = await startRelay(setup);
    const config = clientConfig(setup, `127.0.0.1:${port}`);
    const future = new Date(Date.now() + 86_400_000);
    utimesSync(config, future, future);
    const { outcome, steps } = await examine(config);
    expect(steps[1]).toMatchObject({ step: 'clock', status: 'warning', finding: 'clock-behind' });
    expect(outcome).toBe('ok');
  });

  it('needs to know which relay', async () => {
    const { code, lines } = await runUnderpass(['doctor']);
    expect(code).toBe(2);
    expect(lines).toEqual([expect.stringContaining('no relay is given')]);
  });
});
