/** From nothing to a page, with the commands of the README: relay, invite, client. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Machine, startRelay } from './machine.js';
import { PROGRAM, RunningProgram } from './running-program.js';
import { connect, readAll, startConnecting, startTarget } from './tcp.js';

const isLinux = process.platform === 'linux';
/** A test runs up to ten processes, one after the other, and each takes seconds on a busy machine. */
const TIMEOUT_MS = 240_000;

async function portOf(client: RunningProgram): Promise<number> {
  const { addresses } = await client.event('listening');
  return (addresses as readonly { readonly port: number }[])[0]?.port ?? 0;
}

describe('a new client', { timeout: TIMEOUT_MS }, () => {
  it('needs a relay, an invite and a link to reach a page, and from then on only a name', async () => {
    const page = await startTarget((socket) => void socket.end('a page'));
    const target = `127.0.0.1:${page.port}`;
    const { server, relay, endpoint, invite } = await startRelay();
    const link = await invite('laptop', target);
    expect(link).toContain(`underpass://${endpoint}/`);
    expect(relay.stdout).toContain('underpass invite laptop');

    const laptop = new Machine();
    const first = laptop.start('client', link, '--as', 'vps', '-L', `0:${target}`);
    expect(await first.event('enrolled')).toMatchObject({ name: 'vps', peer: 'laptop' });
    expect(await relay.event('peer-enrolled')).toMatchObject({ peer: 'laptop' });
    expect(String(await readAll(await connect(await portOf(first))))).toBe('a page');
    if (isLinux) {
      // The link is not in the process list any more.
      expect(readFileSync(`/proc/${first.child.pid}/cmdline`, 'utf8')).not.toContain('underpass://');
    }
    first.child.kill('SIGTERM');
    expect((await first.ended()).code).toBe(0);
    expect(readdirSync(laptop.file('relays')).sort()).toEqual(['vps.key', 'vps.psk', 'vps.toml']);
    for (const file of ['vps.key', 'vps.psk']) {
      expect(statSync(laptop.file('relays', file)).mode & 0o777).toBe(0o600);
    }

    const again = laptop.start('client', 'vps', '-L', `0:${target}`);
    expect(String(await readAll(await connect(await portOf(again))))).toBe('a page');

    const { stdout } = await server.run(['peers']);
    expect(stdout).toMatch(
      /laptop {2}connected from 127\.0\.0\.1:\d+ +[\d.]+ \w+ ago +\S{8}… {2}127\.0\.0\.1:\d+\n/,
    );
    for (const program of [relay, first, again]) {
      expect(program.transcript()).not.toContain(link.slice(-92));
    }
  });

  it('can read the link from stdin, and may have nothing to forward yet', async () => {
    const { invite } = await startRelay();
    const link = await invite('laptop', 'localhost:80');
    const laptop = new Machine();
    const broken = link.replace(/.{30}/g, '$&\n');
    const { code } = await laptop.run(['client', '-', '--as', 'vps'], broken);
    expect(code).toBe(0);
    expect(readdirSync(laptop.file('relays'))).toContain('vps.toml');
  });
});

describe('a link', { timeout: TIMEOUT_MS }, () => {
  it('works once, and a second use is an error in the log of the relay', async () => {
    const { relay, invite } = await startRelay();
    const link = await invite('laptop', 'localhost:80');
    expect((await new Machine().run(['client', link])).code).toBe(0);
    const { code, lines } = await new Machine().run(['client', link, '-L', '0:localhost:80']);
    expect(code).toBe(1);
    expect(lines.join('\n')).toContain('underpass: the link was used already');
    expect(await relay.event('invite-reused')).toMatchObject({ level: 'error', peer: 'laptop' });
  });

  it('is not used up by a machine that is enrolled there (spec enrolment 5.2: "MUST refuse a link before it sends anything")', async () => {
    const { relay, invite } = await startRelay();
    const laptop = new Machine();
    expect((await laptop.run(['client', await invite('laptop', 'localhost:80'), '--as', 'vps'])).code).toBe(
      0,
    );
    const second = await invite('desk', 'localhost:80');
    const { code, lines } = await laptop.run(['client', second]);
    expect(code).toBe(1);
    expect(lines[0]).toMatch(/^underpass: this machine has enrolled at the relay \S+ already, as vps: use: /);
    expect(relay.events.some(({ event, peer }) => event === 'peer-enrolled' && peer === 'desk')).toBe(false);
    expect((await laptop.run(['client', second, '--as', 'other'])).code).toBe(0);
    const elsewhere = await startRelay();
    const third = await elsewhere.invite('laptop', 'localhost:80');
    expect((await laptop.run(['client', third, '--as', 'vps'])).lines).toEqual([
      'underpass: vps is another relay on this machine: choose another name and try again with the same link: --as NAME',
    ]);
    expect(elsewhere.relay.events.some(({ event }) => event === 'peer-enrolled')).toBe(false);
  });

  it.skipIf(!isLinux).each([
    ['the disk is full', '>/dev/full', 'no space left'],
    ['nobody reads', '| true', 'the reader has gone away'],
  ])('that cannot be printed because %s leaves no invite', async (_why, redirection, reason) => {
    const { server, relay, endpoint } = await startRelay();
    const command = `"${process.execPath}" "${PROGRAM}" invite laptop --allow localhost:80 --endpoint ${endpoint}`;
    const script = redirection.startsWith('|')
      ? `set -o pipefail; (trap '' PIPE; until [ -e gone ]; do sleep 0.02; done; ${command}) | (exec <&-; : > gone)`
      : `${command} ${redirection}`;
    const run = new RunningProgram('bash', ['-c', `cd "${server.config}"; ${script}`], server.environment);
    expect((await run.ended()).code).toBe(1);
    expect(run.plainLines).toEqual([
      `underpass: cannot write the link to standard output: ${reason}: the invite was withdrawn: run the command again where its output can be written`,
    ]);
    expect((await server.run(['peers', '--json'])).stdout).toBe('[]\n');
    expect(relay.exit).toBeUndefined();
  });

  it('is not used up by a command that could not keep or use what it gets (spec enrolment 5.2)', async () => {
    const { relay, invite } = await startRelay();
    const link = await invite('laptop', 'localhost:80');
    const laptop = new Machine();
    for (const [flags, code, line] of [
      [['-W', 'db:22', '-D', '0'], 2, '-W carries one connection'],
      [['-L', '1:db:22', '-D', '1'], 2, 'two forwards listen at the same place'],
      [['--proxy-protocol', '-D', '0'], 2, '--proxy-protocol needs a -L or -R'],
    ] as const) {
      const run = await laptop.run(['client', link, ...flags]);
      expect([run.code, run.lines[0]]).toEqual([code, expect.stringContaining(line)]);
    }
    mkdirSync(laptop.file('relays'), { recursive: true });
    chmodSync(laptop.file('relays'), 0o777);
    const run = await laptop.run(['client', link]);
    expect([run.code, run.lines]).toEqual([
      3,
      [expect.stringContaining(`the directory of saved relays ${laptop.file('relays')} can be changed by`)],
    ]);
    expect(relay.events.some(({ event }) => event === 'peer-enrolled')).toBe(false);
    chmodSync(laptop.file('relays'), 0o700);
    expect((await laptop.run(['client', link])).code).toBe(0);
  });

  it('that is damaged is refused, and not printed', async () => {
    const { invite } = await startRelay();
    const link = await invite('laptop', 'localhost:80');
    const altered = link.endsWith('A') ? link.replace(/A$/, 'B') : link.replace(/.$/, 'A');
    for (const [text, what] of [
      [link.slice(0, -9), 'the end of the link is missing'],
      [altered, 'the link was altered'],
    ] as const) {
      const { code, lines } = await new Machine().run(['client', text]);
      expect([code, lines[0]]).toEqual([2, expect.stringContaining(what)]);
      expect(lines.join()).not.toContain(text.slice(-20));
    }
  });
});

describe('a peer', { timeout: TIMEOUT_MS }, () => {
  it('that is revoked is told and cut off at once', async () => {
    const target = await startTarget((socket) => void socket.write('hello'));
    const { server, relay, invite } = await startRelay();
    const link = await invite('laptop', `127.0.0.1:${target.port}`);
    const client = new Machine().start('client', link, '-L', `0:127.0.0.1:${target.port}`);
    const socket = await connect(await portOf(client));
    const outcome = readAll(socket).then(
      () => 'ended',
      (error: unknown) => String(error),
    );
    await client.event('connected');
    await relay.event('peer-connected');
    expect((await server.run(['revoke', 'laptop'])).stdout).toContain('laptop is no longer a peer');
    expect(await client.event('disconnected')).toMatchObject({ cause: 'removed' });
    expect(await outcome).toContain('ECONNRESET');
    expect((await server.run(['peers', '--json'])).stdout).toBe('[]\n');
  });

  it('reaches more when it is allowed to, without a new connection', async () => {
    const page = await startTarget((socket) => void socket.end('a page'));
    const { server, invite } = await startRelay();
    const link = await invite('laptop', 'localhost:1');
    const client = new Machine().start('client', link, '-L', `0:127.0.0.1:${page.port}`);
    const port = await portOf(client);
    await client.event('connected');
    await expect(readAll(startConnecting(port))).rejects.toThrow();
    const { stdout } = await server.run(['allow', 'laptop', `127.0.0.1:${page.port}`]);
    expect(stdout).toBe(`laptop may reach localhost:1, 127.0.0.1:${page.port}\n`);
    expect(String(await readAll(await connect(port)))).toBe('a page');
    expect(client.events.filter(({ event }) => event === 'connected')).toHaveLength(1);
    expect((await server.run(['allow', 'laptop', '--max-rate', '5 MB/s'])).stdout).toBe(
      `laptop may reach localhost:1, 127.0.0.1:${page.port}, at most 5 MB/s in each direction\n`,
    );
    expect((await server.run(['allow', 'laptop', '--max-rate', 'none'])).stdout).not.toContain('at most');
    await server.run(['allow', 'laptop', '--listen', '8080']);
    expect((await server.run(['revoke', 'laptop', 'localhost:1'])).stdout).toBe(
      `laptop may reach 127.0.0.1:${page.port}, and may listen on 8080\n`,
    );
    expect((await server.run(['revoke', 'laptop', '--listen', '80'])).lines).toEqual([
      'underpass: laptop has no rule 80: its rules of that kind: 8080',
    ]);
  });
});
